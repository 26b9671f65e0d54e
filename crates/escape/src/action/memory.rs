//! The memory of L-BFGS: recent steps and what they changed in the gradient (Nocedal & Wright, algorithm 7.4).

use std::collections::VecDeque;

use super::weighted::dot;

/// Pairs that are remembered.
const PAIRS: usize = 12;

/// An approximation of a second derivative's inverse, from the latest steps on top of a given one.
#[derive(Default)]
pub(super) struct Memory {
    /// (step, change of the gradient, 1 over their product).
    pairs: VecDeque<(Vec<f64>, Vec<f64>, f64)>,
}

impl Memory {
    /// Takes in a step and the change of the gradient over it; leaves it out if the curvature along it is not positive.
    pub(super) fn remember(&mut self, step: Vec<f64>, change: Vec<f64>) {
        let product = dot(&step, &change);
        if product > 1e-12 * (dot(&step, &step) * dot(&change, &change)).sqrt() {
            if self.pairs.len() == PAIRS {
                self.pairs.pop_front();
            }
            self.pairs.push_back((step, change, 1.0 / product));
        }
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.pairs.clear();
    }

    /// The approximate inverse times `v`, in place; `initial` applies the given one, in place.
    pub(super) fn apply(&self, v: &mut [f64], initial: impl FnOnce(&mut [f64])) {
        let mut shares = vec![0.0; self.pairs.len()];
        for ((step, change, inverse), share) in self.pairs.iter().zip(&mut shares).rev() {
            *share = inverse * dot(step, v);
            add(v, -*share, change);
        }
        initial(v);
        for ((step, change, inverse), share) in self.pairs.iter().zip(&shares) {
            let back = inverse * dot(change, v);
            add(v, share - back, step);
        }
    }
}

/// v += factor × w.
pub(super) fn add(v: &mut [f64], factor: f64, w: &[f64]) {
    for (v, w) in v.iter_mut().zip(w) {
        *v += factor * w;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_steps_as_dimensions_make_the_inverse_exact() {
        let hessian = [4.0, 0.5, 9.0];
        let mut memory = Memory::default();
        for i in 0..3 {
            let mut step = vec![0.0; 3];
            step[i] = 0.1;
            let change = step.iter().zip(&hessian).map(|(s, h)| s * h).collect();
            memory.remember(step, change);
        }
        let mut v = vec![1.0, 1.0, 1.0];
        memory.apply(&mut v, |_| ());
        for (v, h) in v.iter().zip(&hessian) {
            assert!((v - 1.0 / h).abs() < 1e-14, "{v} against {}", 1.0 / h);
        }
    }
}
