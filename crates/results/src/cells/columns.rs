//! The columns of `cells.parquet`: each with its name, its type, and where in a [`CellSummary`] it stands.
//!
//! | name | type | unit | meaning |
//! | --- | --- | --- | --- |
//! | `cell` … `batch_size` | as in `trials/` | | the cell and its parameters |
//! | `lambda_max` | float64 | loss / length² | λmax of the Hessian of L_αβ at θ*: the sharpness |
//! | `lambda_min`, `trace` | float64, null | loss / length² | of the same |
//! | `depth` | float64, null | loss | ΔL = min over ∂D of L_αβ − L_αβ(θ*) |
//! | `estimator` | string | | how the mean was estimated: `direct` |
//! | `trials`, `exits`, `censored`, `diverged` | int64 | | trials that ended; how |
//! | `mean_exit_steps` | float64, null | steps | maximum-likelihood mean under censoring; null without an exit |
//! | `mean_exit_time` | float64, null | time | the same in time |
//! | `lower`, `upper` | float64, null | time | the 95 % confidence interval of `mean_exit_time` |
//! | `std`, `median` | float64, null | time | of the exit times |
//! | `total_steps` | int64 | steps | steps simulated |
//! | `gradient_norm` | float64 | loss / length | ‖∇L_αβ(θ*)‖ |
//! | `drift` | boolean, null | | whether noise-free descent leaves D within the mean exit time |
//! | `unstable` | boolean | | whether η·λmax > 2 |
//! | `ks_p` | float64, null | | Kolmogorov–Smirnov p-value of the exit times against an exponential |
//! | `exponent_freidlin_wentzell` | float64, null | 1 | (B/η)·V0: log of the mean exit time by Freidlin–Wentzell theory |
//! | `exponent_paper` | float64, null | 1 | log of the mean exit time that the paper predicts |
//! | `substeps` | int64 | | steps of the scheme in a time of η: 1 but for `sde` |
//! | `stability` | float64, null | | a of stable noise |
//! | `depth_method` | string, null | | how `depth` was found |
//! | `noise_trace` | float64, null | loss² / length² | tr C of the gradients of the examples at θ* |
//! | `noise_alignment`, `noise_distance` | float64, null | | cosine of C and H; ‖C − H‖/‖H‖ (Assumption 2) |
//! | `clipped_weight` | float64, null | | the share of H that was clipped to make it a covariance |
//! | `quasipotential`, `quasipotential_method` | float64, string, null | | V0 |
//! | `exact_mean_exit_time`, `exact_method` | float64, string, null | time | the mean itself, computed |
//! | `precision_reached` | boolean, null | | whether the precision that the sweep asks for was reached; null where trials are fixed |

use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Int64Type, Schema, SchemaRef};
use taugrid_sweep::Cell;

use super::{CELLS, CellSummary};
use crate::batch::one_nan;
use crate::error::DatasetError;
use crate::rows::CellTable;
use crate::schema::{cell_fields, dictionary};

/// A column beyond those of the cell itself.
struct Column {
    name: &'static str,
    place: Place,
}

/// Its type, how it is read from a summary, and how it is put into one.
enum Place {
    Real(fn(&CellSummary) -> f64, fn(&mut CellSummary, f64)),
    MaybeReal(fn(&CellSummary) -> Option<f64>, fn(&mut CellSummary, Option<f64>)),
    Count(fn(&CellSummary) -> u64, fn(&mut CellSummary, u64)),
    Word(fn(&CellSummary) -> String, fn(&mut CellSummary, String)),
    MaybeWord(fn(&CellSummary) -> Option<String>, fn(&mut CellSummary, Option<String>)),
    Flag(fn(&CellSummary) -> bool, fn(&mut CellSummary, bool)),
    MaybeFlag(fn(&CellSummary) -> Option<bool>, fn(&mut CellSummary, Option<bool>)),
}

/// A column of a field of the same name, or of one under `effective`.
macro_rules! column {
    ($kind:ident $field:ident) => {
        Column { name: stringify!($field), place: Place::$kind(|row| row.$field.clone(), |row, x| row.$field = x) }
    };
    ($kind:ident effective.$field:ident) => {
        Column {
            name: stringify!($field),
            place: Place::$kind(|row| row.effective.$field.clone(), |row, x| row.effective.$field = x),
        }
    };
}

const COLUMNS: [Column; 34] = [
    column!(Real effective.lambda_max),
    column!(MaybeReal effective.lambda_min),
    column!(MaybeReal effective.trace),
    column!(MaybeReal effective.depth),
    column!(Word estimator),
    column!(Count trials),
    column!(Count exits),
    column!(Count censored),
    column!(Count diverged),
    column!(MaybeReal mean_exit_steps),
    column!(MaybeReal mean_exit_time),
    column!(MaybeReal lower),
    column!(MaybeReal upper),
    column!(MaybeReal std),
    column!(MaybeReal median),
    column!(Count total_steps),
    column!(Real effective.gradient_norm),
    column!(MaybeFlag drift),
    column!(Flag effective.unstable),
    column!(MaybeReal ks_p),
    column!(MaybeReal effective.exponent_freidlin_wentzell),
    column!(MaybeReal effective.exponent_paper),
    // What the cell says by itself is not read back.
    Column { name: "substeps", place: Place::Count(|row| row.cell.dynamics.substeps().into(), |_, _| ()) },
    Column { name: "stability", place: Place::MaybeReal(|row| row.cell.dynamics.stability(), |_, _| ()) },
    column!(MaybeWord effective.depth_method),
    column!(MaybeReal effective.noise_trace),
    column!(MaybeReal effective.noise_alignment),
    column!(MaybeReal effective.noise_distance),
    column!(MaybeReal effective.clipped_weight),
    column!(MaybeReal effective.quasipotential),
    column!(MaybeWord effective.quasipotential_method),
    column!(MaybeReal effective.exact_mean_exit_time),
    column!(MaybeWord effective.exact_method),
    column!(MaybeFlag precision_reached),
];

impl Column {
    fn field(&self) -> Field {
        let (kind, nullable) = match self.place {
            Place::Real(..) => (DataType::Float64, false),
            Place::MaybeReal(..) => (DataType::Float64, true),
            Place::Count(..) => (DataType::Int64, false),
            Place::Word(..) => (dictionary(), false),
            Place::MaybeWord(..) => (dictionary(), true),
            Place::Flag(..) => (DataType::Boolean, false),
            Place::MaybeFlag(..) => (DataType::Boolean, true),
        };
        Field::new(self.name, kind, nullable)
    }

    fn array(&self, rows: &[CellSummary]) -> Result<ArrayRef, DatasetError> {
        Ok(match self.place {
            Place::Real(get, _) => reals(rows, |row| Some(get(row))),
            Place::MaybeReal(get, _) => reals(rows, get),
            Place::Count(get, _) => counts(CELLS, rows, get)?,
            Place::Word(get, _) => words(rows, |row| Some(get(row))),
            Place::MaybeWord(get, _) => words(rows, get),
            Place::Flag(get, _) => Arc::new(rows.iter().map(|row| Some(get(row))).collect::<BooleanArray>()),
            Place::MaybeFlag(get, _) => Arc::new(rows.iter().map(get).collect::<BooleanArray>()),
        })
    }

    /// Puts the values of `batch` into `rows`.
    fn read(&self, batch: &RecordBatch, rows: &mut [CellSummary]) -> Result<(), DatasetError> {
        let damaged = || DatasetError::damaged(CELLS, format!("column `{}` has another type", self.name));
        let column = batch.column_by_name(self.name).ok_or_else(damaged)?;
        let real = || column.as_primitive_opt::<Float64Type>().ok_or_else(damaged);
        let flag = || column.as_boolean_opt().ok_or_else(damaged);
        match self.place {
            Place::Real(_, set) => rows.iter_mut().zip(real()?.values()).for_each(|(row, x)| set(row, *x)),
            Place::MaybeReal(_, set) => rows.iter_mut().zip(real()?).for_each(|(row, x)| set(row, x)),
            Place::Count(_, set) => {
                let counts = column.as_primitive_opt::<Int64Type>().ok_or_else(damaged)?;
                for (row, count) in rows.iter_mut().zip(counts.values()) {
                    set(row, u64::try_from(*count).map_err(|_| DatasetError::damaged(CELLS, "a negative count"))?);
                }
            }
            Place::Word(_, set) => {
                let words = read_words(column, self.name)?;
                rows.iter_mut().zip(words).for_each(|(row, word)| set(row, word.unwrap_or_default()));
            }
            Place::MaybeWord(_, set) => {
                rows.iter_mut().zip(read_words(column, self.name)?).for_each(|(row, word)| set(row, word));
            }
            Place::Flag(_, set) => rows.iter_mut().zip(flag()?).for_each(|(row, x)| set(row, x.unwrap_or_default())),
            Place::MaybeFlag(_, set) => rows.iter_mut().zip(flag()?).for_each(|(row, x)| set(row, x)),
        }
        Ok(())
    }
}

pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = cell_fields();
    fields.extend(COLUMNS.iter().map(Column::field));
    Arc::new(Schema::new(fields))
});

/// The columns of the cells themselves, in the order of [`cell_fields`]: one cell a row. `file` is what an error names.
pub(crate) fn cell_columns<T>(
    file: &str,
    rows: &[T],
    cell: impl Fn(&T) -> &Cell,
) -> Result<Vec<ArrayRef>, DatasetError> {
    Ok(vec![
        words(rows, |row| Some(cell(row).key.to_string())),
        words(rows, |row| Some(cell(row).dynamics.kind().to_string())),
        words(rows, |row| cell(row).dynamics.covariance().map(str::to_string)),
        reals(rows, |row| Some(cell(row).alpha)),
        reals(rows, |row| Some(cell(row).beta)),
        reals(rows, |row| Some(cell(row).eta)),
        counts(file, rows, |row| cell(row).batch_size)?,
    ])
}

/// A column of words with few distinct values.
pub(crate) fn words<T>(rows: &[T], word: impl Fn(&T) -> Option<String>) -> ArrayRef {
    let words: Vec<Option<String>> = rows.iter().map(word).collect();
    Arc::new(words.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>())
}

/// A column of numbers.
pub(crate) fn reals<T>(rows: &[T], real: impl Fn(&T) -> Option<f64>) -> ArrayRef {
    Arc::new(rows.iter().map(|row| real(row).map(one_nan)).collect::<Float64Array>())
}

fn counts<T>(file: &str, rows: &[T], count: impl Fn(&T) -> u64) -> Result<ArrayRef, DatasetError> {
    let numbers: Result<Vec<i64>, _> = rows.iter().map(|row| i64::try_from(count(row))).collect();
    Ok(Arc::new(Int64Array::from(numbers.map_err(|error| DatasetError::encode(file, error))?)))
}

fn read_words(column: &ArrayRef, name: &str) -> Result<Vec<Option<String>>, DatasetError> {
    let damaged = || DatasetError::damaged(CELLS, format!("column `{name}` has another type"));
    let column = column.as_dictionary_opt::<Int32Type>().ok_or_else(damaged)?;
    let words = column.downcast_dict::<StringArray>().ok_or_else(damaged)?;
    Ok(words.into_iter().map(|word| word.map(str::to_string)).collect())
}

/// The table of these rows, in their order.
pub(super) fn to_batch(rows: &[CellSummary]) -> Result<RecordBatch, DatasetError> {
    let mut columns = cell_columns(CELLS, rows, |row| &row.cell)?;
    for column in &COLUMNS {
        columns.push(column.array(rows)?);
    }
    RecordBatch::try_new(SCHEMA.clone(), columns).map_err(|error| DatasetError::encode(CELLS, error))
}

/// The rows of a table with [`SCHEMA`].
pub(super) fn from_batch(batch: &RecordBatch, cells: &CellTable) -> Result<Vec<CellSummary>, DatasetError> {
    let keys = batch.column_by_name("cell").ok_or_else(|| DatasetError::damaged(CELLS, "there is no column `cell`"))?;
    let mut rows = Vec::with_capacity(batch.num_rows());
    for key in read_words(keys, "cell")? {
        let key = key.unwrap_or_default();
        let cell = key.parse().ok().and_then(|key| cells.get(key)).copied();
        let cell = cell.ok_or_else(|| DatasetError::damaged(CELLS, format!("cell {key} is not of this dataset")))?;
        rows.push(CellSummary::without_trials(cell));
    }
    for column in &COLUMNS {
        column.read(batch, &mut rows)?;
    }
    Ok(rows)
}
