//! Linear regression on data: one feature, or the class, predicted from all other features.

use serde::{Deserialize, Serialize};
use taugrid_escape::landscape::regression::Design;

use super::data::{self, DataSource, DataSpec};
use super::dense;
use super::mlp::WEIGHT_DECAY;
use crate::data::Sources;
use crate::error::Problems;
use crate::yaml::{Fields, Node, Whole};

/// The least-squares loss of a linear model: its identity. θ* follows from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegressionSpec {
    /// The examples.
    pub data: DataSpec,
    /// The feature that is predicted from all others, from 0 and without the column of the labels; `None` for the number
    /// of the class.
    pub target: Option<u64>,
    /// Whether a constant 1 is added to the inputs.
    pub intercept: bool,
    /// The factor of ½‖θ‖² in L.
    pub weight_decay: f64,
}

const EXAMPLE: &str = "{kind: linear-regression, data: {path: data.csv}, target: 0}";
const TARGET: Whole = Whole {
    rule: "a target is label, a feature counted from 0 without the label column, or the name of a feature in the header",
    min: 0,
    max: 100_000,
};

/// The regression at `node`; the file it names is read into `sources`.
pub(super) fn read(node: &Node, sources: &mut Sources, problems: &mut Problems) -> Option<RegressionSpec> {
    let known = ["kind", "data", "target", "intercept", "weight_decay"];
    let fields = Fields::of(node, &known, &[], EXAMPLE, problems)?;
    let data = fields.required("data", &data::rule(), problems).and_then(|node| data::read(node, sources, problems));
    let source = data.as_ref().map(|data| &data.source);
    let target = match fields.optional("target") {
        None => Some(None),
        Some(node) => target(node, source, sources, problems),
    };
    let intercept = match fields.optional("intercept") {
        None => Some(true),
        Some(node) => node.flag(problems),
    };
    let weight_decay = match fields.optional("weight_decay") {
        None => Some(0.0),
        Some(node) => WEIGHT_DECAY.read(node, problems),
    };
    let (data, target, intercept) = (data?, target?, intercept?);
    let features = sources.features_and_classes(&data.source).map(|[features, _]| features);
    if let Some(complaint) = features.and_then(|features| complaint_of_inputs(features, target, intercept)) {
        problems.node(fields.optional("target").unwrap_or(node), complaint);
        return None;
    }
    Some(RegressionSpec { data, target, intercept, weight_decay: weight_decay? })
}

/// The target at `node`; outside `None` after a problem, inside for the label.
fn target(node: &Node, source: Option<&DataSource>, sources: &Sources, problems: &mut Problems) -> Option<Option<u64>> {
    match node.text() {
        Some("label") => Some(None),
        Some(_) => named(node, source?, sources, problems),
        None => {
            let index = TARGET.read(node, problems)?;
            let [features, _] = sources.features_and_classes(source?)?;
            if index >= features {
                problems.node(
                    node,
                    format!("{index} is no feature: there are {features}, counted from 0; {}", TARGET.rule),
                );
                return None;
            }
            Some(Some(index))
        }
    }
}

/// The feature whose name stands at `node`.
fn named(node: &Node, source: &DataSource, sources: &Sources, problems: &mut Problems) -> Option<Option<u64>> {
    let unnamed = match (source, sources.feature_names()) {
        (DataSource::File { .. }, Some(names)) => {
            let known: Vec<&str> = ["label"].into_iter().chain(names.iter().map(String::as_str)).collect();
            let name = node.word("feature", &known, &[], problems)?;
            return names.iter().position(|other| other == name).map(|index| Some(index as u64));
        }
        (DataSource::File { .. }, None) => "the file has no header",
        (DataSource::Synthetic { .. }, _) => "synthetic features have no names",
    };
    problems.node(node, format!("{} is a name, and {unnamed}; give label, or an index from 0", node.shown()));
    None
}

/// Why θ cannot have the size that follows from these, if it cannot.
fn complaint_of_inputs(features: u64, target: Option<u64>, intercept: bool) -> Option<String> {
    let inputs = features + u64::from(intercept) - u64::from(target.is_some());
    if inputs == 0 {
        return Some("no inputs are left; take the intercept in, or give more features".to_owned());
    }
    let most = dense::MAX_DIM as u64;
    (inputs > most).then(|| format!("{inputs} inputs; at most {most} can be, for the Hessian is formed"))
}

impl RegressionSpec {
    /// The same for the escape core.
    pub(crate) fn design(&self) -> Design {
        // A target beyond usize is no feature, whatever it is.
        let target = self.target.map(|target| usize::try_from(target).unwrap_or(usize::MAX));
        Design { target, intercept: self.intercept, weight_decay: self.weight_decay }
    }

    /// What is wrong with values that did not come from a sweep file, if anything.
    pub(super) fn complaint(&self) -> Option<String> {
        self.data
            .complaint()
            .or_else(|| self.target.and_then(|target| TARGET.complaint_of("landscape.target", target)))
            .or_else(|| WEIGHT_DECAY.complaint_of("landscape.weight_decay", self.weight_decay))
            .or_else(|| match (&self.data.source, self.target) {
                (DataSource::File { .. }, _) => None,
                (DataSource::Synthetic { features, .. }, Some(target)) if target >= *features => {
                    Some(format!("landscape.target: {target} is no feature: there are {features}"))
                }
                (DataSource::Synthetic { features, .. }, target) => {
                    let complaint = complaint_of_inputs(*features, target, self.intercept);
                    complaint.map(|complaint| format!("landscape: {complaint}"))
                }
            })
    }
}
