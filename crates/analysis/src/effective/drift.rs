//! Where descent without noise goes from a θ* that is not quite a minimum, and when.

use std::sync::OnceLock;

use taugrid_escape::landscape::Landscape;
use taugrid_escape::landscape::mlp::Mlp;

/// Multiplications that the descent may take: some ten seconds.
const MOST_WORK: f64 = 5e10;
const MOST_STEPS: usize = 20_000;

/// The gradient flow dz/dt = −∇L from θ*, by Euler's method with steps of ½/λmax; made when first asked for.
#[derive(Default)]
pub(super) struct Descent(OnceLock<Path>);

struct Path {
    /// How long a step lasts.
    step: f64,
    /// ‖z‖ after each step.
    distances: Vec<f64>,
}

impl Descent {
    /// Whether the flow leaves ‖z‖ < `radius` within `time`; `None` if it was not followed for so long.
    pub(super) fn leaves(&self, mlp: &Mlp, radius: f64, time: f64) -> Option<bool> {
        let Path { step, distances } = self.0.get_or_init(|| Path::from_minimum(mlp));
        match distances.iter().position(|distance| *distance >= radius) {
            Some(index) => Some((index + 1) as f64 * step <= time),
            None => (distances.len() as f64 * step >= time).then_some(false),
        }
    }
}

impl Path {
    fn from_minimum(mlp: &Mlp) -> Self {
        let step = 0.5 / mlp.curvature().lambda_max.abs().max(f64::MIN_POSITIVE);
        let work = 6.0 * mlp.dim() as f64 * mlp.model().examples().len() as f64;
        let steps = ((MOST_WORK / work) as usize).min(MOST_STEPS);
        let mut workspace = mlp.workspace();
        let (mut z, mut slope) = (vec![0.0; mlp.dim()], vec![0.0; mlp.dim()]);
        let mut distances = Vec::with_capacity(steps);
        for _ in 0..steps {
            mlp.gradient(&z, &mut slope, &mut workspace);
            z.iter_mut().zip(&slope).for_each(|(z, slope)| *z -= step * slope);
            distances.push(z.iter().map(|z| z * z).sum::<f64>().sqrt());
        }
        Self { step, distances }
    }
}
