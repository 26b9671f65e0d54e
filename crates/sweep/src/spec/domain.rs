//! The domain D around θ*, out of which the escape is timed (DESIGN §1).

use serde::{Deserialize, Serialize};

use crate::error::Problems;
use crate::yaml::{Fields, Node, Real, Whole};

/// The set a trial starts inside of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DomainSpec {
    /// ‖θ − θ*‖ < r/√α, or < r if it does not follow α.
    Ball {
        /// r > 0.
        radius: f64,
        /// Whether the ball shrinks with √α, so that α alone changes the sharpness, "other properties remaining the same".
        follows_alpha: bool,
    },
    /// L_αβ(θ) − L_αβ(θ*) < β·Δ.
    Sublevel {
        /// Δ > 0, the depth at β = 1.
        depth: f64,
        /// The loss is looked at after every so many steps, at least one; more than one on an mlp alone. Left out where
        /// it is one.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        check_every: u64,
    },
}

const RADIUS: Real = Real { rule: "a radius is a finite number above 0", zero: false };
const DEPTH: Real = Real { rule: "a depth is a finite number above 0", zero: false };
const CHECK_EVERY: Whole =
    Whole { rule: "check_every is a whole number of steps, 1 to 1000000", min: 1, max: 1_000_000 };
const EXAMPLE: &str = "{kind: sublevel, depth: 0.5}";

fn one() -> u64 {
    1
}

fn is_one(steps: &u64) -> bool {
    *steps == 1
}

/// The domain at `node`.
pub(crate) fn read(node: &Node, problems: &mut Problems) -> Option<DomainSpec> {
    match node.kind("domain", &["ball", "sublevel"], &[], EXAMPLE, problems)? {
        "ball" => {
            let fields = Fields::of(node, &["kind", "radius", "follows_alpha"], &[], EXAMPLE, problems)?;
            let radius = fields.required("radius", RADIUS.rule, problems).and_then(|n| RADIUS.read(n, problems));
            let follows_alpha = match fields.optional("follows_alpha") {
                Some(node) => node.flag(problems),
                None => Some(true),
            };
            Some(DomainSpec::Ball { radius: radius?, follows_alpha: follows_alpha? })
        }
        _ => {
            let fields = Fields::of(node, &["kind", "depth", "check_every"], &[], EXAMPLE, problems)?;
            let depth = fields.required("depth", DEPTH.rule, problems).and_then(|n| DEPTH.read(n, problems));
            let check_every = match fields.optional("check_every") {
                Some(node) => CHECK_EVERY.read(node, problems),
                None => Some(1),
            };
            Some(DomainSpec::Sublevel { depth: depth?, check_every: check_every? })
        }
    }
}

impl DomainSpec {
    /// What is wrong with values that did not come from a sweep file, if anything.
    pub(crate) fn complaint(&self) -> Option<String> {
        if let DomainSpec::Sublevel { check_every, .. } = self
            && !(CHECK_EVERY.min..=CHECK_EVERY.max).contains(check_every)
        {
            return Some(format!("domain.check_every: {check_every} is out of bounds"));
        }
        let (name, rule, value) = match self {
            DomainSpec::Ball { radius, .. } => ("radius", RADIUS, *radius),
            DomainSpec::Sublevel { depth, .. } => ("depth", DEPTH, *depth),
        };
        rule.complaint(value).map(|complaint| format!("domain.{name}: {value} {complaint}"))
    }
}
