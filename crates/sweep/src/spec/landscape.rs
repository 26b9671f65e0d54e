//! The landscape of a sweep, and how it is read.

use serde::{Deserialize, Serialize};

use super::mlp::{self, MlpSpec};
use super::range::{self, Spacing};
use crate::data::Sources;
use crate::error::Problems;
use crate::yaml::{Fields, Node, Real, Value, Whole};

/// What L is: its identity, written out. Two ways to write the same landscape in a sweep file give equal values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LandscapeSpec {
    /// L(θ) = ½ Σ h_i (θ_i − θ*_i)² (Assumption 1, in the eigenbasis of H*).
    Quadratic {
        /// h, all > 0, in the order of the coordinates.
        eigenvalues: Vec<f64>,
    },
    /// The training loss of a multilayer perceptron.
    Mlp(MlpSpec),
}

/// d is at most this for a quadratic, so that the eigenvalues of a sweep fit into a message to a worker.
const MAX_DIM: u64 = 100_000;
const EIGENVALUE: Real = Real { rule: "an eigenvalue is a finite number above 0, else θ* is no minimum", zero: false };
const DIM: Whole = Whole { rule: "a dimension is a whole number from 1 to 100000", min: 1, max: MAX_DIM };
const EXAMPLE: &str = "{kind: quadratic, eigenvalues: [1.0, 0.25]}";
const SPECTRUM: &str = "{dim: 100, max: 1.0, min: 0.01, spacing: geometric}";

/// The landscape at `node`; the files it names are read into `sources`.
pub(crate) fn read(node: &Node, sources: &mut Sources, problems: &mut Problems) -> Option<LandscapeSpec> {
    match node.kind("landscape", &["quadratic", "mlp"], &["double-well", "quartic"], EXAMPLE, problems)? {
        "quadratic" => quadratic(node, problems).map(|eigenvalues| LandscapeSpec::Quadratic { eigenvalues }),
        _ => mlp::read(node, sources, problems).map(LandscapeSpec::Mlp),
    }
}

fn quadratic(node: &Node, problems: &mut Problems) -> Option<Vec<f64>> {
    let known = ["kind", "eigenvalues", "dim", "max", "min", "spacing"];
    let fields = Fields::of(node, &known, &[], EXAMPLE, problems)?;
    let spectrum_keys = ["dim", "max", "min", "spacing"];
    match fields.optional("eigenvalues") {
        Some(list) => {
            for key in spectrum_keys {
                if let Some(extra) = fields.optional(key) {
                    problems.node(extra, "the eigenvalues are given already; keep one of the two");
                }
            }
            match &list.value {
                Value::Map(_) => {
                    Fields::of(list, &spectrum_keys, &[], SPECTRUM, problems);
                    spectrum(Fields { node: list }, problems)
                }
                Value::List(items) => self::list(list, items, problems),
                _ => {
                    let shown = list.shown();
                    problems.node(list, format!("{shown} stands here; give a list, like [1.0, 0.25], or {SPECTRUM}"));
                    None
                }
            }
        }
        None if spectrum_keys.iter().any(|key| fields.optional(key).is_some()) => spectrum(fields, problems),
        None => {
            fields.required("eigenvalues", &format!("a list, like [1.0, 0.25], or {SPECTRUM}"), problems);
            None
        }
    }
}

fn list(node: &Node, items: &[Node], problems: &mut Problems) -> Option<Vec<f64>> {
    if items.is_empty() {
        problems.node(node, "an empty list; give at least one eigenvalue");
    } else if items.len() as u64 > MAX_DIM {
        problems.node(node, format!("{} eigenvalues; at most {MAX_DIM} fit", items.len()));
    }
    let read: Vec<Option<f64>> = items.iter().map(|item| EIGENVALUE.read(item, problems)).collect();
    read.into_iter().collect()
}

/// The eigenvalues from `max` down to `min`.
fn spectrum(fields: Fields<'_>, problems: &mut Problems) -> Option<Vec<f64>> {
    let dim = fields.required("dim", DIM.rule, problems).and_then(|node| DIM.read(node, problems));
    let mut end =
        |key| fields.required(key, EIGENVALUE.rule, problems).and_then(|node| EIGENVALUE.read(node, problems));
    let (max, min) = (end("max"), end("min"));
    let spacing = fields
        .required("spacing", "spacing is one of geometric, linear", problems)
        .and_then(|node| node.word("spacing", &["geometric", "linear"], &[], problems))
        .map(|word| if word == "geometric" { Spacing::Log } else { Spacing::Linear });
    let (max, min, dim, spacing) = (max?, min?, usize::try_from(dim?).ok()?, spacing?);
    if min > max {
        problems.node(fields.node, format!("min {min} is above max {max}; swap them"));
        return None;
    }
    if dim == 1 && min < max {
        problems.node(fields.node, format!("one dimension has one eigenvalue, so min {min} must equal max {max}"));
        return None;
    }
    Some(if min == max { vec![max; dim] } else { range::values(max, min, dim, spacing) })
}

impl LandscapeSpec {
    /// What is wrong with values that did not come from a sweep file, if anything.
    pub(crate) fn complaint(&self) -> Option<String> {
        match self {
            LandscapeSpec::Quadratic { eigenvalues } => {
                if eigenvalues.is_empty() || eigenvalues.len() as u64 > MAX_DIM {
                    return Some(format!(
                        "landscape.eigenvalues: {} of them; 1 to {MAX_DIM} can be",
                        eigenvalues.len()
                    ));
                }
                eigenvalues.iter().enumerate().find_map(|(i, &value)| {
                    let complaint = EIGENVALUE.complaint(value)?;
                    Some(format!("landscape.eigenvalues[{i}]: {value} {complaint}"))
                })
            }
            LandscapeSpec::Mlp(mlp) => mlp.complaint(),
        }
    }
}
