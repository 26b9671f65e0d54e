//! `training`: the runs of minibatch SGD along which `taugrid train` records the sharpness (the paper's Figure 1). No part
//! of the physics: no key and no identity depends on it.

use super::mlp::{LEARNING_RATE, SEED};
use crate::error::Problems;
use crate::yaml::{Fields, Node, Real, Value, Whole};

/// Training from PyTorch's default initialisation, once for each batch size and each learning rate.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingSpec {
    /// Epochs of each run; one has ⌈N/B⌉ steps.
    pub epochs: u64,
    /// The learning rates η, all different, at least one.
    pub learning_rates: Vec<f64>,
    /// The batch sizes B, all different, at least one.
    pub batch_sizes: Vec<u64>,
    /// Of the initial weights and the minibatches.
    pub seed: u64,
    /// Epochs from one measurement to the next.
    pub every: u64,
    /// How Metric 2.1 is measured.
    pub sharpness: SharpnessSpec,
}

/// How the box of Metric 2.1 of Keskar et al. is searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SharpnessSpec {
    /// ε: the box is |y_i| ≤ ε(|θ_i| + 1).
    pub epsilon: f64,
    /// Gradients from each start, at most.
    pub iterations: u64,
    /// Starts of the search.
    pub starts: u64,
}

/// B where none is given, and there are so many examples.
const BATCH_SIZE: u64 = 10;

impl Default for SharpnessSpec {
    fn default() -> Self {
        Self { epsilon: 5e-4, iterations: 10, starts: 4 }
    }
}

impl TrainingSpec {
    /// What is run if the file does not say, on so many examples.
    pub(crate) fn on(examples: Option<u64>) -> Self {
        Self {
            epochs: 100,
            learning_rates: vec![0.1],
            batch_sizes: vec![examples.map_or(BATCH_SIZE, |n| n.min(BATCH_SIZE))],
            seed: 1,
            every: 1,
            sharpness: SharpnessSpec::default(),
        }
    }

    /// (B, η) of each run: batch sizes as listed, and for each the learning rates as listed.
    pub fn runs(&self) -> Vec<(u64, f64)> {
        let rates = |&b| self.learning_rates.iter().map(move |&eta| (b, eta));
        self.batch_sizes.iter().flat_map(rates).collect()
    }
}

const EPOCHS: Whole = Whole { rule: "epochs is a whole number, 1 to 1000000", min: 1, max: 1_000_000 };
const EVERY: Whole =
    Whole { rule: "every is how many epochs lie between two measurements, 1 to 1000000", min: 1, max: 1_000_000 };
const SIZE: Whole =
    Whole { rule: "a batch size is a whole number from 1 to 1000000000000", min: 1, max: 1_000_000_000_000 };
const EPSILON: Real = Real { rule: "epsilon is the size of the box, a finite number above 0", zero: false };
const ITERATIONS: Whole =
    Whole { rule: "iterations is how many gradients each start may take, 2 to 10000", min: 2, max: 10_000 };
const STARTS: Whole = Whole { rule: "starts is how many places the search begins at, 1 to 100", min: 1, max: 100 };
/// A training has at most this many runs.
const MAX_RUNS: usize = 100;
const EXAMPLE: &str = "{epochs: 100, learning_rate: 0.1, batch_size: [10, 100]}";
const SHARPNESS: &str = "{epsilon: 5.0e-4, iterations: 10, starts: 4}";

/// The training at `node`, on so many examples, if that is known.
pub(crate) fn read(node: &Node, examples: Option<u64>, problems: &mut Problems) -> Option<TrainingSpec> {
    let known = ["epochs", "learning_rate", "batch_size", "seed", "every", "sharpness"];
    let fields = Fields::of(node, &known, &[], EXAMPLE, problems)?;
    let default = TrainingSpec::on(examples);
    let epochs = whole(fields, "epochs", EPOCHS, default.epochs, problems);
    let seed = whole(fields, "seed", SEED, default.seed, problems);
    let every = whole(fields, "every", EVERY, default.every, problems);
    let learning_rates = match fields.optional("learning_rate") {
        None => Some(default.learning_rates),
        Some(node) => list(node, problems, |node, problems| LEARNING_RATE.read(node, problems)),
    };
    let batch_sizes = match fields.optional("batch_size") {
        None => Some(default.batch_sizes),
        Some(node) => list(node, problems, |node, problems| batch_size(node, examples, problems)),
    };
    let sharpness = match fields.optional("sharpness") {
        None => Some(default.sharpness),
        Some(node) => sharpness(node, problems),
    };
    let (learning_rates, batch_sizes) = (learning_rates?, batch_sizes?);
    let runs = learning_rates.len() * batch_sizes.len();
    if runs > MAX_RUNS {
        problems
            .node(node, format!("{runs} runs, one for each batch size and learning rate; at most {MAX_RUNS} can be"));
        return None;
    }
    let (epochs, seed, every) = (epochs?, seed?, every?);
    Some(TrainingSpec { epochs, learning_rates, batch_sizes, seed, every, sharpness: sharpness? })
}

fn sharpness(node: &Node, problems: &mut Problems) -> Option<SharpnessSpec> {
    let fields = Fields::of(node, &["epsilon", "iterations", "starts"], &[], SHARPNESS, problems)?;
    let default = SharpnessSpec::default();
    let epsilon = match fields.optional("epsilon") {
        None => Some(default.epsilon),
        Some(node) => EPSILON.read(node, problems),
    };
    let iterations = whole(fields, "iterations", ITERATIONS, default.iterations, problems);
    let starts = whole(fields, "starts", STARTS, default.starts, problems);
    Some(SharpnessSpec { epsilon: epsilon?, iterations: iterations?, starts: starts? })
}

fn whole(fields: Fields<'_>, key: &str, rule: Whole, default: u64, problems: &mut Problems) -> Option<u64> {
    fields.optional(key).map_or(Some(default), |node| rule.read(node, problems))
}

/// One value or a list of different ones.
fn list<T: PartialEq>(
    node: &Node,
    problems: &mut Problems,
    read: impl Fn(&Node, &mut Problems) -> Option<T>,
) -> Option<Vec<T>> {
    let nodes = match &node.value {
        Value::List(items) if items.is_empty() => {
            problems.node(node, "an empty list; give one value or several");
            return None;
        }
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut values: Vec<(T, &Node)> = Vec::new();
    let mut sound = true;
    for item in nodes {
        match read(item, problems) {
            Some(value) => {
                if let Some((_, first)) = values.iter().find(|(other, _)| *other == value) {
                    problems.node(item, format!("{} is listed already, as {}", item.shown(), first.path));
                }
                values.push((value, item));
            }
            None => sound = false,
        }
    }
    sound.then(|| values.into_iter().map(|(value, _)| value).collect())
}

fn batch_size(node: &Node, examples: Option<u64>, problems: &mut Problems) -> Option<u64> {
    let size = SIZE.read(node, problems)?;
    match examples.filter(|examples| size > *examples) {
        None => Some(size),
        Some(examples) => {
            let message =
                format!("{size} is more than the {examples} examples; a minibatch is drawn without replacement");
            problems.node(node, message);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn told(text: &str) -> Result<TrainingSpec, Vec<String>> {
        let mut problems = Problems::new(Path::new("t"));
        let node = crate::yaml::parse(text, &mut problems).expect("YAML");
        match read(&node, Some(50), &mut problems) {
            Some(spec) if problems.is_empty() => Ok(spec),
            _ => {
                Err(problems.into_error().problems.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect())
            }
        }
    }

    #[test]
    fn whatever_is_left_out_has_its_default() {
        let default = TrainingSpec::on(Some(50));
        assert_eq!(default.runs(), [(10, 0.1)]);
        assert_eq!(told("{}"), Ok(default.clone()));
        assert_eq!(TrainingSpec::on(Some(4)).batch_sizes, [4]);
        let given =
            told("{learning_rate: [0.1, 0.2], batch_size: [50, 2], epochs: 7, every: 3, sharpness: {starts: 1}}");
        let given = given.expect("fine");
        assert_eq!((given.epochs, given.every, given.seed), (7, 3, 1));
        assert_eq!(given.sharpness, SharpnessSpec { starts: 1, ..default.sharpness });
        assert_eq!(given.runs(), [(50, 0.1), (50, 0.2), (2, 0.1), (2, 0.2)]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, messages) in [
            (
                "7",
                vec![
                    ": 7 stands here; a mapping is expected, like {epochs: 100, learning_rate: 0.1, batch_size: [10, 100]}",
                ],
            ),
            (
                "{batch_sizes: 3}",
                vec![
                    "batch_sizes: unknown key; did you mean batch_size? (known here: epochs, \
              learning_rate, batch_size, seed, every, sharpness)",
                ],
            ),
            (
                "{batch_size: [10, 51, 0]}",
                vec![
                    "batch_size[1]: 51 is more than the 50 examples; a minibatch is drawn without replacement",
                    "batch_size[2]: 0 is below 1; a batch size is a whole number from 1 to 1000000000000",
                ],
            ),
            (
                "{learning_rate: [0.1, 0.1], every: 0}",
                vec![
                    "learning_rate[1]: 0.1 is listed already, as learning_rate[0]",
                    "every: 0 is below 1; every is how many epochs lie between two measurements, 1 to 1000000",
                ],
            ),
            ("{learning_rate: []}", vec!["learning_rate: an empty list; give one value or several"]),
            (
                "{sharpness: {epsilon: 0, start: 1}}",
                vec![
                    "sharpness.epsilon: 0 is not positive; epsilon is the size of the box, a finite number above 0",
                    "sharpness.start: unknown key; did you mean starts? (known here: epsilon, iterations, starts)",
                ],
            ),
        ] {
            assert_eq!(told(text), Err(messages.into_iter().map(str::to_owned).collect()), "{text}");
        }
    }
}
