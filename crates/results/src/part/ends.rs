//! How the trials of a part ended: two columns of it, for the rest stands in its footer.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, Int64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use taugrid_escape::walk::TrialRecord;
use taugrid_sweep::CellKey;

use super::Part;
use super::read::{StoredFile, unread};
use crate::batch::OUTCOMES;
use crate::error::DatasetError;
use crate::schema::{self, difference, trials_schema};
use crate::store::Store;

impl Part {
    /// Calls `f` with every trial of the part, in order: its number, outcome and steps. Where it ended was not read, and is
    /// NaN.
    pub(crate) fn for_each_end(
        &self,
        store: &Arc<dyn Store>,
        mut f: impl FnMut(CellKey, &TrialRecord),
    ) -> Result<(), DatasetError> {
        self.check_bytes(store)?;
        let damaged = |why: &str| DatasetError::damaged(self.name.as_str(), why);
        let file = StoredFile::open(store, self.name.as_str())?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new());
        let metadata = metadata.map_err(|error| unread(&self.name, error))?;
        if let Some(difference) = difference(metadata.schema(), &trials_schema()) {
            return Err(damaged(&difference));
        }
        let columns = ProjectionMask::roots(metadata.parquet_schema(), [schema::OUTCOME, schema::STEPS]);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
        let reader = builder.with_projection(columns).with_batch_size(1 << 16).build();
        let mut trials = self.runs.iter().flat_map(|run| run.trials.clone().map(|trial| (run.cell, trial)));
        for batch in reader.map_err(|error| unread(&self.name, error))? {
            let batch = batch.map_err(|error| damaged(&error.to_string()))?;
            let other_type = || damaged("a column has another type");
            let outcome = batch.column(0).as_dictionary_opt::<Int32Type>().ok_or_else(other_type)?;
            let words = outcome.values().as_string_opt::<i32>().ok_or_else(other_type)?;
            let known: Vec<_> =
                words.iter().map(|word| OUTCOMES.into_iter().find(|known| Some(known.as_str()) == word)).collect();
            let steps = batch.column(1).as_primitive_opt::<Int64Type>().ok_or_else(other_type)?;
            for (key, steps) in outcome.keys_iter().zip(steps) {
                let outcome = key.and_then(|key| known.get(key).copied().flatten());
                let steps = steps.and_then(|steps| u64::try_from(steps).ok());
                let (Some(outcome), Some(steps), Some((cell, trial))) = (outcome, steps, trials.next()) else {
                    return Err(damaged("a row says no outcome, no steps, or is one more than its footer says"));
                };
                f(cell, &TrialRecord { trial, outcome, steps, exit_loss: f64::NAN, exit_radius: f64::NAN });
            }
        }
        Ok(())
    }
}
