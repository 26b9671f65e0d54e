//! What all cells of a sweep share, as it goes over the wire; and the keys of its cells.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use taugrid_escape::rng;

use crate::canonical;
use crate::cell::{Cell, CellKey};
use crate::data::sha256;
use crate::spec::{DomainSpec, Dtype, DynamicsSpec, LandscapeSpec};

/// The physics of a sweep: together with a cell and a trial it decides a path to the last bit.
#[derive(Debug, Clone)]
pub struct Physics {
    /// The version of the random numbers: with others, the same seed gives other rows.
    streams: u32,
    seed: u64,
    max_steps: u64,
    dtype: Dtype,
    landscape: LandscapeSpec,
    domain: DomainSpec,
    /// The hash of the beginning that all cells' JSON has in common: a landscape can be long, and cells many.
    key_prefix: Sha256,
}

/// [`Physics`] as JSON: the order of the fields is the order of the keys, for ever.
#[derive(Serialize, PartialEq)]
struct Written<'a> {
    streams: u32,
    seed: u64,
    max_steps: u64,
    dtype: Dtype,
    landscape: &'a LandscapeSpec,
    domain: &'a DomainSpec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    streams: u32,
    seed: u64,
    max_steps: u64,
    /// Versions before streams 2 had f64 alone.
    #[serde(default = "Dtype::f64")]
    dtype: Dtype,
    landscape: LandscapeSpec,
    domain: DomainSpec,
}

/// A text that is no [`Physics`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhysicsError {
    /// It has another form.
    #[error("the sweep's physics are not what this version writes")]
    Form(#[from] serde_json::Error),
    /// A value cannot be.
    #[error("the sweep's physics hold a value that cannot be: {0}")]
    Value(String),
}

/// `difference` tells at most this many lines.
const MAX_DIFFERENCES: usize = 20;
/// It shows lists of at most this many values.
const MAX_SHOWN: usize = 8;

impl PartialEq for Physics {
    fn eq(&self, other: &Self) -> bool {
        self.written() == other.written()
    }
}

impl Physics {
    pub(crate) fn new(seed: u64, max_steps: u64, dtype: Dtype, landscape: LandscapeSpec, domain: DomainSpec) -> Self {
        let prefix = format!(
            r#"{{"landscape":{},"domain":{},"dynamics":"#,
            canonical::to_json(&landscape),
            canonical::to_json(&domain)
        );
        let key_prefix = Sha256::new_with_prefix(prefix);
        Self { streams: rng::VERSION, seed, max_steps, dtype, landscape, domain, key_prefix }
    }

    /// The seed of all streams.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Steps after which a trial that is still inside is censored.
    pub fn max_steps(&self) -> u64 {
        self.max_steps
    }

    /// What the states of trials are kept in.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// L.
    pub fn landscape_spec(&self) -> &LandscapeSpec {
        &self.landscape
    }

    /// D.
    pub fn domain(&self) -> DomainSpec {
        self.domain
    }

    /// Whether a worker needs an [`Artifact`](crate::Artifact) to build the landscape.
    pub fn needs_artifact(&self) -> bool {
        self.landscape.data().is_some()
    }

    fn written(&self) -> Written<'_> {
        let Self { streams, seed, max_steps, dtype, ref landscape, ref domain, key_prefix: _ } = *self;
        Written { streams, seed, max_steps, dtype, landscape, domain }
    }

    /// The canonical JSON: one text for one physics.
    pub fn to_json(&self) -> String {
        canonical::to_json(&self.written())
    }

    /// Reads [`Self::to_json`], and checks every value: it comes off the wire.
    ///
    /// # Errors
    /// If `json` is not what this version writes, or a value in it is out of its bounds.
    pub fn from_json(json: &str) -> Result<Self, PhysicsError> {
        let Read { streams, seed, max_steps, dtype, landscape, domain } = serde_json::from_str(json)?;
        let steps = crate::sweep::MAX_STEPS;
        let complaint = (!(steps.min..=steps.max).contains(&max_steps))
            .then(|| format!("max_steps: {max_steps} is out of bounds"))
            .or_else(|| landscape.complaint())
            .or_else(|| domain.complaint());
        match complaint {
            Some(complaint) => Err(PhysicsError::Value(complaint)),
            None => Ok(Self { streams, ..Self::new(seed, max_steps, dtype, landscape, domain) }),
        }
    }

    /// Names these physics: SHA-256 of [`Self::to_json`], 64 hex digits.
    pub fn sweep_id(&self) -> String {
        sha256(self.to_json().as_bytes())
    }

    /// Names the landscape alone: SHA-256 of its canonical JSON, 64 hex digits. An artifact carries it.
    pub fn landscape_id(&self) -> String {
        sha256(canonical::to_json(&self.landscape).as_bytes())
    }

    /// A cell of these physics, with its key: the first 8 bytes, big-endian, of the SHA-256 of the canonical JSON of
    /// `{landscape, domain, dynamics, alpha, beta, eta, batch_size}`.
    pub fn cell(&self, dynamics: DynamicsSpec, alpha: f64, beta: f64, eta: f64, batch_size: u64) -> Cell {
        let [a, b, e] = [alpha, beta, eta].map(canonical::number);
        let rest = format!(
            r#"{},"alpha":{a},"beta":{b},"eta":{e},"batch_size":{batch_size}}}"#,
            canonical::to_json(&dynamics)
        );
        let hash = self.key_prefix.clone().chain_update(rest).finalize();
        let key = hash.iter().take(8).fold(0u64, |key, byte| key << 8 | u64::from(*byte));
        Cell { key: CellKey(key), dynamics, alpha, beta, eta, batch_size }
    }

    /// How `other` (there, as in a results folder) differs from these physics (here): lines like
    /// `domain.depth: 0.5 there, 0.6 here`. Empty if they are the same.
    pub fn difference(&self, other: &Physics) -> Vec<String> {
        let mut lines = Vec::new();
        compare("", other.value().as_ref(), self.value().as_ref(), &mut lines);
        if lines.len() > MAX_DIFFERENCES {
            let more = lines.len() - MAX_DIFFERENCES;
            lines.truncate(MAX_DIFFERENCES);
            lines.push(format!("and {more} more"));
        }
        lines
    }

    fn value(&self) -> Option<Value> {
        serde_json::from_str(&self.to_json()).ok()
    }
}

/// Adds a line to `lines` for each leaf that differs.
fn compare(path: &str, there: Option<&Value>, here: Option<&Value>, lines: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (there, here) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for (key, value) in a {
                compare(&below(key), Some(value), b.get(key), lines);
            }
            for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                compare(&below(key), None, Some(value), lines);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if a.len() == b.len() => {
            for (i, (x, y)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}[{i}]"), Some(x), Some(y), lines);
            }
        }
        _ if there == here => {}
        _ => lines.push(format!("{path}: {} there, {} here", shown(there), shown(here))),
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "nothing".into(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) if items.len() > MAX_SHOWN => format!("{} values", items.len()),
        Some(other) => other.to_string(),
    }
}
