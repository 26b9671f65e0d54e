//! The examples a landscape is made of: where they come from, and what is done to them.

use serde::{Deserialize, Serialize};

use super::mlp::SEED;
use crate::data::{LabelColumn, MAX_INPUTS, Sources};
use crate::error::Problems;
use crate::yaml::{Fields, Node, Real, Whole};

/// Examples, and what is done to their inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// Where they come from.
    pub source: DataSource,
    /// Whether each feature is shifted and scaled to mean 0 and standard deviation 1.
    pub standardize: bool,
    /// After that, features are held within ± this.
    pub clip: Option<f64>,
}

/// Where examples come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DataSource {
    /// A CSV file.
    File {
        /// SHA-256 of its bytes, 64 lower-case hex digits.
        sha256: String,
        /// The column of the labels, from 0.
        label: u64,
    },
    /// Drawn: a Gaussian cloud around a random centre for each class.
    Synthetic {
        /// N.
        examples: u64,
        /// Inputs of an example.
        features: u64,
        /// Kinds of label.
        classes: u64,
        /// Decides every draw.
        seed: u64,
    },
}

const CLIP: Real = Real { rule: "clip is a finite number above 0: features are held within ± it", zero: false };
const EXAMPLES: Whole = Whole { rule: "examples is a whole number, 2 to 100000000", min: 2, max: 100_000_000 };
const FEATURES: Whole = Whole { rule: "features is a whole number, 1 to 100000", min: 1, max: 100_000 };
const CLASSES: Whole = Whole { rule: "classes is a whole number, 2 to 10000", min: 2, max: 10_000 };
const SYNTHETIC: &str = "{examples: 1000, features: 10, classes: 3, seed: 1}";

/// What `data` is to be, where it is missing.
pub(super) fn rule() -> String {
    format!("{{path: data.csv}}, or {{synthetic: {SYNTHETIC}}}")
}

/// The examples at `node`; the file it names is read into `sources`.
pub(super) fn read(node: &Node, sources: &mut Sources, problems: &mut Problems) -> Option<DataSpec> {
    let example = "{path: data.csv, label: last, standardize: true, clip: 5}";
    let known = ["path", "label", "standardize", "clip", "synthetic"];
    let fields = Fields::of(node, &known, &[], example, problems)?;
    let standardize = match fields.optional("standardize") {
        None => Some(false),
        Some(node) => node.flag(problems),
    };
    let clip = match fields.optional("clip") {
        None => Some(None),
        Some(node) => CLIP.read(node, problems).map(Some),
    };
    let source = match (fields.optional("path"), fields.optional("synthetic")) {
        (Some(path), None) => file(path, fields.optional("label"), sources, problems),
        (None, Some(node)) => {
            if let Some(label) = fields.optional("label") {
                problems.node(label, "synthetic data have no columns to choose from; leave this out");
            }
            synthetic(node, problems)
        }
        (Some(_), Some(node)) => {
            problems.node(node, "a path is given already; keep one of path, synthetic");
            None
        }
        (None, None) => {
            problems.node(node, format!("neither path nor synthetic; give one of them, like {example}"));
            None
        }
    };
    Some(DataSpec { source: source?, standardize: standardize?, clip: clip? })
}

fn file(path: &Node, label: Option<&Node>, sources: &mut Sources, problems: &mut Problems) -> Option<DataSource> {
    let label = match label {
        None => Some(LabelColumn::Last),
        Some(node) => label_column(node, problems),
    };
    let name = path_text(path, problems)?;
    let table = sources.read_table(path, name, &label?, problems)?;
    Some(DataSource::File { sha256: table.sha256.clone(), label: table.label as u64 })
}

fn label_column(node: &Node, problems: &mut Problems) -> Option<LabelColumn> {
    const INDEX: Whole =
        Whole { rule: "a label is last, a column counted from 0, or the name of a column", min: 0, max: 100_000 };
    match node.text() {
        Some("last") => Some(LabelColumn::Last),
        Some(name) => Some(LabelColumn::Named(name.to_owned())),
        None => INDEX.read(node, problems).and_then(|index| usize::try_from(index).ok()).map(LabelColumn::Index),
    }
}

/// The path at `node`, or a problem.
pub(super) fn path_text<'a>(node: &'a Node, problems: &mut Problems) -> Option<&'a str> {
    let text = node.text().filter(|text| !text.is_empty());
    if text.is_none() {
        problems.node(node, format!("{} is no path; a file is named relative to the sweep file", node.shown()));
    }
    text
}

fn synthetic(node: &Node, problems: &mut Problems) -> Option<DataSource> {
    let fields = Fields::of(node, &["examples", "features", "classes", "seed"], &[], SYNTHETIC, problems)?;
    let mut read =
        |key, rule: Whole| fields.required(key, rule.rule, problems).and_then(|node| rule.read(node, problems));
    let (examples, features) = (read("examples", EXAMPLES), read("features", FEATURES));
    let (classes, seed) = (read("classes", CLASSES), read("seed", SEED));
    let (examples, features, classes, seed) = (examples?, features?, classes?, seed?);
    let source = DataSource::Synthetic { examples, features, classes, seed };
    match source.complaint() {
        None => Some(source),
        Some(complaint) => {
            problems.node(node, complaint);
            None
        }
    }
}

impl DataSpec {
    /// What is wrong with values that did not come from a sweep file, if anything.
    pub(super) fn complaint(&self) -> Option<String> {
        let drawn = match self.source {
            DataSource::File { .. } => None,
            DataSource::Synthetic { examples, features, classes, .. } => EXAMPLES
                .complaint_of("landscape.data.examples", examples)
                .or_else(|| FEATURES.complaint_of("landscape.data.features", features))
                .or_else(|| CLASSES.complaint_of("landscape.data.classes", classes)),
        };
        drawn
            .or_else(|| self.source.complaint().map(|complaint| format!("landscape.data.source: {complaint}")))
            .or_else(|| self.clip.and_then(|clip| CLIP.complaint_of("landscape.data.clip", clip)))
    }
}

impl DataSource {
    fn complaint(&self) -> Option<String> {
        match *self {
            DataSource::File { ref sha256, label } => {
                let fine = is_sha256(sha256) && label <= 100_000;
                (!fine).then(|| "no SHA-256 and label column of a file".into())
            }
            DataSource::Synthetic { examples, features, classes, .. } => {
                let inputs = u128::from(examples) * u128::from(features);
                if inputs > MAX_INPUTS as u128 {
                    return Some(format!(
                        "{examples} examples × {features} features are {inputs} numbers; at most {MAX_INPUTS} fit"
                    ));
                }
                (examples < classes).then(|| format!("{examples} examples cannot show {classes} classes"))
            }
        }
    }
}

/// Whether it is 64 lower-case hex digits.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
}
