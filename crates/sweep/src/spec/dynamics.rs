//! The stepping rules: SGD and its models (DESIGN §1, the paper's Fig. 4).

use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::error::Problems;
use crate::yaml::{Fields, Node, Value};

/// The covariance C of the noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Covariance {
    /// C = the Hessian of L_αβ at θ* (Assumption 2).
    Hessian,
    /// C = I, the proxy systems (Eq. 4, Fig. 4).
    Identity,
    /// C = the covariance of the examples' gradients at θ_k, exactly, without ever being formed.
    Sample,
}

impl Covariance {
    /// Its name in sweep files and in the dataset.
    pub fn as_str(self) -> &'static str {
        match self {
            Covariance::Hessian => "hessian",
            Covariance::Identity => "identity",
            Covariance::Sample => "sample",
        }
    }
}

/// One stepping rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DynamicsSpec {
    /// θ ← θ − η ∇L_B(θ), B examples drawn anew each step (Eq. 1).
    Sgd,
    /// θ ← θ − η∇L(θ) + √(η/B)·W, W ~ N(0, η C) (Eq. 2).
    GaussianSgd {
        /// C.
        covariance: Covariance,
    },
}

impl DynamicsSpec {
    /// Its name in sweep files and in the dataset: `sgd`, `gaussian-sgd`.
    pub fn kind(self) -> &'static str {
        match self {
            DynamicsSpec::Sgd => "sgd",
            DynamicsSpec::GaussianSgd { .. } => "gaussian-sgd",
        }
    }

    /// The name of its covariance, where it has one.
    pub fn covariance(self) -> Option<&'static str> {
        match self {
            DynamicsSpec::Sgd => None,
            DynamicsSpec::GaussianSgd { covariance } => Some(covariance.as_str()),
        }
    }

    /// The canonical JSON that cell keys are hashed from.
    pub fn to_json(self) -> String {
        canonical::to_json(&self)
    }

    /// Reads [`Self::to_json`].
    ///
    /// # Errors
    /// If `json` is no dynamics of this version, or written in another way.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        let read: Self = serde_json::from_str(json)?;
        // Serde lets a variant without fields have any, whatever it is told.
        if read.to_json() == json { Ok(read) } else { Err(serde::de::Error::custom("not canonical")) }
    }
}

const EXAMPLE: &str = "{kind: gaussian-sgd, covariance: hessian}";
const LATER_COVARIANCES: [&str; 1] = ["frozen"];

/// The dynamics at `node`, a list or a single one, each with its node.
pub(crate) fn read_list<'a>(node: &'a Node, problems: &mut Problems) -> Option<Vec<(DynamicsSpec, &'a Node)>> {
    let items: &[Node] = match &node.value {
        Value::List(items) => items,
        _ => std::slice::from_ref(node),
    };
    if items.is_empty() {
        problems.node(node, format!("an empty list; give at least one dynamics, like {EXAMPLE}"));
        return None;
    }
    // All of them are read before any failure counts, for the sake of their problems.
    let mut read: Vec<Option<(DynamicsSpec, &Node)>> = Vec::new();
    for item in items {
        let found = read_one(item, problems);
        if let Some(twin) = found.and_then(|found| read.iter().flatten().find(|(other, _)| *other == found)) {
            problems.node(item, format!("the same dynamics as {}; name each once", twin.1.path));
        }
        read.push(found.map(|found| (found, item)));
    }
    read.into_iter().collect()
}

fn read_one(node: &Node, problems: &mut Problems) -> Option<DynamicsSpec> {
    match node.kind("dynamics", &["sgd", "gaussian-sgd"], &["sde", "levy-sgd"], EXAMPLE, problems)? {
        "sgd" => {
            Fields::of(node, &["kind"], &[], EXAMPLE, problems)?;
            Some(DynamicsSpec::Sgd)
        }
        _ => {
            let fields = Fields::of(node, &["kind", "covariance"], &[], EXAMPLE, problems)?;
            let what = "covariance is one of hessian, identity, sample";
            let node = fields.required("covariance", what, problems)?;
            let all = [Covariance::Hessian, Covariance::Identity, Covariance::Sample];
            let word = node.word("covariance", &all.map(Covariance::as_str), &LATER_COVARIANCES, problems)?;
            let covariance = all.into_iter().find(|covariance| covariance.as_str() == word)?;
            Some(DynamicsSpec::GaussianSgd { covariance })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_canonical_and_reads_back() {
        let hessian = DynamicsSpec::GaussianSgd { covariance: Covariance::Hessian };
        for (dynamics, json) in
            [(DynamicsSpec::Sgd, r#"{"kind":"sgd"}"#), (hessian, r#"{"kind":"gaussian-sgd","covariance":"hessian"}"#)]
        {
            assert_eq!(dynamics.to_json(), json);
            assert_eq!(DynamicsSpec::from_json(json).expect("valid"), dynamics);
        }
        for bad in [
            "",
            "{}",
            r#"{"kind":"gaussian-sgd"}"#,
            r#"{"kind":"gaussian-sgd","covariance":"frozen"}"#,
            r#"{"kind":"sgd","covariance":"hessian"}"#,
        ] {
            assert!(DynamicsSpec::from_json(bad).is_err(), "{bad}");
        }
    }
}
