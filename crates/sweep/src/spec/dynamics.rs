//! The stepping rules: SGD and its models (DESIGN §1, the paper's Fig. 4).

use serde::{Deserialize, Serialize};

use crate::canonical;
use crate::error::Problems;
use crate::yaml::{Fields, Node, Real, Value, Whole};

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
    /// The same at θ*.
    Frozen,
}

impl Covariance {
    const ALL: [Self; 4] = [Self::Hessian, Self::Identity, Self::Sample, Self::Frozen];

    /// Its name in sweep files and in the dataset.
    pub fn as_str(self) -> &'static str {
        match self {
            Covariance::Hessian => "hessian",
            Covariance::Identity => "identity",
            Covariance::Sample => "sample",
            Covariance::Frozen => "frozen",
        }
    }

    /// Whether it is made of the gradients of examples.
    pub(crate) fn is_of_examples(self) -> bool {
        matches!(self, Self::Sample | Self::Frozen)
    }
}

/// How the stable noises of the parameters hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coordinates {
    /// C^½ times an isotropic stable vector.
    Isotropic,
    /// C^½ times independent stable variates, one for each parameter.
    Independent,
}

impl Coordinates {
    const ALL: [Self; 2] = [Self::Isotropic, Self::Independent];

    fn as_str(self) -> &'static str {
        match self {
            Self::Isotropic => "isotropic",
            Self::Independent => "independent",
        }
    }
}

/// One stepping rule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DynamicsSpec {
    /// θ ← θ − η ∇L_B(θ), B examples drawn anew each step (Eq. 1).
    Sgd,
    /// θ ← θ − η∇L(θ) + √(η/B)·W, W ~ N(0, η C) (Eq. 2).
    GaussianSgd {
        /// C.
        covariance: Covariance,
    },
    /// dθ = −∇L dt + √(η/B) C^½ dw (Eq. 3), in steps of η/`substeps`.
    Sde {
        /// C.
        covariance: Covariance,
        /// Steps in a time of η.
        substeps: u32,
    },
    /// Gaussian SGD with a symmetric stable variate in the place of each normal (Nguyen et al. 2019).
    LevySgd {
        /// C, which scales the noise as it does a Gaussian.
        covariance: Covariance,
        /// a, above 1 and at most 2.
        stability: f64,
        /// One vector, or one variate a parameter.
        coordinates: Coordinates,
    },
}

impl DynamicsSpec {
    /// Its name in sweep files and in the dataset: `sgd`, `gaussian-sgd`, `sde`, `levy-sgd`.
    pub fn kind(self) -> &'static str {
        match self {
            DynamicsSpec::Sgd => "sgd",
            DynamicsSpec::GaussianSgd { .. } => "gaussian-sgd",
            DynamicsSpec::Sde { .. } => "sde",
            DynamicsSpec::LevySgd { .. } => "levy-sgd",
        }
    }

    /// C, where it has one.
    pub fn noise(self) -> Option<Covariance> {
        match self {
            DynamicsSpec::Sgd => None,
            DynamicsSpec::GaussianSgd { covariance }
            | DynamicsSpec::Sde { covariance, .. }
            | DynamicsSpec::LevySgd { covariance, .. } => Some(covariance),
        }
    }

    /// The name of its covariance, where it has one.
    pub fn covariance(self) -> Option<&'static str> {
        self.noise().map(Covariance::as_str)
    }

    /// Steps in a time of η: 1, but for an SDE.
    pub fn substeps(self) -> u32 {
        match self {
            DynamicsSpec::Sde { substeps, .. } => substeps,
            _ => 1,
        }
    }

    /// a, of stable noise.
    pub fn stability(self) -> Option<f64> {
        match self {
            DynamicsSpec::LevySgd { stability, .. } => Some(stability),
            _ => None,
        }
    }

    /// What people call it: the kind, and what of the covariance and the tails there is.
    pub fn label(self) -> String {
        let of = |rest: String| format!("{} ({rest})", self.kind());
        match self {
            DynamicsSpec::Sgd => self.kind().to_owned(),
            DynamicsSpec::GaussianSgd { covariance } | DynamicsSpec::Sde { covariance, .. } => {
                of(covariance.as_str().to_owned())
            }
            DynamicsSpec::LevySgd { covariance, stability, coordinates: Coordinates::Isotropic } => {
                of(format!("{}, a = {stability}", covariance.as_str()))
            }
            DynamicsSpec::LevySgd { covariance, stability, coordinates: Coordinates::Independent } => {
                of(format!("{}, a = {stability}, independent", covariance.as_str()))
            }
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
        let sound = match read {
            DynamicsSpec::Sde { substeps, .. } => (SUBSTEPS.min..=SUBSTEPS.max).contains(&substeps.into()),
            DynamicsSpec::LevySgd { stability, .. } => is_stability(stability),
            DynamicsSpec::Sgd | DynamicsSpec::GaussianSgd { .. } => true,
        };
        if !sound {
            return Err(serde::de::Error::custom("a value is out of bounds"));
        }
        // Serde lets a variant without fields have any, whatever it is told.
        if read.to_json() == json { Ok(read) } else { Err(serde::de::Error::custom("not canonical")) }
    }
}

fn is_stability(a: f64) -> bool {
    a > 1.0 && a <= 2.0
}

const EXAMPLE: &str = "{kind: gaussian-sgd, covariance: hessian}";
const SDE: &str = "{kind: sde, covariance: hessian, substeps: 16}";
const LEVY: &str = "{kind: levy-sgd, stability: 1.5, covariance: identity}";
const SUBSTEPS: Whole =
    Whole { rule: "substeps is how many steps of the scheme a time of η has, 1 to 1000000", min: 1, max: 1_000_000 };
/// The default: mean exit times are within about 1 % then, where η·λmax is not large.
const DEFAULT_SUBSTEPS: u32 = 16;
const STABILITY: Real = Real { rule: "a stability is above 1 and at most 2, which is the Gaussian", zero: false };

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
    match node.kind("dynamics", &["sgd", "gaussian-sgd", "sde", "levy-sgd"], &[], EXAMPLE, problems)? {
        "sgd" => {
            Fields::of(node, &["kind"], &[], EXAMPLE, problems)?;
            Some(DynamicsSpec::Sgd)
        }
        "sde" => {
            let fields = Fields::of(node, &["kind", "covariance", "substeps"], &[], SDE, problems)?;
            let covariance = required_covariance(fields, problems);
            let substeps = match fields.optional("substeps") {
                Some(node) => SUBSTEPS.read(node, problems).and_then(|substeps| u32::try_from(substeps).ok()),
                None => Some(DEFAULT_SUBSTEPS),
            };
            Some(DynamicsSpec::Sde { covariance: covariance?, substeps: substeps? })
        }
        "levy-sgd" => {
            levy(Fields::of(node, &["kind", "stability", "covariance", "coordinates"], &[], LEVY, problems)?, problems)
        }
        _ => {
            let fields = Fields::of(node, &["kind", "covariance"], &[], EXAMPLE, problems)?;
            let covariance = required_covariance(fields, problems)?;
            Some(DynamicsSpec::GaussianSgd { covariance })
        }
    }
}

fn levy(fields: Fields<'_>, problems: &mut Problems) -> Option<DynamicsSpec> {
    let stability = fields.required("stability", STABILITY.rule, problems).and_then(|node| {
        let stability = STABILITY.read(node, problems)?;
        if !is_stability(stability) {
            problems.node(node, format!("{} is out of bounds; {}", node.shown(), STABILITY.rule));
            return None;
        }
        Some(stability)
    });
    let covariance = match fields.optional("covariance") {
        Some(node) => covariance(node, problems),
        None => Some(Covariance::Identity),
    };
    let coordinates = match fields.optional("coordinates") {
        Some(node) => {
            let word = node.word("coordinates", &Coordinates::ALL.map(Coordinates::as_str), &[], problems);
            word.and_then(|word| Coordinates::ALL.into_iter().find(|coordinates| coordinates.as_str() == word))
        }
        None => Some(Coordinates::Isotropic),
    };
    Some(DynamicsSpec::LevySgd { covariance: covariance?, stability: stability?, coordinates: coordinates? })
}

fn required_covariance(fields: Fields<'_>, problems: &mut Problems) -> Option<Covariance> {
    let what = "covariance is one of hessian, identity, sample, frozen";
    fields.required("covariance", what, problems).and_then(|node| covariance(node, problems))
}

fn covariance(node: &Node, problems: &mut Problems) -> Option<Covariance> {
    let word = node.word("covariance", &Covariance::ALL.map(Covariance::as_str), &[], problems)?;
    Covariance::ALL.into_iter().find(|covariance| covariance.as_str() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_canonical_and_reads_back() {
        let hessian = DynamicsSpec::GaussianSgd { covariance: Covariance::Hessian };
        let sde = DynamicsSpec::Sde { covariance: Covariance::Frozen, substeps: 16 };
        let levy = DynamicsSpec::LevySgd {
            covariance: Covariance::Identity,
            stability: 1.5,
            coordinates: Coordinates::Independent,
        };
        for (dynamics, json) in [
            (DynamicsSpec::Sgd, r#"{"kind":"sgd"}"#),
            (hessian, r#"{"kind":"gaussian-sgd","covariance":"hessian"}"#),
            (sde, r#"{"kind":"sde","covariance":"frozen","substeps":16}"#),
            (levy, r#"{"kind":"levy-sgd","covariance":"identity","stability":1.5,"coordinates":"independent"}"#),
        ] {
            assert_eq!(dynamics.to_json(), json);
            assert_eq!(DynamicsSpec::from_json(json).expect("valid"), dynamics);
        }
        for bad in [
            "",
            "{}",
            r#"{"kind":"gaussian-sgd"}"#,
            r#"{"kind":"gaussian-sgd","covariance":"melted"}"#,
            r#"{"kind":"sde","covariance":"hessian","substeps":0}"#,
            r#"{"kind":"levy-sgd","covariance":"identity","stability":1,"coordinates":"isotropic"}"#,
            r#"{"kind":"sgd","covariance":"hessian"}"#,
        ] {
            assert!(DynamicsSpec::from_json(bad).is_err(), "{bad}");
        }
    }
}
