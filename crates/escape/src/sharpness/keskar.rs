//! Metric 2.1 of Keskar et al. ("On large-batch training for deep learning", arXiv 1609.04836), in the full space (their
//! A = I):
//!
//! φ = 100 · (max_{y ∈ C_ε} f(θ + y) − f(θ)) / (1 + f(θ)),   C_ε = {y : |y_i| ≤ ε(|θ_i| + 1)}.
//!
//! The maximum is sought by Frank and Wolfe's method, uphill. With y_i = ε(|θ_i| + 1)·u_i the box is the cube |u_i| ≤ 1,
//! whose corner s = sign ∂f/∂u maximises the linearised f. The step goes from u to s, at full length or, where the rise
//! falls short of 10⁻⁴ of what the gradient promises, at half of it, a quarter and so on. So there is no step size to choose,
//! the iterates rise and never leave the box, and where f is convex along the step every step is a full one, from corner to
//! corner. What the linearised f still promises, g·(s − u), is 0 at a local maximum and nowhere else but at stationary points.
//!
//! It is a local maximum that is found, as it is with the ten iterations of L-BFGS-B of Keskar et al.; so φ is a
//! lower bound, and the best of several starts is taken. On a diagonal Hessian every local maximum is the maximum.

use crate::landscape::mlp::lanes::dot;

/// How a box is searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Search {
    /// ε, the size of the box: half its width is ε(|θ_i| + 1).
    pub epsilon: f64,
    /// Gradients taken from each start, at most.
    pub iterations: usize,
}

/// What a search came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Keskar {
    /// φ, in per cent.
    pub value: f64,
    /// max f(θ + y) − f(θ), as far as it was found; from 0, for y = 0 is in the box.
    pub rise: f64,
    /// Gradients taken, from all starts together.
    pub gradients: usize,
}

/// A rise must be at least this share of what the gradient promised.
const SUFFICIENT: f64 = 1e-4;
/// A search ends when all that the gradient promises is at most this share of the rise so far.
const TOLERANCE: f64 = 1e-4;

/// Metric 2.1 of `f` at `theta`, where f is `loss`. `objective(x, out)` is f(x), and puts ∇f(x) into `out`. Every one of
/// `starts` is a u of the cube, `theta`'s length, all |u_i| ≤ 1; 0 is θ itself.
///
/// A value of f that is not finite ends the search from that start: it counts for nothing.
///
/// # Panics
/// Unless every start has the length of `theta`.
pub fn maximum_in_box(
    theta: &[f64],
    loss: f64,
    search: Search,
    starts: &[Vec<f64>],
    objective: &mut dyn FnMut(&[f64], &mut [f64]) -> f64,
) -> Keskar {
    let mut climb = Climb {
        theta,
        half_widths: theta.iter().map(|x| search.epsilon * (x.abs() + 1.0)).collect(),
        objective,
        left: 0,
        gradients: 0,
    };
    let mut rise = 0.0_f64;
    for start in starts {
        assert_eq!(start.len(), theta.len(), "a start of another length than theta");
        climb.left = search.iterations;
        rise = rise.max(climb.from(start, loss));
    }
    Keskar { value: 100.0 * rise / (1.0 + loss), rise, gradients: climb.gradients }
}

/// The way uphill, in the cube.
struct Climb<'a> {
    theta: &'a [f64],
    half_widths: Vec<f64>,
    objective: &'a mut dyn FnMut(&[f64], &mut [f64]) -> f64,
    /// Gradients that may still be taken from this start.
    left: usize,
    gradients: usize,
}

/// A point of the cube, f there, and ∂f/∂u.
#[derive(Clone)]
struct Point {
    u: Vec<f64>,
    value: f64,
    slopes: Vec<f64>,
}

impl Climb<'_> {
    /// The rise above `loss` that is reached from `start`.
    fn from(&mut self, start: &[f64], loss: f64) -> f64 {
        let Some(mut point) = self.at(start.to_vec()) else { return 0.0 };
        loop {
            let direction = towards_corner(&point);
            let promise = dot(&direction, &point.slopes);
            let rise = point.value - loss;
            if promise <= TOLERANCE * rise.abs() {
                return rise;
            }
            match self.step(&point, &direction, promise) {
                Some(next) => point = next,
                None => return rise,
            }
        }
    }

    /// The first of the points at 1, ½, ¼ … of the way that is high enough; none if the budget ends before.
    fn step(&mut self, point: &Point, direction: &[f64], promise: f64) -> Option<Point> {
        let mut length = 1.0;
        loop {
            let u = point.u.iter().zip(direction).map(|(u, d)| u + length * d).collect();
            let next = self.at(u)?;
            if next.value >= point.value + SUFFICIENT * length * promise {
                return Some(next);
            }
            length *= 0.5;
        }
    }

    /// f and its slopes at `u`; none if the budget is spent, or f is not finite there.
    fn at(&mut self, u: Vec<f64>) -> Option<Point> {
        self.left = self.left.checked_sub(1)?;
        self.gradients += 1;
        let place = |((x, h), u): ((&f64, &f64), &f64)| x + h * u;
        let x: Vec<f64> = self.theta.iter().zip(&self.half_widths).zip(&u).map(place).collect();
        let mut slopes = vec![0.0; x.len()];
        let value = (self.objective)(&x, &mut slopes);
        slopes.iter_mut().zip(&self.half_widths).for_each(|(slope, h)| *slope *= h);
        value.is_finite().then_some(Point { u, value, slopes })
    }
}

/// s − u, where s is the corner that the slopes point to; where a slope is 0, the coordinate stays.
fn towards_corner(point: &Point) -> Vec<f64> {
    let towards = |(u, slope): (&f64, &f64)| match slope {
        slope if *slope > 0.0 => 1.0 - u,
        slope if *slope < 0.0 => -1.0 - u,
        _ => 0.0,
    };
    point.u.iter().zip(&point.slopes).map(towards).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Stream, StreamKey};

    const SEARCH: Search = Search { epsilon: 0.01, iterations: 20 };

    /// ½ xᵀAx + b·x + c at x, row-major A.
    fn quadratic(a: &[f64], b: &[f64], c: f64, x: &[f64], out: &mut [f64]) -> f64 {
        let d = x.len();
        for (out, row) in out.iter_mut().zip(a.chunks(d)) {
            *out = dot(row, x);
        }
        let value = c + 0.5 * dot(x, out) + dot(b, x);
        out.iter_mut().zip(b).for_each(|(out, b)| *out += b);
        value
    }

    fn corner(stream: &mut Stream, d: usize) -> Vec<f64> {
        (0..d).map(|_| if stream.uniform() < 0.5 { -1.0 } else { 1.0 }).collect()
    }

    /// On L = ½ Σ h x² the maximum over the box is that of each coordinate by itself: Σ |h x| k + ½ h k², k = ε(|x| + 1).
    #[test]
    fn a_diagonal_quadratic_has_the_closed_form() {
        let (h, x) = ([3.0, 0.5, 0.0, 7.0], [0.2, -1.0, 4.0, 0.01]);
        let mut a = [0.0; 16];
        (0..4).for_each(|i| a[5 * i] = h[i]);
        let mut f = |x: &[f64], out: &mut [f64]| quadratic(&a, &[0.0; 4], 2.0, x, out);
        let loss = f(&x, &mut [0.0; 4]);
        let terms = h.iter().zip(&x).map(|(h, x)| {
            let k = 0.01 * (x.abs() + 1.0);
            (h * x).abs() * k + 0.5 * h * k * k
        });
        let rise: f64 = terms.sum();
        let found = maximum_in_box(&x, loss, SEARCH, &[vec![0.0; 4]], &mut f);
        assert!((found.rise - rise).abs() < 1e-12 * rise, "{} for {rise}", found.rise);
        assert!((found.value - 100.0 * rise / (1.0 + loss)).abs() < 1e-12, "{}", found.value);
        // One gradient at θ, one at the corner, where nothing is left to gain.
        assert_eq!(found.gradients, 2);
    }

    /// Dense A = GGᵀ of low rank, as Hessians of networks are, and a gradient: against all 2¹⁰ corners. The seeds are fixed.
    #[test]
    fn a_dense_quadratic_is_as_high_as_its_highest_corner() {
        let (d, rank) = (10, 4);
        let (mut sum, mut worst) = (0.0, 1.0_f64);
        for seed in 0..50 {
            let mut stream = Stream::new(StreamKey::derive(seed, 1), 0);
            let g: Vec<f64> = (0..d * rank).map(|_| stream.normal()).collect();
            let mut a = vec![0.0; d * d];
            for (i, row) in g.chunks(rank).enumerate() {
                g.chunks(rank).enumerate().for_each(|(j, column)| a[i * d + j] = dot(row, column));
            }
            let b: Vec<f64> = (0..d).map(|_| 0.01 * stream.normal()).collect();
            let theta = vec![0.0; d];
            let mut f = |x: &[f64], out: &mut [f64]| quadratic(&a, &b, 1.0, x, out);
            let mut highest = 0.0_f64;
            for bits in 0..1 << d {
                let y: Vec<f64> = (0..d).map(|i| if bits >> i & 1 == 1 { 0.01 } else { -0.01 }).collect();
                highest = highest.max(f(&y, &mut vec![0.0; d]) - 1.0);
            }
            let mut starts = vec![vec![0.0; d]];
            starts.extend((0..3).map(|_| corner(&mut stream, d)));
            let share = maximum_in_box(&theta, 1.0, SEARCH, &starts, &mut f).rise / highest;
            assert!(share <= 1.0 + 1e-12, "above the maximum: {share}");
            (sum, worst) = (sum + share, worst.min(share));
        }
        println!("mean {} worst {worst}", sum / 50.0);
        assert!(sum / 50.0 > 0.97 && worst > 0.75, "mean {}, worst {worst}", sum / 50.0);
    }

    /// A concave function has its maximum inside the box, where full steps overshoot.
    #[test]
    fn a_maximum_inside_the_box_is_found() {
        let a = [-2.0, 0.0, 0.0, -4.0];
        let b = [0.006, -0.008];
        let mut f = |x: &[f64], out: &mut [f64]| quadratic(&a, &b, 0.0, x, out);
        let search = Search { iterations: 400, ..SEARCH };
        // ½ Σ b²/|a|, at x = (0.003, −0.002).
        let rise = 0.5 * (3.6e-5 / 2.0 + 6.4e-5 / 4.0);
        let found = maximum_in_box(&[0.0, 0.0], 0.0, search, &[vec![0.0; 2]], &mut f).rise;
        assert!(found <= rise * (1.0 + 1e-12) && found > 0.99 * rise, "{found} for {rise}");
    }

    #[test]
    fn at_a_flat_place_and_where_f_is_not_finite_nothing_rises() {
        let flat = maximum_in_box(&[1.0], 3.0, SEARCH, &[vec![0.0], vec![1.0]], &mut |_, out| {
            out.fill(0.0);
            3.0
        });
        assert_eq!((flat.value, flat.gradients), (0.0, 2));
        let broken = maximum_in_box(&[1.0], 3.0, SEARCH, &[vec![1.0]], &mut |_, out| {
            out.fill(1.0);
            f64::INFINITY
        });
        assert_eq!((broken.value, broken.gradients), (0.0, 1));
    }

    #[test]
    fn no_more_gradients_are_taken_than_allowed() {
        for iterations in 0..4 {
            let search = Search { iterations, ..SEARCH };
            // Its sign turns at every corner: the search never ends by itself.
            let mut turn = 1.0;
            let found = maximum_in_box(&[0.0], 0.0, search, &[vec![0.0], vec![1.0]], &mut |_, out| {
                turn = -turn;
                out[0] = turn;
                turn
            });
            assert!(found.gradients <= 2 * iterations, "{}", found.gradients);
        }
    }
}
