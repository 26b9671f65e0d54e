use super::*;
use crate::store::{MemoryStore, Store};
use crate::testing::{cells as some_cells, in_memory};

fn summaries() -> Vec<CellSummary> {
    some_cells(5)
        .into_iter()
        .enumerate()
        .map(|(index, cell)| {
            let some = |value: f64| (index % 2 == 0).then_some(value);
            CellSummary {
                cell,
                effective: Effective {
                    lambda_max: 0.5 + index as f64,
                    lambda_min: some(0.25),
                    trace: some(1.25),
                    depth: some(0.1),
                    depth_method: (index % 2 == 1).then(|| "closed form".to_owned()),
                    gradient_norm: 1e-17,
                    unstable: index == 1,
                    noise_distance: some(0.5),
                    exponent_freidlin_wentzell: some(7.0),
                    exponent_paper: some(5.0),
                    exact_method: some(0.0).map(|_| "integral equation, 1-D".to_owned()),
                    ..Effective::default()
                },
                estimator: "direct".to_string(),
                trials: 100,
                exits: 90,
                censored: 10,
                diverged: 3,
                mean_exit_steps: some(1234.5),
                mean_exit_time: some(123.45),
                lower: some(120.0),
                upper: some(f64::INFINITY),
                std: some(99.0),
                median: some(80.0),
                total_steps: 123_450 + index as u64,
                drift: (index % 2 == 0).then_some(index == 2),
                ks_p: some(0.3),
                precision_reached: (index % 2 == 1).then_some(index == 3),
            }
        })
        .collect()
}

fn table() -> (Dataset, std::sync::Arc<MemoryStore>) {
    in_memory(&some_cells(5), 100)
}

#[test]
fn the_table_comes_back_in_key_order_with_the_same_bytes() {
    let (dataset, memory) = table();
    assert!(matches!(dataset.read_cells(), Err(DatasetError::Store(error)) if error.is_not_found()));
    let mut expected = summaries();
    dataset.write_cells(&expected).expect("written");
    let bytes = memory.read(CELLS).expect("there");
    expected.reverse();
    dataset.write_cells(&expected).expect("written");
    assert_eq!(memory.read(CELLS).expect("there"), bytes);
    expected.sort_by_key(|row| row.cell.key);
    assert_eq!(dataset.read_cells().expect("sound"), expected);
    dataset.write_cells(&[]).expect("written");
    assert_eq!(dataset.read_cells().expect("sound"), []);
}

#[test]
fn the_columns_are_those_of_the_design() {
    let fields: Vec<&str> = SCHEMA.fields().iter().map(|field| field.name().as_str()).collect();
    let expected = "cell dynamics covariance alpha beta eta batch_size lambda_max lambda_min trace depth estimator trials \
                    exits censored diverged mean_exit_steps mean_exit_time lower upper std median total_steps \
                    gradient_norm drift unstable ks_p exponent_freidlin_wentzell exponent_paper substeps stability \
                    depth_method noise_trace noise_alignment noise_distance clipped_weight quasipotential \
                    quasipotential_method exact_mean_exit_time exact_method precision_reached";
    assert_eq!(fields.join(" "), expected);
}

#[test]
fn every_damage_is_found() {
    let (dataset, memory) = table();
    dataset.write_cells(&summaries()).expect("written");
    let bytes = memory.read(CELLS).expect("there");
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        memory.replace(CELLS, &flipped).expect("damaged");
        let error = dataset.read_cells().expect_err("damaged");
        assert!(matches!(error, DatasetError::Damaged { .. }), "byte {at}: {error}");
    }
    for length in (0..bytes.len()).step_by(61) {
        memory.replace(CELLS, &bytes[..length]).expect("cut");
        assert!(dataset.read_cells().is_err(), "cut to {length}");
    }
}

#[test]
fn a_table_of_other_cells_is_refused() {
    let (dataset, memory) = table();
    dataset.write_cells(&summaries()).expect("written");
    let bytes = memory.read(CELLS).expect("there");
    let (fewer, other) = in_memory(&some_cells(2), 100);
    other.replace(CELLS, &bytes).expect("copied");
    let error = fewer.read_cells().expect_err("unknown cells");
    assert!(error.to_string().contains("is not of this dataset"), "{error}");
}
