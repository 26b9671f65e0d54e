//! Small landscapes that are no quadratics: a double well and a quartic, each with saddles to leave over.
//!
//! Both are sums over coordinates, with quadratics in all but the first. From θ*, with z = θ − θ*:
//!
//! | kind | L(θ* + z) − L(θ*) | saddles | height of a saddle |
//! | --- | --- | --- | --- |
//! | double well | E ((z_0/w − 1)² − 1)² + ½ Σ k_i z_i² | z_0 = w; the other minimum is at 2w | E |
//! | quartic | ½ Σ h_i z_i² + ¼ q z_0⁴ | for q < 0 z_0 = ±√(h_0/∣q∣), else none | h_0²/(4∣q∣) |

use super::{Curvature, Landscape};

/// L(z) = Σ_i ½ h z_i² + ⅓ b z_i³ + ¼ q z_i⁴.
#[derive(Debug, Clone)]
pub struct Well {
    terms: Vec<Term>,
    curvature: Curvature,
}

/// One coordinate's part: ½ h z² + ⅓ b z³ + ¼ q z⁴.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// h > 0, the curvature at θ*.
    pub h: f64,
    /// b.
    pub b: f64,
    /// q.
    pub q: f64,
}

impl Term {
    /// Its part of the loss.
    pub fn loss(self, z: f64) -> f64 {
        z * z * (0.5 * self.h + z * (self.b / 3.0 + 0.25 * self.q * z))
    }

    /// Its derivative.
    pub fn slope(self, z: f64) -> f64 {
        z * (self.h + z * (self.b + z * self.q))
    }

    /// Its second derivative.
    pub fn curvature(self, z: f64) -> f64 {
        self.h + z * (2.0 * self.b + 3.0 * z * self.q)
    }

    /// The stationary points other than 0, from left to right.
    pub(crate) fn stationary(self) -> Vec<f64> {
        if self.q == 0.0 {
            return if self.b == 0.0 { Vec::new() } else { vec![-self.h / self.b] };
        }
        let discriminant = self.b * self.b - 4.0 * self.h * self.q;
        if discriminant < 0.0 {
            return Vec::new();
        }
        let mut roots = [-1.0, 1.0].map(|sign| (-self.b + sign * discriminant.sqrt()) / (2.0 * self.q));
        roots.sort_by(f64::total_cmp);
        roots.to_vec()
    }
}

/// A saddle of a [`Well`]: along the first coordinate, at 0 in all others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Saddle {
    /// z_0.
    pub at: f64,
    /// L − L(θ*) there.
    pub height: f64,
    /// ∂²L/∂z_0² there, < 0. In the other coordinates the Hessian is that at θ*.
    pub curvature: f64,
}

impl Well {
    /// A double well with its minima 2w apart and a barrier of height E between them; `transverse` are the curvatures k in
    /// the other coordinates. `None` unless all are finite and positive.
    pub fn double(barrier: f64, half_width: f64, transverse: &[f64]) -> Option<Self> {
        let (e, w) = (barrier, half_width);
        let first = Term { h: 8.0 * e / (w * w), b: -12.0 * e / (w * w * w), q: 4.0 * e / (w * w * w * w) };
        (e > 0.0 && w > 0.0).then(|| Self::new(first, transverse)).flatten()
    }

    /// A quartic with curvatures h at θ* and the coefficient q of ¼ z_0⁴. `None` unless there is an h, all of them are
    /// finite and positive and q is finite.
    pub fn quartic(eigenvalues: &[f64], q: f64) -> Option<Self> {
        let (&h, rest) = eigenvalues.split_first()?;
        Self::new(Term { h, b: 0.0, q }, rest)
    }

    fn new(first: Term, transverse: &[f64]) -> Option<Self> {
        let rest = transverse.iter().map(|&h| Term { h, b: 0.0, q: 0.0 });
        let terms: Vec<Term> = std::iter::once(first).chain(rest).collect();
        let sound = |t: &Term| t.h.is_finite() && t.h > 0.0 && t.b.is_finite() && t.q.is_finite();
        let h = || terms.iter().map(|term| term.h);
        let curvature = Curvature {
            lambda_max: h().fold(f64::MIN, f64::max),
            lambda_min: Some(h().fold(f64::MAX, f64::min)),
            trace: Some(h().sum()),
            gradient_norm: 0.0,
            noise: None,
        };
        terms.iter().all(sound).then_some(Self { terms, curvature })
    }

    /// The parts, one a coordinate.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The curvatures at θ*, one a coordinate: the eigenvalues of H*.
    pub fn eigenvalues(&self) -> Vec<f64> {
        self.terms.iter().map(|term| term.h).collect()
    }

    /// The saddles next to θ*, on either side.
    pub fn saddles(&self) -> Vec<Saddle> {
        let first = self.terms[0];
        let saddle = |at: f64| Saddle { at, height: first.loss(at), curvature: first.curvature(at) };
        first.stationary().into_iter().map(saddle).filter(|saddle| saddle.curvature < 0.0).collect()
    }
}

impl Landscape for Well {
    type Workspace = ();

    fn workspace(&self) -> Self::Workspace {}

    fn dim(&self) -> usize {
        self.terms.len()
    }

    fn excess_loss(&self, z: &[f64], (): &mut ()) -> f64 {
        self.terms.iter().zip(z).map(|(term, z)| term.loss(*z)).sum()
    }

    fn gradient(&self, z: &[f64], out: &mut [f64], (): &mut ()) {
        for ((g, term), z) in out.iter_mut().zip(&self.terms).zip(z) {
            *g = term.slope(*z);
        }
    }

    fn curvature(&self) -> &Curvature {
        &self.curvature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_double_well_has_its_minima_and_its_saddle_where_it_says() {
        let well = Well::double(0.25, 1.5, &[2.0]).expect("positive");
        let loss = |z0: f64| well.excess_loss(&[z0, 0.0], &mut ());
        for z in [-0.3, 0.4, 1.5, 2.9, 3.0f64] {
            let expected = 0.25 * ((z / 1.5 - 1.0).powi(2) - 1.0).powi(2);
            assert!((loss(z) - expected).abs() < 1e-14, "{z}");
        }
        let [saddle] = well.saddles()[..] else { panic!("one saddle: {:?}", well.saddles()) };
        assert!((saddle.at - 1.5).abs() < 1e-14 && (saddle.height - 0.25).abs() < 1e-14);
        assert!((saddle.curvature + 4.0 * 0.25 / (1.5 * 1.5)).abs() < 1e-13, "{saddle:?}");
        assert_eq!(well.curvature().lambda_max, 2.0);
    }

    #[test]
    fn a_quartic_has_two_saddles_where_it_bends_down() {
        let well = Well::quartic(&[2.0, 1.0], -0.5).expect("sound");
        let [left, right] = well.saddles()[..] else { panic!("two saddles: {:?}", well.saddles()) };
        assert!((left.at + 2.0).abs() < 1e-14 && (right.at - 2.0).abs() < 1e-14);
        assert!((right.height - 4.0 / 2.0).abs() < 1e-14 && (right.curvature + 4.0).abs() < 1e-14);
        assert!(Well::quartic(&[2.0], 0.5).expect("sound").saddles().is_empty());
    }

    #[test]
    fn gradients_are_derivatives_of_the_loss() {
        for well in [Well::double(0.3, 0.7, &[1.0, 2.0]), Well::quartic(&[1.0, 0.5, 2.0], -0.3)] {
            let (well, z) = (well.expect("sound"), [0.4, -1.1, 0.3]);
            let mut gradient = [0.0; 3];
            well.gradient(&z, &mut gradient, &mut ());
            for i in 0..3 {
                let at = |step: f64| {
                    let mut z = z;
                    z[i] += step;
                    well.excess_loss(&z, &mut ())
                };
                let slope = (at(1e-6) - at(-1e-6)) / 2e-6;
                assert!((slope - gradient[i]).abs() < 1e-8, "coordinate {i}: {slope} against {}", gradient[i]);
                let bend = (at(1e-4) + at(-1e-4) - 2.0 * at(0.0)) / 1e-8;
                assert!((bend - well.terms()[i].curvature(z[i])).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn what_has_no_minimum_is_refused() {
        assert!(Well::double(0.0, 1.0, &[]).is_none());
        assert!(Well::double(1.0, -1.0, &[]).is_none());
        assert!(Well::double(1.0, 1.0, &[0.0]).is_none());
        assert!(Well::quartic(&[], 1.0).is_none());
        assert!(Well::quartic(&[-1.0], 1.0).is_none());
        assert!(Well::quartic(&[1.0], f64::NAN).is_none());
    }
}
