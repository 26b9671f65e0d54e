//! The multilayer perceptron with one hidden layer: its shape and its minimum (the paper's section 5).

use serde::{Deserialize, Serialize};
use taugrid_escape::landscape::mlp::Shape;

use super::data::{self, DataSource, DataSpec, is_sha256, path_text};
use crate::data::Sources;
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
    /// Of the outputs against the labels.
    pub loss: Loss,
    /// The factor of ½‖θ‖² in L.
    pub weight_decay: f64,
    /// Where θ* comes from.
    pub minimum: MinimumSpec,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Squared error of the outputs against the one-hot labels.
    #[default]
    Mse,
    /// −log softmax of the outputs at the label.
    CrossEntropy,
}

impl Loss {
    /// Whether it is the one that goes without saying.
    pub(crate) fn is_mse(&self) -> bool {
        *self == Self::Mse
    }
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
/// Of a regression as well.
pub(super) const WEIGHT_DECAY: Real = Real { rule: "weight decay is a finite number from 0", zero: true };
const EPOCHS: Whole = Whole { rule: "epochs is a whole number, 1 to 100000000", min: 1, max: 100_000_000 };
pub(crate) const LEARNING_RATE: Real = Real { rule: "a learning rate is a finite number above 0", zero: false };
/// Any seed will do.
pub(crate) const SEED: Whole =
    Whole { rule: "a seed is a whole number, 0 to 18446744073709551615", min: 0, max: u64::MAX };

const EXAMPLE: &str = "{kind: mlp, data: {path: data.csv}, hidden: 100, minimum: {train: {epochs: 1000, \
                       learning_rate: 0.3, seed: 1}}}";
const TRAIN: &str = "{epochs: 1000, learning_rate: 0.3, seed: 1}";

/// The perceptron at `node`; the files it names are read into `sources`.
pub(crate) fn read(node: &Node, sources: &mut Sources, problems: &mut Problems) -> Option<MlpSpec> {
    let known = ["kind", "data", "hidden", "activation", "loss", "weight_decay", "minimum"];
    let fields = Fields::of(node, &known, &[], EXAMPLE, problems)?;
    let data = fields.required("data", &data::rule(), problems).and_then(|node| data::read(node, sources, problems));
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
        Some(node) => node.word("loss", &["mse", "cross-entropy"], &[], problems).map(|word| match word {
            "mse" => Loss::Mse,
            _ => Loss::CrossEntropy,
        }),
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

impl MlpSpec {
    /// What is wrong with values that did not come from a sweep file, if anything.
    pub(crate) fn complaint(&self) -> Option<String> {
        let drawn = match self.data.source {
            DataSource::File { .. } => None,
            DataSource::Synthetic { features, classes, .. } => {
                let parameters = parameters(features, self.hidden, classes);
                (parameters > MAX_PARAMETERS).then(|| format!("landscape.hidden: {parameters} parameters"))
            }
        };
        let minimum = match &self.minimum {
            MinimumSpec::Train { epochs, learning_rate, .. } => EPOCHS
                .complaint_of("landscape.minimum.epochs", *epochs)
                .or_else(|| LEARNING_RATE.complaint_of("landscape.minimum.learning_rate", *learning_rate)),
            MinimumSpec::Load { sha256 } => {
                (!is_sha256(sha256)).then(|| "landscape.minimum.sha256: not a SHA-256".to_owned())
            }
        };
        self.data
            .complaint()
            .or(drawn)
            .or(minimum)
            .or_else(|| HIDDEN.complaint_of("landscape.hidden", self.hidden))
            .or_else(|| WEIGHT_DECAY.complaint_of("landscape.weight_decay", self.weight_decay))
    }
}
