//! The landscape of a sweep, and how it is read.

use serde::{Deserialize, Serialize};

use super::data::DataSpec;
use super::dense;
use super::mlp::{self, MlpSpec, SEED};
use super::range::{self, Spacing};
use super::regression::{self, RegressionSpec};
use crate::data::Sources;
use crate::error::Problems;
use crate::yaml::{Fields, Node, Real, Value, Whole, number};

/// What L is: its identity, written out. Two ways to write the same landscape in a sweep file give equal values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LandscapeSpec {
    /// L(θ) = ½ (θ − θ*)ᵀ H* (θ − θ*) (Assumption 1).
    Quadratic {
        /// The eigenvalues of H*, all > 0; without a matrix or a rotation in the order of the coordinates.
        eigenvalues: Vec<f64>,
        /// H* itself, row by row, where it was given as such.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        matrix: Option<Vec<f64>>,
        /// The seed of a random rotation, of Haar's measure, that takes the coordinate axes to the eigenvectors.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rotation: Option<u64>,
    },
    /// L = E ((θ_0/w)² − 1)² + ½ Σ k_i θ_i², from its minimum at θ_0 = −w.
    DoubleWell {
        /// E > 0, the height of the saddle at θ_0 = 0.
        barrier: f64,
        /// w > 0.
        half_width: f64,
        /// k, all > 0: one for each dimension beyond the first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        transverse: Vec<f64>,
    },
    /// L = ½ Σ h_i θ_i² + ¼ q θ_0⁴, from its minimum at 0.
    Quartic {
        /// h, all > 0.
        eigenvalues: Vec<f64>,
        /// q; below 0 there are saddles at θ_0 = ±√(h_0/|q|).
        quartic: f64,
    },
    /// The least-squares loss of a linear model on examples.
    LinearRegression(RegressionSpec),
    /// The training loss of a multilayer perceptron.
    Mlp(MlpSpec),
}

/// d is at most this for a quadratic, so that the eigenvalues of a sweep fit into a message to a worker.
const MAX_DIM: u64 = 100_000;
const EIGENVALUE: Real = Real { rule: "an eigenvalue is a finite number above 0, else θ* is no minimum", zero: false };
const DIM: Whole = Whole { rule: "a dimension is a whole number from 1 to 100000", min: 1, max: MAX_DIM };
const EXAMPLE: &str = "{kind: quadratic, eigenvalues: [1.0, 0.25]}";
const DOUBLE_WELL: &str = "{kind: double-well, barrier: 0.25, half_width: 1.0}";
const QUARTIC: &str = "{kind: quartic, eigenvalues: [1.0], quartic: -1.0}";
const BARRIER: Real = Real { rule: "a barrier is the height of the saddle, a finite number above 0", zero: false };
const HALF_WIDTH: Real =
    Real { rule: "half_width is the distance from the minimum to the saddle, a finite number above 0", zero: false };
const SPECTRUM: &str = "{dim: 100, max: 1.0, min: 0.01, spacing: geometric}";

/// The landscape at `node`; the files it names are read into `sources`.
pub(crate) fn read(node: &Node, sources: &mut Sources, problems: &mut Problems) -> Option<LandscapeSpec> {
    let known = ["quadratic", "double-well", "quartic", "linear-regression", "mlp"];
    match node.kind("landscape", &known, &[], EXAMPLE, problems)? {
        "quadratic" => quadratic(node, problems),
        "double-well" => double_well(node, problems),
        "quartic" => quartic(node, problems),
        "linear-regression" => regression::read(node, sources, problems).map(LandscapeSpec::LinearRegression),
        _ => mlp::read(node, sources, problems).map(LandscapeSpec::Mlp),
    }
}

fn quadratic(node: &Node, problems: &mut Problems) -> Option<LandscapeSpec> {
    let known = ["kind", "eigenvalues", "dim", "max", "min", "spacing", "matrix", "rotation"];
    let fields = Fields::of(node, &known, &[], EXAMPLE, problems)?;
    let rotation = match fields.optional("rotation") {
        Some(node) => Some(SEED.read(node, problems)?),
        None => None,
    };
    if let Some(matrix) = fields.optional("matrix") {
        for key in known.iter().filter(|key| !["kind", "matrix"].contains(key)) {
            if let Some(extra) = fields.optional(key) {
                problems.node(extra, "the matrix is given, which says all there is to say; keep one of the two");
            }
        }
        return dense::read(matrix, problems);
    }
    let eigenvalues = eigenvalues(fields, problems)?;
    if rotation.is_some() && eigenvalues.len() > dense::MAX_DIM {
        let (dim, most) = (eigenvalues.len(), dense::MAX_DIM);
        problems.node(node, format!("a rotation in {dim} dimensions; at most {most} can be, for it is formed"));
        return None;
    }
    Some(LandscapeSpec::Quadratic { eigenvalues, matrix: None, rotation })
}

fn double_well(node: &Node, problems: &mut Problems) -> Option<LandscapeSpec> {
    let known = ["kind", "barrier", "half_width", "transverse"];
    let fields = Fields::of(node, &known, &[], DOUBLE_WELL, problems)?;
    let mut number = |key, rule: Real| fields.required(key, rule.rule, problems).and_then(|n| rule.read(n, problems));
    let (barrier, half_width) = (number("barrier", BARRIER), number("half_width", HALF_WIDTH));
    let transverse = match fields.optional("transverse") {
        Some(node) => some_list(node, problems),
        None => Some(Vec::new()),
    };
    Some(LandscapeSpec::DoubleWell { barrier: barrier?, half_width: half_width?, transverse: transverse? })
}

fn quartic(node: &Node, problems: &mut Problems) -> Option<LandscapeSpec> {
    let fields = Fields::of(node, &["kind", "eigenvalues", "quartic"], &[], QUARTIC, problems)?;
    let eigenvalues =
        fields.required("eigenvalues", "a list, like [1.0, 0.5]", problems).and_then(|node| some_list(node, problems));
    let rule = "quartic is the coefficient of ¼ θ_0⁴, a finite number";
    let quartic = fields.required("quartic", rule, problems).and_then(|node| number::finite(node, rule, problems));
    Some(LandscapeSpec::Quartic { eigenvalues: eigenvalues?, quartic: quartic? })
}

fn some_list(node: &Node, problems: &mut Problems) -> Option<Vec<f64>> {
    match &node.value {
        Value::List(items) => list(node, items, problems),
        _ => {
            problems.node(node, format!("{} stands here; give a list, like [1.0, 0.25]", node.shown()));
            None
        }
    }
}

fn eigenvalues(fields: Fields<'_>, problems: &mut Problems) -> Option<Vec<f64>> {
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
            LandscapeSpec::Quadratic { eigenvalues, matrix, rotation } => {
                let dim = eigenvalues.len();
                let formed = matrix.is_some() || rotation.is_some();
                complaint("eigenvalues", eigenvalues, 1)
                    .or_else(|| (formed && dim > dense::MAX_DIM).then(|| format!("landscape: {dim} dimensions")))
                    .or_else(|| matrix.as_ref().and_then(|matrix| dense::complaint(matrix, eigenvalues)))
            }
            LandscapeSpec::DoubleWell { barrier, half_width, transverse } => BARRIER
                .complaint(*barrier)
                .or_else(|| HALF_WIDTH.complaint(*half_width))
                .map(|complaint| format!("landscape: barrier {barrier}, half_width {half_width}: {complaint}"))
                .or_else(|| self::complaint("transverse", transverse, 0)),
            LandscapeSpec::Quartic { eigenvalues, quartic } => (!quartic.is_finite())
                .then(|| format!("landscape.quartic: {quartic} is not finite"))
                .or_else(|| complaint("eigenvalues", eigenvalues, 1)),
            LandscapeSpec::LinearRegression(regression) => regression.complaint(),
            LandscapeSpec::Mlp(mlp) => mlp.complaint(),
        }
    }

    /// The examples it is made of, if it is.
    pub(crate) fn data(&self) -> Option<&DataSpec> {
        match self {
            LandscapeSpec::LinearRegression(regression) => Some(&regression.data),
            LandscapeSpec::Mlp(mlp) => Some(&mlp.data),
            LandscapeSpec::Quadratic { .. } | LandscapeSpec::DoubleWell { .. } | LandscapeSpec::Quartic { .. } => None,
        }
    }

    /// Its name in sweep files.
    pub fn kind(&self) -> &'static str {
        match self {
            LandscapeSpec::Quadratic { .. } => "quadratic",
            LandscapeSpec::DoubleWell { .. } => "double-well",
            LandscapeSpec::Quartic { .. } => "quartic",
            LandscapeSpec::LinearRegression(_) => "linear-regression",
            LandscapeSpec::Mlp(_) => "mlp",
        }
    }
}

/// What is wrong with a list of curvatures.
fn complaint(name: &str, values: &[f64], least: usize) -> Option<String> {
    if values.len() < least || values.len() as u64 > MAX_DIM {
        return Some(format!("landscape.{name}: {} of them; {least} to {MAX_DIM} can be", values.len()));
    }
    values.iter().enumerate().find_map(|(i, &value)| {
        let complaint = EIGENVALUE.complaint(value)?;
        Some(format!("landscape.{name}[{i}]: {value} {complaint}"))
    })
}
