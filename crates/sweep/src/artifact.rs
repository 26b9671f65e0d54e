//! The artifact: what a worker needs beside the physics to build the landscape, made once and known by its hash.
//!
//! A safetensors file with the tensors `theta` (F64, `[d]`), `inputs` (F64, `[examples, features]`, as the network sees
//! them) and `labels` (U32, `[examples]`), and under the metadata key `taugrid` a canonical JSON with all the rest. The
//! same content is always the same bytes.

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

/// A trained perceptron: θ*, what is known of L there, and the data L is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// [`Physics::landscape_id`](crate::Physics::landscape_id) of the landscape it was made for.
    pub landscape_id: String,
    /// The network's.
    pub shape: Shape,
    /// After the hidden layer.
    pub activation: Activation,
    /// What L is a mean of.
    pub loss_function: Loss,
    /// The factor of ½‖θ‖² in L.
    pub weight_decay: f64,
    /// θ*, in the layout of [`Shape`].
    pub theta: Vec<f64>,
    /// The examples, standardized and clipped if they are to be.
    pub examples: Arc<Examples>,
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

/// What does not fit into a tensor.
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
        let metadata = canonical::to_json(&Metadata {
            format: FORMAT,
            landscape: self.landscape_id.clone(),
            inputs: self.shape.inputs,
            hidden: self.shape.hidden,
            classes: self.shape.classes,
            activation: self.activation,
            loss_function: self.loss_function,
            weight_decay: self.weight_decay,
            loss: self.loss,
            gradient_norm: self.gradient_norm,
            lambda_max: self.lambda_max,
            lambda_max_residual: self.lambda_max_residual,
            lambda_min: self.lambda_min,
            lambda_min_residual: self.lambda_min_residual,
            trace: self.noise.trace_hessian,
            trace_error: self.trace_error,
            hessian_norm: self.noise.hessian_norm,
            noise_trace: self.noise.trace_noise,
            noise_norm: self.noise.noise_norm,
            noise_hessian_inner: self.noise.inner,
            probes: self.noise.probes,
        });
        let reals = |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let (theta, inputs) = (reals(&self.theta), reals(self.examples.inputs()));
        let labels: Vec<u8> = self.examples.labels().iter().flat_map(|label| label.to_le_bytes()).collect();
        let (examples, features) = (self.examples.len(), self.examples.features());
        let tensor = |dtype, shape, bytes| TensorView::new(dtype, shape, bytes);
        let encoded = tensor(Dtype::F64, vec![examples, features], &inputs).and_then(|inputs| {
            let labels = tensor(Dtype::U32, vec![examples], &labels)?;
            let theta = tensor(Dtype::F64, vec![self.theta.len()], &theta)?;
            let [inputs_name, labels_name, theta_name] = TENSORS;
            // One key only: a map of several would be written in any order.
            let metadata = HashMap::from([(KEY.to_owned(), metadata)]);
            safetensors::serialize([(inputs_name, inputs), (labels_name, labels), (theta_name, theta)], Some(metadata))
        });
        // It fails only where bytes, type and shape of a tensor disagree; they are made of each other just above.
        #[expect(clippy::expect_used, reason = "see the line above")]
        encoded.expect("tensors of the shapes they have")
    }

    /// Reads [`Self::encode`], and checks all of it: it comes off the wire.
    ///
    /// # Errors
    /// If a size, type or value in it cannot be.
    pub fn decode(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let metadata = metadata(header.metadata().as_ref().and_then(|metadata| metadata.get(KEY)))?;
        let tensors = SafeTensors::deserialize(bytes)?;
        let mut names = tensors.names();
        names.sort_unstable();
        if names != TENSORS {
            return Err(ArtifactError::Tensor(format!("there are {}", names.join(", "))));
        }
        let shape = Shape { inputs: metadata.inputs, hidden: metadata.hidden, classes: metadata.classes };
        let parameters = parameters(shape).ok_or_else(|| ArtifactError::Metadata("a shape out of bounds".into()))?;
        let [inputs, labels, theta] = TENSORS.map(|name| tensors.tensor(name));
        let (inputs, labels, theta) = (inputs?, labels?, theta?);
        let examples = labels.shape().first().copied().unwrap_or(0);
        expect("inputs", &inputs, Dtype::F64, &[examples, shape.inputs])?;
        expect("labels", &labels, Dtype::U32, &[examples])?;
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
        let inputs = numbers(inputs.data(), f64::from_le_bytes);
        let labels = numbers(labels.data(), u32::from_le_bytes);
        Ok(Self {
            landscape_id: metadata.landscape,
            shape,
            activation: metadata.activation,
            loss_function: metadata.loss_function,
            weight_decay: metadata.weight_decay,
            theta,
            examples: Arc::new(Examples::new(inputs, labels, shape.inputs, shape.classes)?),
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
        })
    }

    /// The name of an artifact: SHA-256 of its bytes, 64 lower-case hex digits.
    pub fn sha256(bytes: &[u8]) -> String {
        sha256(bytes)
    }
}

fn metadata(text: Option<&String>) -> Result<Metadata, ArtifactError> {
    let malformed = |error: serde_json::Error| ArtifactError::Metadata(error.to_string());
    let text = text.ok_or_else(|| ArtifactError::Metadata("there are none".into()))?;
    // The version decides how the rest is to be read, so it is looked at first.
    let value: serde_json::Value = serde_json::from_str(text).map_err(malformed)?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(found) if found != u64::from(FORMAT) => Err(ArtifactError::Format { found }),
        _ => serde_json::from_value(value).map_err(malformed),
    }
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
