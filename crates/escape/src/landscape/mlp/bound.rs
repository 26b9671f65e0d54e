//! How far θ can go before the loss can have risen by a given amount: a proof that a state is inside a sublevel set
//! without the loss over all examples.
//!
//! First, how far the outputs f can go from f*, those at θ*. φ is ReLU or tanh, both 1-Lipschitz: where a, b and c are the
//! norms of what z has of W₂, of (W₁, b₁) and of b₂, and h* = φ(W₁x + b₁) at θ*,
//!
//! ‖f − f*‖ ≤ a (‖h*‖ + b‖(x, 1)‖) + ‖W₂*‖ b‖(x, 1)‖ + c.
//!
//! Given a² + b² + c² = ρ², its root mean square over the examples is at most D = ρ √(H² + ω²X² + 1) + ρ²X/2, with
//! H = rms‖h*‖, X = rms‖(x, 1)‖ and ω the Frobenius norm of W₂*.
//!
//! Second, what that does to the mean loss M.
//!
//! *Mean squared.* √(C·M) is the root mean square of ‖f − y‖, so that by Minkowski √(C·M) ≤ √(C·M*) + D.
//!
//! *Cross-entropy.* ∂ℓ/∂f = p − onehot y with p = softmax f, whose norm is at most √2 (1 − p_y) ≤ √2: the other p_c are at
//! least 0 and sum to 1 − p_y. So M − M* ≤ √2 D. And the Hessian in f, diag p − p pᵀ, has no eigenvalue above ½ (by
//! Gershgorin: p_c(1 − p_c) + p_c Σ_{k≠c} p_k = 2p_c(1 − p_c) ≤ ½). So ℓ − ℓ* ≤ ‖∂ℓ*/∂f‖ ‖f − f*‖ + ¼‖f − f*‖², and by
//! Cauchy–Schwarz M − M* ≤ G D + ¼D² with G² the mean of 2(1 − p*_y)². As 1 − p_y = 1 − e^(−ℓ) ≤ min(1, ℓ), G² ≤ 2 min(1, M*).
//!
//! Weight decay adds at most (w/2)(‖θ*‖ + ρ)². The bounds are safe, not sharp: they let the hidden units of all examples
//! conspire, which a wide network's seldom do.

use super::loss::Loss;
use super::model::Model;

/// What the bound needs to know at θ*.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Growth {
    function: Loss,
    /// M*.
    mean: f64,
    /// √(H² + ω²X² + 1).
    linear: f64,
    /// X/2.
    quadratic: f64,
    classes: f64,
    weight_decay: f64,
    theta_norm: f64,
    /// L*.
    loss: f64,
}

impl Growth {
    /// Around `theta`, where the loss is `loss`.
    pub(super) fn at(model: &Model, theta: &[f64], loss: f64) -> Self {
        let shape = model.shape();
        let examples = model.examples();
        let square = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
        let (w1, rest) = theta.split_at(shape.inputs * shape.hidden);
        let (b1, rest) = rest.split_at(shape.hidden);
        let w2 = &rest[..shape.classes * shape.hidden];
        let (mut hidden_squares, mut input_squares) = (0.0, 0.0);
        for index in 0..examples.len() {
            let x = examples.features_of(index);
            input_squares += square(x) + 1.0;
            for (unit, b) in b1.iter().enumerate() {
                let a = x.iter().enumerate().fold(*b, |a, (i, x)| a + x * w1[i * shape.hidden + unit]);
                hidden_squares += model.activation().value(a).powi(2);
            }
        }
        let count = examples.len() as f64;
        let (theta_square, weight_decay) = (square(theta), model.weight_decay());
        Self {
            function: model.loss_function(),
            mean: (loss - 0.5 * weight_decay * theta_square).max(0.0),
            linear: (hidden_squares / count + square(w2) * input_squares / count + 1.0).sqrt(),
            quadratic: 0.5 * (input_squares / count).sqrt(),
            classes: shape.classes as f64,
            weight_decay,
            theta_norm: theta_square.sqrt(),
            loss,
        }
    }

    /// The most that M can be at ‖z‖ = ρ.
    fn most_mean(&self, rho: f64) -> f64 {
        let outputs = rho * (self.linear + rho * self.quadratic);
        match self.function {
            Loss::MeanSquared => {
                let residual = (self.classes * self.mean).sqrt() + outputs;
                residual * residual / self.classes
            }
            Loss::CrossEntropy => {
                let slope = (2.0 * self.mean.min(1.0)).sqrt();
                self.mean + outputs * (slope + 0.25 * outputs).min(std::f64::consts::SQRT_2)
            }
        }
    }

    /// The most that L can have risen at ‖z‖ = ρ.
    fn most(&self, rho: f64) -> f64 {
        self.most_mean(rho) + 0.5 * self.weight_decay * (self.theta_norm + rho).powi(2) - self.loss
    }

    /// A ρ such that L(θ* + z) − L(θ*) < `excess` for all ‖z‖ < ρ; 0 if there is none.
    pub(super) fn safe_radius(&self, excess: f64) -> f64 {
        // D there is at least this, which alone makes M rise by `excess` or more: all above is left out of the search.
        let outputs = match self.function {
            Loss::MeanSquared => (excess * self.classes).sqrt(),
            Loss::CrossEntropy => (2.0 * excess.sqrt()).max(excess / std::f64::consts::SQRT_2),
        };
        let (mut low, mut high) = (0.0, outputs / self.linear);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if self.most(middle) < excess { low = middle } else { high = middle }
        }
        // What rounding in f32 could add to the norm or take from the loss is far below this.
        0.999 * low
    }
}
