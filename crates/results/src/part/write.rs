//! Sorted rows → the bytes of a part. The same rows give the same bytes, on every machine and at any time.

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::{KEY_FORMAT, KEY_RANGES, KEY_RANGES_DIGEST, KEY_SWEEP, digest};
use crate::batch::to_batch;
use crate::coverage::{Run, runs, runs_to_json};
use crate::error::DatasetError;
use crate::manifest::FormatVersion;
use crate::rows::{CellTable, Row};
use crate::schema::{self, trials_schema};

/// Rows of a row group: what DuckDB and others read at once in one thread.
pub(crate) const ROW_GROUP: usize = 1 << 17;

/// What every Parquet file of a dataset has in common. No time, no host, no version of a library: the same rows, the same
/// bytes.
pub(crate) fn properties() -> WriterPropertiesBuilder {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default());
    WriterProperties::builder()
        .set_created_by("taugrid version 1".to_string())
        .set_compression(zstd)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP))
}

fn trial_properties() -> WriterProperties {
    let column = |index: usize| ColumnPath::from(trials_schema().field(index).name().as_str());
    let mut builder = properties();
    // Long columns of distinct numbers: hashing them into a dictionary would be lost labour.
    for index in [schema::TRIAL, schema::EXIT_STEP, schema::STEPS] {
        builder = builder
            .set_column_dictionary_enabled(column(index), false)
            .set_column_encoding(column(index), Encoding::DELTA_BINARY_PACKED);
    }
    for index in [schema::EXIT_TIME, schema::EXIT_LOSS, schema::EXIT_RADIUS] {
        builder = builder.set_column_dictionary_enabled(column(index), false);
    }
    let ascending = |index: usize| SortingColumn { column_idx: index as i32, descending: false, nulls_first: false };
    builder.set_sorting_columns(Some(vec![ascending(schema::CELL), ascending(schema::TRIAL)])).build()
}

/// A part as bytes.
pub(crate) struct EncodedPart {
    pub(crate) bytes: Vec<u8>,
    pub(crate) runs: Vec<Run>,
    pub(crate) rows: u64,
}

/// Builds one part in memory.
pub(crate) struct PartWriter<'a> {
    writer: ArrowWriter<Vec<u8>>,
    cells: &'a CellTable,
    runs: Vec<Run>,
    rows: u64,
}

impl<'a> PartWriter<'a> {
    /// A part of the sweep `sweep_id`.
    pub(crate) fn new(cells: &'a CellTable, sweep_id: &str) -> Result<Self, DatasetError> {
        let mut writer =
            ArrowWriter::try_new(Vec::new(), trials_schema(), Some(trial_properties())).map_err(refused)?;
        let pair = |key: &str, value: String| KeyValue::new(key.to_string(), value);
        writer.append_key_value_metadata(pair(KEY_FORMAT, FormatVersion::CURRENT.to_string()));
        writer.append_key_value_metadata(pair(KEY_SWEEP, sweep_id.to_string()));
        Ok(Self { writer, cells, runs: Vec::new(), rows: 0 })
    }

    /// Adds `rows`, sorted by (cell, trial), without doubles, and after all that were added before.
    pub(crate) fn push(&mut self, rows: &[Row]) -> Result<(), DatasetError> {
        let mut rest = rows;
        while !rest.is_empty() {
            // Whole row groups, so that the bytes do not depend on how the rows were handed over.
            let room = ROW_GROUP - (self.rows % ROW_GROUP as u64) as usize;
            let (now, later) = rest.split_at(room.min(rest.len()));
            let batch: RecordBatch = to_batch(now, self.cells)?;
            self.writer.write(&batch).map_err(refused)?;
            for mut run in runs(now) {
                run.first += self.rows;
                match self.runs.last_mut() {
                    Some(last) if last.cell == run.cell && last.trials.end == run.trials.start => {
                        last.trials.end = run.trials.end;
                    }
                    _ => self.runs.push(run),
                }
            }
            self.rows += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    /// The part.
    pub(crate) fn finish(mut self) -> Result<EncodedPart, DatasetError> {
        let ranges = runs_to_json(&self.runs);
        self.writer.append_key_value_metadata(KeyValue::new(KEY_RANGES_DIGEST.to_string(), digest(ranges.as_bytes())));
        self.writer.append_key_value_metadata(KeyValue::new(KEY_RANGES.to_string(), ranges));
        let bytes = self.writer.into_inner().map_err(refused)?;
        Ok(EncodedPart { bytes, runs: self.runs, rows: self.rows })
    }
}

fn refused(error: ParquetError) -> DatasetError {
    DatasetError::encode("a part", error)
}
