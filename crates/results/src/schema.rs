//! The columns of `trials/`, and the names they share with `cells.parquet`.
//!
//! This is the one place that says what a row looks like, in a part and on the wire. Times are in units of time (steps·η)
//! unless a name ends in `step` or `steps`.
//!
//! # `trials/part-*.parquet`: one row per trial, sorted by (cell, trial)
//!
//! | name | type | unit | meaning |
//! | --- | --- | --- | --- |
//! | `cell` | string (dictionary) | | the cell's stable key, 16 lower-case hex digits |
//! | `dynamics` | string (dictionary) | | the kind of dynamics: `sgd`, `gaussian-sgd` |
//! | `covariance` | string (dictionary), null | | C of the noise: `hessian`, `identity`; null where the dynamics has none |
//! | `alpha` | float64 | 1 | α, the surrogate of sharpness |
//! | `beta` | float64 | 1 | β, the surrogate of depth |
//! | `eta` | float64 | time / step | η, the learning rate |
//! | `batch_size` | int64 | examples | B |
//! | `trial` | int64 | | which trial of its cell, from 0 |
//! | `outcome` | string (dictionary) | | `exited`, `diverged` (left with a state that is not finite; counts as an exit) or `censored` (still inside at `max_steps`) |
//! | `exit_step` | int64, null | steps | k*, the first k ≥ 1 with θ_k outside D; null if censored |
//! | `exit_time` | float64, null | time | ν = k*·η; null if censored |
//! | `steps` | int64 | steps | steps simulated: k*, or `max_steps` if censored |
//! | `exit_loss` | float64 | loss | L_αβ(θ) − L_αβ(θ*) at the end; can be infinite or NaN if diverged |
//! | `exit_radius` | float64 | length | ‖θ − θ*‖ at the end; can be infinite or NaN if diverged |
//!
//! INT64 throughout, never UINT64, so that every reader opens the files as they are. The one NaN is [`f64::NAN`].

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

pub(crate) const CELL: usize = 0;
pub(crate) const DYNAMICS: usize = 1;
pub(crate) const COVARIANCE: usize = 2;
pub(crate) const ALPHA: usize = 3;
pub(crate) const BETA: usize = 4;
pub(crate) const ETA: usize = 5;
pub(crate) const BATCH_SIZE: usize = 6;
pub(crate) const TRIAL: usize = 7;
pub(crate) const OUTCOME: usize = 8;
pub(crate) const EXIT_STEP: usize = 9;
pub(crate) const EXIT_TIME: usize = 10;
pub(crate) const STEPS: usize = 11;
pub(crate) const EXIT_LOSS: usize = 12;
pub(crate) const EXIT_RADIUS: usize = 13;

/// The type of text columns with few distinct values.
pub(crate) fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The columns that say which cell a row belongs to; `trials/` and `cells.parquet` begin with them.
pub(crate) fn cell_fields() -> Vec<Field> {
    vec![
        Field::new("cell", dictionary(), false),
        Field::new("dynamics", dictionary(), false),
        Field::new("covariance", dictionary(), true),
        Field::new("alpha", DataType::Float64, false),
        Field::new("beta", DataType::Float64, false),
        Field::new("eta", DataType::Float64, false),
        Field::new("batch_size", DataType::Int64, false),
    ]
}

static TRIALS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = cell_fields();
    fields.extend([
        Field::new("trial", DataType::Int64, false),
        Field::new("outcome", dictionary(), false),
        Field::new("exit_step", DataType::Int64, true),
        Field::new("exit_time", DataType::Float64, true),
        Field::new("steps", DataType::Int64, false),
        Field::new("exit_loss", DataType::Float64, false),
        Field::new("exit_radius", DataType::Float64, false),
    ]);
    Arc::new(Schema::new(fields))
});

/// The schema of `trials/` and of result batches on the wire, as the table at the head of this module has it.
pub fn trials_schema() -> SchemaRef {
    TRIALS.clone()
}

/// The first way in which `found` is not `expected` (names, types and nullability, in order), metadata aside.
pub(crate) fn difference(found: &Schema, expected: &Schema) -> Option<String> {
    let show = |field: &Field| {
        format!("`{}`: {}{}", field.name(), field.data_type(), if field.is_nullable() { ", nullable" } else { "" })
    };
    if found.fields().len() != expected.fields().len() {
        return Some(format!("{} columns where {} are expected", found.fields().len(), expected.fields().len()));
    }
    found.fields().iter().zip(expected.fields()).find_map(|(found, expected)| {
        let equal = found.name() == expected.name()
            && found.data_type() == expected.data_type()
            && found.is_nullable() == expected.is_nullable();
        (!equal).then(|| format!("column {} where {} is expected", show(found), show(expected)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_those_of_the_design() {
        let schema = trials_schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(
            names,
            [
                "cell",
                "dynamics",
                "covariance",
                "alpha",
                "beta",
                "eta",
                "batch_size",
                "trial",
                "outcome",
                "exit_step",
                "exit_time",
                "steps",
                "exit_loss",
                "exit_radius"
            ]
        );
        let nullable: Vec<&str> =
            schema.fields().iter().filter(|field| field.is_nullable()).map(|field| field.name().as_str()).collect();
        assert_eq!(nullable, ["covariance", "exit_step", "exit_time"]);
        assert!(schema.fields().iter().all(|field| *field.data_type() != DataType::UInt64));
        for (index, name) in [
            (CELL, "cell"),
            (DYNAMICS, "dynamics"),
            (COVARIANCE, "covariance"),
            (ALPHA, "alpha"),
            (BETA, "beta"),
            (ETA, "eta"),
            (BATCH_SIZE, "batch_size"),
            (TRIAL, "trial"),
            (OUTCOME, "outcome"),
            (EXIT_STEP, "exit_step"),
            (EXIT_TIME, "exit_time"),
            (STEPS, "steps"),
            (EXIT_LOSS, "exit_loss"),
            (EXIT_RADIUS, "exit_radius"),
        ] {
            assert_eq!(schema.field(index).name(), name);
        }
    }

    #[test]
    fn the_first_difference_is_named() {
        let expected = trials_schema();
        assert_eq!(difference(&expected, &expected), None);
        let mut fields: Vec<Field> = expected.fields().iter().map(|field| field.as_ref().clone()).collect();
        fields[TRIAL] = Field::new("trial", DataType::UInt64, false);
        let text = difference(&Schema::new(fields), &expected).expect("they differ");
        assert_eq!(text, "column `trial`: UInt64 where `trial`: Int64 is expected");
        assert!(difference(&Schema::empty(), &expected).is_some());
    }
}
