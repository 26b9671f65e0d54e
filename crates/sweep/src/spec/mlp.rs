//! The multilayer perceptron with one hidden layer: its data, its shape, its minimum (the paper's section 5).

use serde::{Deserialize, Serialize};
use taugrid_escape::landscape::mlp::Shape;

use crate::data::{LabelColumn, MAX_INPUTS, Sources};
use crate::error::Problems;
use crate::yaml::{Fields, Node, Real, Whole};

/// A perceptron's training loss and θ*: its identity. Files are known by their content, not by their path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpSpec {
    /// The examples.
    pub data: DataSpec,
    /// The width of the hidden layer.
    pub hidden: u64,
    /// After the hidden layer.
    pub activation: Activation,
    /// Of the outputs against the one-hot labels.
    pub loss: Loss,
    /// The factor of ½‖θ‖² in L.
    pub weight_decay: f64,
    /// Where θ* comes from.
    pub minimum: MinimumSpec,
}

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

/// What follows the hidden layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(0, x).
    Relu,
    /// tanh x.
    Tanh,
}

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Squared error.
    Mse,
}

/// Where θ* comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MinimumSpec {
    /// Full-batch gradient descent.
    Train {
        /// Steps, each over all examples.
        epochs: u64,
        /// The step size.
        learning_rate: f64,
        /// Of the initial weights.
        seed: u64,
    },
    /// A safetensors file.
    Load {
        /// SHA-256 of its bytes, 64 lower-case hex digits.
        sha256: String,
    },
}

/// A perceptron has at most this many parameters: 160 MB of f64, and λmax needs many vectors of that length.
pub(crate) const MAX_PARAMETERS: u128 = 20_000_000;

const HIDDEN: Whole = Whole { rule: "hidden is the width of the hidden layer, 1 to 1000000", min: 1, max: 1_000_000 };
const WEIGHT_DECAY: Real = Real { rule: "weight decay is a finite number from 0", zero: true };
const CLIP: Real = Real { rule: "clip is a finite number above 0: features are held within ± it", zero: false };
const EPOCHS: Whole = Whole { rule: "epochs is a whole number, 1 to 100000000", min: 1, max: 100_000_000 };
pub(crate) const LEARNING_RATE: Real = Real { rule: "a learning rate is a finite number above 0", zero: false };
const EXAMPLES: Whole = Whole { rule: "examples is a whole number, 2 to 100000000", min: 2, max: 100_000_000 };
const FEATURES: Whole = Whole { rule: "features is a whole number, 1 to 100000", min: 1, max: 100_000 };
const CLASSES: Whole = Whole { rule: "classes is a whole number, 2 to 10000", min: 2, max: 10_000 };
/// Any seed will do.
pub(crate) const SEED: Whole =
    Whole { rule: "a seed is a whole number, 0 to 18446744073709551615", min: 0, max: u64::MAX };

const EXAMPLE: &str = "{kind: mlp, data: {path: data.csv}, hidden: 100, minimum: {train: {epochs: 1000, \
                       learning_rate: 0.3, seed: 1}}}";
const SYNTHETIC: &str = "{examples: 1000, features: 10, classes: 3, seed: 1}";
const TRAIN: &str = "{epochs: 1000, learning_rate: 0.3, seed: 1}";

/// The perceptron at `node`; the files it names are read into `sources`.
pub(crate) fn read(node: &Node, sources: &mut Sources, problems: &mut Problems) -> Option<MlpSpec> {
    let known = ["kind", "data", "hidden", "activation", "loss", "weight_decay", "minimum"];
    let fields = Fields::of(node, &known, &[], EXAMPLE, problems)?;
    let data = fields
        .required("data", &format!("{{path: data.csv}}, or {{synthetic: {SYNTHETIC}}}"), problems)
        .and_then(|node| data(node, sources, problems));
    let hidden = fields.required("hidden", HIDDEN.rule, problems).and_then(|node| HIDDEN.read(node, problems));
    let activation = match fields.optional("activation") {
        None => Some(Activation::Relu),
        Some(node) => node.word("activation", &["relu", "tanh"], &[], problems).map(|word| match word {
            "relu" => Activation::Relu,
            _ => Activation::Tanh,
        }),
    };
    let loss = match fields.optional("loss") {
        None => Some(Loss::Mse),
        Some(node) => node.word("loss", &["mse"], &["cross-entropy"], problems).map(|_| Loss::Mse),
    };
    let weight_decay = match fields.optional("weight_decay") {
        None => Some(0.0),
        Some(node) => WEIGHT_DECAY.read(node, problems),
    };
    let shape = data.as_ref().zip(hidden).and_then(|(data, hidden)| {
        let [features, classes] = sources.features_and_classes(&data.source)?;
        let parameters = parameters(features, hidden, classes);
        if parameters > MAX_PARAMETERS {
            let node = fields.optional("hidden")?;
            let message = format!("{} makes {parameters} parameters; at most {MAX_PARAMETERS} fit", node.shown());
            problems.node(node, message);
            return None;
        }
        shape(features, hidden, classes)
    });
    let minimum = fields
        .required("minimum", &format!("{{train: {TRAIN}}}, or {{load: theta.safetensors}}"), problems)
        .and_then(|node| minimum(node, shape, sources, problems));
    Some(MlpSpec {
        data: data?,
        hidden: hidden?,
        activation: activation?,
        loss: loss?,
        weight_decay: weight_decay?,
        minimum: minimum?,
    })
}

fn shape(features: u64, hidden: u64, classes: u64) -> Option<Shape> {
    let [inputs, hidden, classes] = [features, hidden, classes].map(usize::try_from);
    Some(Shape { inputs: inputs.ok()?, hidden: hidden.ok()?, classes: classes.ok()? })
}

fn parameters(features: u64, hidden: u64, classes: u64) -> u128 {
    let [features, hidden, classes] = [features, hidden, classes].map(u128::from);
    hidden * (features + 1) + classes * (hidden + 1)
}

fn data(node: &Node, sources: &mut Sources, problems: &mut Problems) -> Option<DataSpec> {
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

fn path_text<'a>(node: &'a Node, problems: &mut Problems) -> Option<&'a str> {
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

fn minimum(node: &Node, shape: Option<Shape>, sources: &mut Sources, problems: &mut Problems) -> Option<MinimumSpec> {
    let example = format!("{{train: {TRAIN}}}");
    let fields = Fields::of(node, &["train", "load"], &[], &example, problems)?;
    match (fields.optional("train"), fields.optional("load")) {
        (Some(train), None) => {
            let fields = Fields::of(train, &["epochs", "learning_rate", "seed"], &[], TRAIN, problems)?;
            let epochs = fields.required("epochs", EPOCHS.rule, problems).and_then(|n| EPOCHS.read(n, problems));
            let learning_rate = fields
                .required("learning_rate", LEARNING_RATE.rule, problems)
                .and_then(|n| LEARNING_RATE.read(n, problems));
            let seed = fields.required("seed", SEED.rule, problems).and_then(|n| SEED.read(n, problems));
            Some(MinimumSpec::Train { epochs: epochs?, learning_rate: learning_rate?, seed: seed? })
        }
        (None, Some(load)) => {
            let name = path_text(load, problems)?;
            let sha256 = sources.read_weights(load, name, shape?, problems)?;
            Some(MinimumSpec::Load { sha256 })
        }
        (Some(_), Some(load)) => {
            problems.node(load, "the minimum is trained already; keep one of train, load");
            None
        }
        (None, None) => {
            problems.node(node, format!("neither train nor load; give one of them, like {example}"));
            None
        }
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

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
}

impl MlpSpec {
    /// What is wrong with values that did not come from a sweep file, if anything.
    pub(crate) fn complaint(&self) -> Option<String> {
        let real = |name: &str, rule: Real, value: f64| {
            rule.complaint(value).map(|complaint| format!("landscape.{name}: {value} {complaint}"))
        };
        let whole = |name: &str, rule: Whole, value: u64| {
            let fine = (rule.min..=rule.max).contains(&value);
            (!fine).then(|| format!("landscape.{name}: {value} is out of bounds; {}", rule.rule))
        };
        let drawn = match self.data.source {
            DataSource::File { .. } => None,
            DataSource::Synthetic { examples, features, classes, .. } => whole("data.examples", EXAMPLES, examples)
                .or_else(|| whole("data.features", FEATURES, features))
                .or_else(|| whole("data.classes", CLASSES, classes))
                .or_else(|| {
                    let parameters = parameters(features, self.hidden, classes);
                    (parameters > MAX_PARAMETERS).then(|| format!("landscape.hidden: {parameters} parameters"))
                }),
        };
        let minimum = match &self.minimum {
            MinimumSpec::Train { epochs, learning_rate, .. } => whole("minimum.epochs", EPOCHS, *epochs)
                .or_else(|| real("minimum.learning_rate", LEARNING_RATE, *learning_rate)),
            MinimumSpec::Load { sha256 } => {
                (!is_sha256(sha256)).then(|| "landscape.minimum.sha256: not a SHA-256".to_owned())
            }
        };
        drawn
            .or(minimum)
            .or_else(|| self.data.source.complaint().map(|complaint| format!("landscape.data.source: {complaint}")))
            .or_else(|| self.data.clip.and_then(|clip| real("data.clip", CLIP, clip)))
            .or_else(|| whole("hidden", HIDDEN, self.hidden))
            .or_else(|| real("weight_decay", WEIGHT_DECAY, self.weight_decay))
    }
}
