//! A stored part: its footer when the dataset is opened, its rows when they are asked for.
//!
//! No row is handed out before the bytes of the part were found to have the hash in its name, once a session.

use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};

use super::write::EncodedPart;
use super::{KEY_FORMAT, KEY_RANGES, KEY_RANGES_DIGEST, KEY_SWEEP, PartName, digest};
use crate::batch::from_batch;
use crate::coverage::{Position, Run, rows_before, runs, runs_from_json};
use crate::error::DatasetError;
use crate::manifest::FormatVersion;
use crate::rows::{CellTable, Row};
use crate::schema::{difference, trials_schema};
use crate::store::{Store, StoreError};

/// A part of an open dataset.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: PartName,
    pub(crate) size: u64,
    pub(crate) rows: u64,
    pub(crate) runs: Vec<Run>,
    /// Whether its bytes were found to have the hash in its name.
    sound: AtomicBool,
}

impl Part {
    /// A part that was just written.
    pub(crate) fn written(name: PartName, encoded: EncodedPart) -> Self {
        let EncodedPart { bytes, runs, rows } = encoded;
        Self { name, size: bytes.len() as u64, rows, runs, sound: AtomicBool::new(false) }
    }

    /// The part of this name, by its footer alone.
    pub(crate) fn open(store: &Arc<dyn Store>, name: PartName, sweep_id: &str) -> Result<Self, DatasetError> {
        let damaged = |why: String| DatasetError::damaged(name.as_str(), why);
        let (metadata, size, whole) = footer(store, &name)?;
        // A small part is here with all its bytes.
        let sound = whole.is_some_and(|bytes| digest(&bytes) == name.digest());
        let rows = u64::try_from(metadata.file_metadata().num_rows())
            .map_err(|_| damaged("a negative number of rows".to_string()))?;
        let value = |key: &str| {
            let pairs = metadata.file_metadata().key_value_metadata().into_iter().flatten();
            let value = pairs.filter(|pair| pair.key == key).find_map(|pair| pair.value.as_deref());
            value.ok_or_else(|| damaged(format!("its footer has no {key}")))
        };
        let format = value(KEY_FORMAT)?;
        if format != FormatVersion::CURRENT.to_string() {
            return Err(damaged(format!("it is of format {format}, and the dataset is not")));
        }
        let sweep = value(KEY_SWEEP)?;
        if sweep != sweep_id {
            return Err(damaged(format!("it is a part of sweep {sweep}, and the dataset is of sweep {sweep_id}")));
        }
        let ranges = value(KEY_RANGES)?;
        if digest(ranges.as_bytes()) != value(KEY_RANGES_DIGEST)? {
            return Err(damaged("the ranges in its footer do not have the hash beside them".to_string()));
        }
        let runs = runs_from_json(ranges).map_err(|why| damaged(format!("the ranges in its footer: {why}")))?;
        let covered: u64 = runs.iter().map(Run::rows).sum();
        if covered != rows {
            return Err(damaged(format!("its footer covers {covered} trials, and it has {rows} rows")));
        }
        Ok(Self { size, rows, runs, name, sound: AtomicBool::new(sound) })
    }

    /// Its rows from `range.start` up to `range.end`, as indices into it.
    pub(crate) fn indices(&self, range: &Range<Position>) -> Range<u64> {
        rows_before(&self.runs, range.start)..rows_before(&self.runs, range.end)
    }

    /// Whether its bytes have the hash in its name; they are read at most once.
    pub(crate) fn check_bytes(&self, store: &Arc<dyn Store>) -> Result<(), DatasetError> {
        if self.sound.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.name.check(store)?;
        self.sound.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The rows at these indices: of known cells, every value checked, in order, and just those that the footer promises.
    pub(crate) fn read(
        &self,
        store: &Arc<dyn Store>,
        cells: &CellTable,
        indices: Range<u64>,
    ) -> Result<Vec<Row>, DatasetError> {
        if indices.is_empty() {
            return Ok(Vec::new());
        }
        self.check_bytes(store)?;
        let damaged = |why: String| DatasetError::damaged(self.name.as_str(), why);
        let file = StoredFile::open(store, self.name.as_str())?;
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&file, options).map_err(|error| unread(&self.name, error))?;
        if let Some(difference) = difference(metadata.schema(), &trials_schema()) {
            return Err(damaged(difference));
        }
        let (groups, first, total) = groups_of(metadata.metadata(), &indices);
        let wanted = (indices.start - first) as usize..(indices.end - first) as usize;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
            .with_row_groups(groups)
            .with_batch_size(1 << 16);
        if wanted != (0..total) {
            let selection = RowSelection::from_consecutive_ranges(std::iter::once(wanted), total);
            builder = builder.with_row_selection(selection);
        }
        let mut rows = Vec::with_capacity((indices.end - indices.start).min(1 << 24) as usize);
        for batch in builder.build().map_err(|error| unread(&self.name, error))? {
            let batch = batch.map_err(|error| damaged(error.to_string()))?;
            rows.extend(from_batch(&batch, cells).map_err(|error| damaged(error.to_string()))?);
        }
        if !self.promises(&indices).eq(runs(&rows).into_iter().map(|run| (run.cell, run.trials))) {
            return Err(damaged("its rows are not those that its footer says".to_string()));
        }
        Ok(rows)
    }

    /// The runs of the rows at these indices, by the footer.
    fn promises(&self, indices: &Range<u64>) -> impl Iterator<Item = (taugrid_sweep::CellKey, Range<u64>)> {
        let Range { start, end } = *indices;
        let from = self.runs.partition_point(|run| run.first + run.rows() <= start);
        self.runs[from..].iter().take_while(move |run| run.first < end).map(move |run| {
            let skipped = start.saturating_sub(run.first);
            let kept = run.rows().min(end - run.first);
            (run.cell, run.trials.start + skipped..run.trials.start + kept)
        })
    }
}

/// The footer of a part, its size, and all its bytes if they came along: it is asked for once, if it is of the usual size.
fn footer(store: &Arc<dyn Store>, name: &PartName) -> Result<(ParquetMetaData, u64, Option<Bytes>), DatasetError> {
    const USUAL: u64 = 16 << 10;
    let mut most = USUAL;
    loop {
        let (end, size) = store.read_end(name.as_str(), most)?;
        let end = Bytes::from(end);
        let mut reader = ParquetMetaDataReader::new();
        match reader.try_parse_sized(&end, size) {
            Ok(()) => {
                let metadata = reader.finish().map_err(|error| unread(name, error))?;
                return Ok((metadata, size, (end.len() as u64 == size).then_some(end)));
            }
            // No more than there is, or this would go on for ever.
            Err(ParquetError::NeedMoreData(needed)) if most < size && most < needed as u64 => {
                most = size.min(needed as u64);
            }
            Err(error) => return Err(unread(name, error)),
        }
    }
}

/// The row groups that hold these rows, the index of the first row in them, and how many rows they have.
fn groups_of(metadata: &ParquetMetaData, indices: &Range<u64>) -> (Vec<usize>, u64, usize) {
    let (mut groups, mut first, mut total, mut at) = (Vec::new(), 0, 0, 0);
    for (index, group) in metadata.row_groups().iter().enumerate() {
        let rows = group.num_rows().max(0) as u64;
        if at < indices.end && at + rows > indices.start {
            if groups.is_empty() {
                first = at;
            }
            groups.push(index);
            total += rows as usize;
        }
        at += rows;
    }
    (groups, first, total)
}

/// The store's own word if the file could not be read, damage if it could.
pub(super) fn unread(name: &PartName, error: ParquetError) -> DatasetError {
    match error {
        ParquetError::External(error) => match error.downcast::<StoreError>() {
            Ok(error) => DatasetError::Store(*error),
            Err(error) => DatasetError::damaged(name.as_str(), error),
        },
        error => DatasetError::damaged(name.as_str(), error),
    }
}

/// A file of a store, for the Parquet reader.
pub(super) struct StoredFile {
    store: Arc<dyn Store>,
    name: String,
    size: u64,
}

impl StoredFile {
    pub(super) fn open(store: &Arc<dyn Store>, name: &str) -> Result<Self, StoreError> {
        let size = store.size(name)?;
        Ok(Self { store: store.clone(), name: name.to_string(), size })
    }
}

impl Length for StoredFile {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for StoredFile {
    type T = BufReader<FromHere>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let here = FromHere { store: self.store.clone(), name: self.name.clone(), at: start, size: self.size };
        Ok(BufReader::with_capacity(1 << 16, here))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.size);
        let end = end.ok_or_else(|| ParquetError::EOF(format!("{length} bytes at {start} of {}", self.size)))?;
        let bytes = self.store.read_range(&self.name, start..end);
        bytes.map(Bytes::from).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

/// Reads on from a place in a stored file.
pub(super) struct FromHere {
    store: Arc<dyn Store>,
    name: String,
    at: u64,
    size: u64,
}

impl Read for FromHere {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.size.min(self.at.saturating_add(buffer.len() as u64));
        if end <= self.at {
            return Ok(0);
        }
        let bytes = self.store.read_range(&self.name, self.at..end)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.at = end;
        Ok(bytes.len())
    }
}
