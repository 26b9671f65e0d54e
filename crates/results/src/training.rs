//! `OUT/training.parquet`: what `taugrid train` measured along runs of SGD, a row a measurement, by run and epoch.
//!
//! | name | type | unit | meaning |
//! | --- | --- | --- | --- |
//! | `run` | int64 | | which run, from 0, in the order of the sweep file |
//! | `batch_size` | int64 | examples | B |
//! | `learning_rate` | float64 | time / step | η |
//! | `epoch` | int64 | epochs | epochs trained, from 0 |
//! | `step` | int64 | steps | steps taken |
//! | `loss` | float64 | loss | L(θ), over all examples |
//! | `gradient_norm` | float64 | loss / length | ‖∇L(θ)‖ |
//! | `accuracy` | float64 | 1 | the share of the examples that are put into their own class |
//! | `lambda_max` | float64 | loss / length² | λmax of the Hessian at θ |
//! | `lambda_max_residual` | float64 | loss / length² | an eigenvalue lies within it of `lambda_max` |
//! | `epsilon` | float64 | 1 | ε of the box of Metric 2.1 |
//! | `keskar_sharpness` | float64 | per cent | Metric 2.1 of Keskar et al.: 100 · `keskar_rise` / (1 + `loss`) |
//! | `keskar_rise` | float64 | loss | the rise of the loss in the box, as far as it was found |
//! | `keskar_gradients` | int64 | | gradients that the search took |
//!
//! No part of the dataset, whose rows are trials: it may be there with one or without, and says in its footer
//! (`taugrid.landscape`) which landscape it is of. The file carries its own hash (the module `seal`).

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use taugrid_escape::sharpness::{Keskar, Profile};
use taugrid_sweep::TrainingPoint;

use crate::error::DatasetError;
use crate::seal;
use crate::store::Store;

/// The table's name in its folder.
pub const TRAINING: &str = "training.parquet";
const KEY_LANDSCAPE: &str = "taugrid.landscape";

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let column = |(name, whole)| Field::new(name, if whole { DataType::Int64 } else { DataType::Float64 }, false);
    let columns = [
        ("run", true),
        ("batch_size", true),
        ("learning_rate", false),
        ("epoch", true),
        ("step", true),
        ("loss", false),
        ("gradient_norm", false),
        ("accuracy", false),
        ("lambda_max", false),
        ("lambda_max_residual", false),
        ("epsilon", false),
        ("keskar_sharpness", false),
        ("keskar_rise", false),
        ("keskar_gradients", true),
    ];
    Arc::new(Schema::new(columns.map(column).to_vec()))
});

/// Writes the table into `store`: the old one or the new one is there at any time. The same
/// points give the same bytes. `landscape_id` is that of the sweep's physics.
///
/// # Errors
/// If it cannot be written; then the old one is as it was.
pub fn write_training(store: &dyn Store, landscape_id: &str, points: &[TrainingPoint]) -> Result<(), DatasetError> {
    let bytes = seal::table(TRAINING, &to_batch(points)?, (KEY_LANDSCAPE, landscape_id))?;
    Ok(store.replace(TRAINING, &bytes)?)
}

/// Reads the table in `store`.
///
/// # Errors
/// [`DatasetError::Damaged`] if it does not say what was written, [`DatasetError::Store`] (not found) if there is none.
pub fn read_training(store: &dyn Store) -> Result<Vec<TrainingPoint>, DatasetError> {
    let bytes = store.read(TRAINING)?;
    let damaged = |why: String| DatasetError::damaged(TRAINING, why);
    // Before anything decodes them: the Parquet reader may panic on damaged pages.
    if !seal::is_sound(&bytes) {
        return Err(damaged("its bytes do not have the hash that they carry".to_string()));
    }
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).and_then(|builder| builder.build());
    let mut points = Vec::new();
    for batch in reader.map_err(|error| damaged(error.to_string()))? {
        points.extend(from_batch(&batch.map_err(|error| damaged(error.to_string()))?)?);
    }
    Ok(points)
}

fn to_batch(points: &[TrainingPoint]) -> Result<RecordBatch, DatasetError> {
    let refused = |error: &dyn ToString| DatasetError::encode(TRAINING, error.to_string());
    let count = |number: &dyn Fn(&TrainingPoint) -> u64| -> Result<ArrayRef, DatasetError> {
        let numbers: Result<Vec<i64>, _> = points.iter().map(|point| i64::try_from(number(point))).collect();
        Ok(Arc::new(Int64Array::from(numbers.map_err(|error| refused(&error))?)))
    };
    let float = |number: &dyn Fn(&TrainingPoint) -> f64| -> ArrayRef {
        Arc::new(points.iter().map(|point| Some(number(point))).collect::<Float64Array>())
    };
    let columns = vec![
        count(&|point| point.run)?,
        count(&|point| point.batch_size)?,
        float(&|point| point.learning_rate),
        count(&|point| point.epoch)?,
        count(&|point| point.step)?,
        float(&|point| point.profile.loss),
        float(&|point| point.profile.gradient_norm),
        float(&|point| point.profile.accuracy),
        float(&|point| point.profile.lambda_max),
        float(&|point| point.profile.lambda_max_residual),
        float(&|point| point.epsilon),
        float(&|point| point.profile.keskar.value),
        float(&|point| point.profile.keskar.rise),
        count(&|point| point.profile.keskar.gradients as u64)?,
    ];
    RecordBatch::try_new(SCHEMA.clone(), columns).map_err(|error| refused(&error))
}

fn from_batch(batch: &RecordBatch) -> Result<Vec<TrainingPoint>, DatasetError> {
    let another_type = |name: &str| DatasetError::damaged(TRAINING, format!("column `{name}` has another type"));
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| another_type(name));
    let floats = |name: &str| column(name)?.as_primitive_opt::<Float64Type>().ok_or_else(|| another_type(name));
    let counts = |name: &str| column(name)?.as_primitive_opt::<Int64Type>().ok_or_else(|| another_type(name));
    let (run, batch_size, epoch, step) = (counts("run")?, counts("batch_size")?, counts("epoch")?, counts("step")?);
    let (learning_rate, epsilon) = (floats("learning_rate")?, floats("epsilon")?);
    let (loss, gradient_norm, accuracy) = (floats("loss")?, floats("gradient_norm")?, floats("accuracy")?);
    let (lambda_max, lambda_max_residual) = (floats("lambda_max")?, floats("lambda_max_residual")?);
    let (value, rise, gradients) = (floats("keskar_sharpness")?, floats("keskar_rise")?, counts("keskar_gradients")?);
    let count = |column: &Int64Array, i: usize| {
        u64::try_from(column.value(i)).map_err(|_| DatasetError::damaged(TRAINING, "a negative count"))
    };
    (0..batch.num_rows())
        .map(|i| {
            let keskar =
                Keskar { value: value.value(i), rise: rise.value(i), gradients: count(gradients, i)? as usize };
            Ok(TrainingPoint {
                run: count(run, i)?,
                batch_size: count(batch_size, i)?,
                learning_rate: learning_rate.value(i),
                epoch: count(epoch, i)?,
                step: count(step, i)?,
                epsilon: epsilon.value(i),
                profile: Profile {
                    loss: loss.value(i),
                    gradient_norm: gradient_norm.value(i),
                    accuracy: accuracy.value(i),
                    lambda_max: lambda_max.value(i),
                    lambda_max_residual: lambda_max_residual.value(i),
                    keskar,
                },
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    fn points() -> Vec<TrainingPoint> {
        let point = |epoch: u64| TrainingPoint {
            run: epoch / 3,
            batch_size: 10,
            learning_rate: 0.1,
            epoch,
            step: 1043 * epoch,
            epsilon: 5e-4,
            profile: Profile {
                loss: 1.0 / (1.0 + epoch as f64),
                gradient_norm: 0.1,
                accuracy: 0.25,
                lambda_max: 7.0 + epoch as f64,
                lambda_max_residual: 1e-9,
                keskar: Keskar { value: 0.3, rise: 0.003, gradients: 17 },
            },
        };
        (0..6).map(point).collect()
    }

    #[test]
    fn the_table_comes_back_and_its_bytes_are_the_same_again() {
        let store = MemoryStore::new();
        assert!(matches!(read_training(&store), Err(DatasetError::Store(error)) if error.is_not_found()));
        write_training(&store, "abc", &points()).expect("written");
        let bytes = store.read(TRAINING).expect("there");
        assert_eq!(read_training(&store).expect("sound"), points());
        write_training(&store, "abc", &[]).expect("written");
        assert_eq!(read_training(&store).expect("sound"), []);
        write_training(&store, "abc", &points()).expect("written");
        assert_eq!(store.read(TRAINING).expect("there"), bytes);
        assert_eq!(store.files().len(), 1);
    }

    #[test]
    fn damage_is_found() {
        let store = MemoryStore::new();
        write_training(&store, "abc", &points()).expect("written");
        let mut bytes = store.read(TRAINING).expect("there");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        store.replace(TRAINING, &bytes).expect("written");
        assert!(matches!(read_training(&store), Err(DatasetError::Damaged { .. })));
    }
}
