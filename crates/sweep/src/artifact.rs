//! The artifact: what a worker needs beside the physics to build the landscape, made once and known by its hash.
//!
//! A safetensors file with the tensors `inputs` (F64, `[examples, features]`, as the landscape sees them), `labels` (U32,
//! `[examples]`) and, of a network, `theta` (F64, `[d]`), and under the metadata key `taugrid` a canonical JSON with all
//! the rest. The same content is always the same bytes.

use std::collections::HashMap;
use std::sync::Arc;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use taugrid_escape::curvature::NoiseVersusHessian;
use taugrid_escape::data::{DataError, Examples};
use taugrid_escape::landscape::mlp::Shape;

use crate::canonical;
use crate::data::{numbers, sha256};
use crate::spec::{Activation, Loss, MAX_PARAMETERS};

/// The examples that a landscape is made of, and what was found of it that is not found again in a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// [`Physics::landscape_id`](crate::Physics::landscape_id) of the landscape it was made for.
    pub landscape_id: String,
    /// The examples, standardized and clipped if they are to be.
    pub examples: Arc<Examples>,
    /// Of a perceptron. A regression has none: its θ* and its curvature follow from the examples at once.
    pub network: Option<Network>,
}

/// A trained perceptron: θ*, and what is known of L there.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Its widths.
    pub shape: Shape,
    /// After the hidden layer.
    pub activation: Activation,
    /// What L is a mean of.
    pub loss_function: Loss,
    /// The factor of ½‖θ‖² in L.
    pub weight_decay: f64,
    /// θ*, in the layout of [`Shape`].
    pub theta: Vec<f64>,
    /// L(θ*).
    pub loss: f64,
    /// ‖∇L(θ*)‖: how far θ* is from being a minimum.
    pub gradient_norm: f64,
    /// λmax(H*), the sharpness.
    pub lambda_max: f64,
    /// An eigenvalue of H* lies within this of `lambda_max`.
    pub lambda_max_residual: f64,
    /// λmin(H*), or above it.
    pub lambda_min: f64,
    /// An eigenvalue of H* lies within this of `lambda_min`.
    pub lambda_min_residual: f64,
    /// The covariance of the gradient noise beside H*, tr H* among it.
    pub noise: NoiseVersusHessian,
    /// The standard error of tr H*.
    pub trace_error: f64,
}

/// What does not fit into a tensor, where there are examples alone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BareMetadata {
    format: u32,
    landscape: String,
    inputs: usize,
    classes: usize,
}

/// What does not fit into a tensor, of a network.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    format: u32,
    landscape: String,
    inputs: usize,
    hidden: usize,
    classes: usize,
    activation: Activation,
    /// Left out where it is the mean squared error, as it was before there was another.
    #[serde(default, skip_serializing_if = "Loss::is_mse")]
    loss_function: Loss,
    weight_decay: f64,
    loss: f64,
    gradient_norm: f64,
    lambda_max: f64,
    lambda_max_residual: f64,
    lambda_min: f64,
    lambda_min_residual: f64,
    trace: f64,
    trace_error: f64,
    hessian_norm: f64,
    noise_trace: f64,
    noise_norm: f64,
    noise_hessian_inner: f64,
    probes: usize,
}

/// The format that is written and read. Format 1 had nothing of λmin, the trace and the noise.
const FORMAT: u32 = 2;
const KEY: &str = "taugrid";
const TENSORS: [&str; 3] = ["inputs", "labels", "theta"];

/// Bytes that are no artifact.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// No safetensors file.
    #[error("the artifact is no safetensors file")]
    File(#[from] SafeTensorError),
    /// Its metadata are missing or malformed.
    #[error("the artifact's metadata are not what this version writes: {0}")]
    Metadata(String),
    /// Another format version.
    #[error("the artifact has format {found}; this version reads format {FORMAT}")]
    Format {
        /// What it says.
        found: u64,
    },
    /// A tensor is missing, or of another type or shape than the metadata say.
    #[error("the artifact's tensors do not fit: {0}")]
    Tensor(String),
    /// A number that cannot be.
    #[error("the artifact's {name} is {value}")]
    Value {
        /// Which number.
        name: &'static str,
        /// What it is.
        value: f64,
    },
    /// The examples are no examples.
    #[error("the artifact's examples cannot be used")]
    Examples(#[from] DataError),
}

impl Artifact {
    /// The bytes of this artifact; always the same.
    pub fn encode(&self) -> Vec<u8> {
        let reals = |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let inputs = reals(self.examples.inputs());
        let labels: Vec<u8> = self.examples.labels().iter().flat_map(|label| label.to_le_bytes()).collect();
        let theta = self.network.as_ref().map(|network| reals(&network.theta));
        let (examples, features) = (self.examples.len(), self.examples.features());
        let tensor = |dtype, shape, bytes| TensorView::new(dtype, shape, bytes);
        let encoded = tensor(Dtype::F64, vec![examples, features], &inputs).and_then(|inputs| {
            let labels = tensor(Dtype::U32, vec![examples], &labels)?;
            let [inputs_name, labels_name, theta_name] = TENSORS;
            let mut tensors = vec![(inputs_name, inputs), (labels_name, labels)];
            if let Some(theta) = &theta {
                tensors.push((theta_name, tensor(Dtype::F64, vec![theta.len() / size_of::<f64>()], theta)?));
            }
            // One key only: a map of several would be written in any order.
            let metadata = HashMap::from([(KEY.to_owned(), self.metadata())]);
            safetensors::serialize(tensors, Some(metadata))
        });
        // It fails only where bytes, type and shape of a tensor disagree; they are made of each other just above.
        #[expect(clippy::expect_used, reason = "see the line above")]
        encoded.expect("tensors of the shapes they have")
    }

    fn metadata(&self) -> String {
        let landscape = self.landscape_id.clone();
        let Some(network) = &self.network else {
            let (inputs, classes) = (self.examples.features(), self.examples.classes());
            return canonical::to_json(&BareMetadata { format: FORMAT, landscape, inputs, classes });
        };
        canonical::to_json(&Metadata {
            format: FORMAT,
            landscape,
            inputs: network.shape.inputs,
            hidden: network.shape.hidden,
            classes: network.shape.classes,
            activation: network.activation,
            loss_function: network.loss_function,
            weight_decay: network.weight_decay,
            loss: network.loss,
            gradient_norm: network.gradient_norm,
            lambda_max: network.lambda_max,
            lambda_max_residual: network.lambda_max_residual,
            lambda_min: network.lambda_min,
            lambda_min_residual: network.lambda_min_residual,
            trace: network.noise.trace_hessian,
            trace_error: network.trace_error,
            hessian_norm: network.noise.hessian_norm,
            noise_trace: network.noise.trace_noise,
            noise_norm: network.noise.noise_norm,
            noise_hessian_inner: network.noise.inner,
            probes: network.noise.probes,
        })
    }

    /// Reads [`Self::encode`], and checks all of it: it comes off the wire.
    ///
    /// # Errors
    /// If a size, type or value in it cannot be.
    pub fn decode(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let metadata = metadata(header.metadata().as_ref().and_then(|metadata| metadata.get(KEY)))?;
        let tensors = SafeTensors::deserialize(bytes)?;
        let [inputs, labels, theta] = TENSORS;
        // Networks alone have a hidden layer.
        if metadata.get("hidden").is_none() {
            let bare: BareMetadata = serde_json::from_value(metadata).map_err(malformed)?;
            expect_names(&tensors, &[inputs, labels])?;
            let examples = Arc::new(examples(&tensors, bare.inputs, bare.classes)?);
            return Ok(Self { landscape_id: bare.landscape, examples, network: None });
        }
        let metadata: Metadata = serde_json::from_value(metadata).map_err(malformed)?;
        expect_names(&tensors, &[inputs, labels, theta])?;
        let shape = Shape { inputs: metadata.inputs, hidden: metadata.hidden, classes: metadata.classes };
        let parameters = parameters(shape).ok_or_else(|| ArtifactError::Metadata("a shape out of bounds".into()))?;
        let examples = Arc::new(examples(&tensors, shape.inputs, shape.classes)?);
        let theta = tensors.tensor(theta)?;
        expect("theta", &theta, Dtype::F64, &[parameters])?;
        let theta = numbers(theta.data(), f64::from_le_bytes);
        let finite = |name, value: f64| {
            if value.is_finite() { Ok(()) } else { Err(ArtifactError::Value { name, value }) }
        };
        theta.iter().try_for_each(|value| finite("theta", *value))?;
        for (name, value, signed) in [
            ("weight_decay", metadata.weight_decay, false),
            ("loss", metadata.loss, false),
            ("gradient_norm", metadata.gradient_norm, false),
            ("lambda_max", metadata.lambda_max, true),
            ("lambda_max_residual", metadata.lambda_max_residual, false),
            ("lambda_min", metadata.lambda_min, true),
            ("lambda_min_residual", metadata.lambda_min_residual, false),
            ("trace", metadata.trace, true),
            ("trace_error", metadata.trace_error, false),
            ("hessian_norm", metadata.hessian_norm, false),
            ("noise_trace", metadata.noise_trace, false),
            ("noise_norm", metadata.noise_norm, false),
            ("noise_hessian_inner", metadata.noise_hessian_inner, true),
        ] {
            finite(name, value)?;
            if value < 0.0 && !signed {
                return Err(ArtifactError::Value { name, value });
            }
        }
        let network = Network {
            shape,
            activation: metadata.activation,
            loss_function: metadata.loss_function,
            weight_decay: metadata.weight_decay,
            theta,
            loss: metadata.loss,
            gradient_norm: metadata.gradient_norm,
            lambda_max: metadata.lambda_max,
            lambda_max_residual: metadata.lambda_max_residual,
            lambda_min: metadata.lambda_min,
            lambda_min_residual: metadata.lambda_min_residual,
            noise: NoiseVersusHessian {
                trace_noise: metadata.noise_trace,
                trace_hessian: metadata.trace,
                noise_norm: metadata.noise_norm,
                hessian_norm: metadata.hessian_norm,
                inner: metadata.noise_hessian_inner,
                probes: metadata.probes,
            },
            trace_error: metadata.trace_error,
        };
        Ok(Self { landscape_id: metadata.landscape, examples, network: Some(network) })
    }

    /// The name of an artifact: SHA-256 of its bytes, 64 lower-case hex digits.
    pub fn sha256(bytes: &[u8]) -> String {
        sha256(bytes)
    }
}

/// The metadata, of this format.
fn metadata(text: Option<&String>) -> Result<serde_json::Value, ArtifactError> {
    let text = text.ok_or_else(|| ArtifactError::Metadata("there are none".into()))?;
    // The version decides how the rest is to be read, so it is looked at first.
    let value: serde_json::Value = serde_json::from_str(text).map_err(malformed)?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(found) if found != u64::from(FORMAT) => Err(ArtifactError::Format { found }),
        _ => Ok(value),
    }
}

fn malformed(error: serde_json::Error) -> ArtifactError {
    ArtifactError::Metadata(error.to_string())
}

/// The examples among `tensors`.
fn examples(tensors: &SafeTensors<'_>, features: usize, classes: usize) -> Result<Examples, ArtifactError> {
    let [inputs, labels, _] = TENSORS.map(|name| tensors.tensor(name));
    let (inputs, labels) = (inputs?, labels?);
    let count = labels.shape().first().copied().unwrap_or(0);
    expect("inputs", &inputs, Dtype::F64, &[count, features])?;
    expect("labels", &labels, Dtype::U32, &[count])?;
    let inputs = numbers(inputs.data(), f64::from_le_bytes);
    let labels = numbers(labels.data(), u32::from_le_bytes);
    Ok(Examples::new(inputs, labels, features, classes)?)
}

/// These tensors, in the order of their names, and no others.
fn expect_names(tensors: &SafeTensors<'_>, expected: &[&str]) -> Result<(), ArtifactError> {
    let mut names = tensors.names();
    names.sort_unstable();
    if names == expected { Ok(()) } else { Err(ArtifactError::Tensor(format!("there are {}", names.join(", ")))) }
}

/// d, if the shape is one that this version makes.
fn parameters(shape: Shape) -> Option<usize> {
    let [inputs, hidden, classes] = [shape.inputs, shape.hidden, shape.classes].map(|n| n as u128);
    let possible = [inputs, hidden, classes].iter().all(|n| (1..=MAX_PARAMETERS).contains(n));
    (possible && (inputs + 1 + classes) * hidden + classes <= MAX_PARAMETERS).then(|| shape.parameters())
}

fn expect(name: &str, tensor: &TensorView<'_>, dtype: Dtype, shape: &[usize]) -> Result<(), ArtifactError> {
    if (tensor.dtype(), tensor.shape()) == (dtype, shape) {
        return Ok(());
    }
    let found = format!("{:?} {:?}", tensor.dtype(), tensor.shape());
    Err(ArtifactError::Tensor(format!("{name} is {found}, where {dtype:?} {shape:?} is expected")))
}
