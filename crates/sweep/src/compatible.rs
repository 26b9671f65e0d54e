//! What of a sweep goes together: dynamics on landscapes, in domains. What does not is refused with the reason.

use crate::data::Sources;
use crate::error::Problems;
use crate::spec::{Axes, Coordinates, Covariance, DomainSpec, Dtype, DynamicsSpec, LandscapeSpec, MlpSpec};
use crate::yaml::Node;

/// A perceptron whose Hessian is formed has at most this many parameters: its factor is a matrix of that size.
const MOST_PARAMETERS_OF_A_DENSE_HESSIAN: u64 = 4096;

/// A domain that the landscape has no use for.
pub(crate) fn check_domain(landscape: &LandscapeSpec, domain: &DomainSpec, node: &Node, problems: &mut Problems) {
    if matches!(domain, DomainSpec::Sublevel { check_every: 2.., .. }) && !matches!(landscape, LandscapeSpec::Mlp(_)) {
        let kind = landscape.kind();
        problems
            .node(node, format!("check_every is for an mlp, whose loss is dear; on a {kind} every step is looked at"));
    }
}

/// Training of what is not trained.
pub(crate) fn check_training(landscape: &LandscapeSpec, node: &Node, problems: &mut Problems) {
    if !matches!(landscape, LandscapeSpec::Mlp(_)) {
        problems
            .node(node, format!("training is for an mlp; a {} has nothing to train: leave it out", landscape.kind()));
    }
}

/// Dynamics that the landscape has no noise for.
pub(crate) fn check_dynamics(
    landscape: &LandscapeSpec,
    sources: &Sources,
    dynamics: &[(DynamicsSpec, &Node)],
    dtype: Dtype,
    problems: &mut Problems,
) {
    for (dynamics, node) in dynamics {
        if let Some(reason) = reason(landscape, sources, *dynamics, dtype) {
            problems.node(node, reason);
        }
    }
}

/// Why this dynamics cannot be on this landscape, if it cannot.
fn reason(landscape: &LandscapeSpec, sources: &Sources, dynamics: DynamicsSpec, dtype: Dtype) -> Option<String> {
    let kind = landscape.kind();
    if landscape.data().is_none() {
        match (dynamics, dynamics.noise()) {
            (DynamicsSpec::Sgd, _) => {
                return Some(format!(
                    "sgd draws minibatches of examples, and a {kind} landscape has no data; use gaussian-sgd, or \
                     landscape kind linear-regression or mlp"
                ));
            }
            (_, Some(covariance)) if covariance.is_of_examples() => {
                return Some(format!(
                    "covariance {} is that of the examples' gradients, and a {kind} landscape has no data; use covariance \
                     hessian or identity, or landscape kind linear-regression or mlp",
                    covariance.as_str()
                ));
            }
            _ => {}
        }
    }
    if is_independent(dynamics) && dynamics.noise().is_some_and(Covariance::is_of_examples) {
        return Some(
            "stable noise with the covariance of examples is isotropic alone: that covariance is never formed, so there \
             are no coordinates to be independent in; leave coordinates out, or use covariance identity"
                .to_owned(),
        );
    }
    match landscape {
        LandscapeSpec::Mlp(mlp) => reason_on_mlp(mlp, sources, dynamics, dtype),
        _ => None,
    }
}

/// Whether its noise is no Gaussian, and another in each parameter.
fn is_independent(dynamics: DynamicsSpec) -> bool {
    matches!(dynamics, DynamicsSpec::LevySgd { coordinates: Coordinates::Independent, stability, .. } if stability < 2.0)
}

fn reason_on_mlp(mlp: &MlpSpec, sources: &Sources, dynamics: DynamicsSpec, dtype: Dtype) -> Option<String> {
    match dynamics.noise()? {
        Covariance::Hessian if is_independent(dynamics) => Some(
            "stable noise with covariance hessian on an mlp is isotropic alone; leave coordinates out, or use covariance \
             identity"
                .to_owned(),
        ),
        Covariance::Hessian => {
            let parameters = sources.parameters(mlp)?;
            let most = MOST_PARAMETERS_OF_A_DENSE_HESSIAN;
            if dtype == Dtype::F64 {
                return Some(
                    "covariance hessian on an mlp is computed in f32 alone; leave dtype out, or say dtype: f32"
                        .to_owned(),
                );
            }
            (parameters > most).then(|| {
                format!(
                    "covariance hessian on an mlp forms the dense Hessian and its root, and {parameters} parameters are more \
                     than the {most} that can be; take a smaller hidden layer, or covariance sample or frozen, which are \
                     never formed"
                )
            })
        }
        _ => None,
    }
}

/// Minibatches larger than the data they are drawn from.
pub(crate) fn check_batch_sizes(
    landscape: &LandscapeSpec,
    sources: &Sources,
    dynamics: &[(DynamicsSpec, &Node)],
    axes: &Axes<'_>,
    problems: &mut Problems,
) {
    if !dynamics.iter().any(|(dynamics, _)| *dynamics == DynamicsSpec::Sgd) {
        return;
    }
    let Some(examples) = landscape.data().and_then(|data| sources.examples(&data.source)) else { return };
    for (batch_size, node) in axes.batch_sizes.iter().filter(|(batch_size, _)| *batch_size > examples) {
        problems.node(
            node,
            format!("{batch_size} is more than the {examples} examples; sgd draws a minibatch without replacement"),
        );
    }
}
