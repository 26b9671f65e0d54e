//! Where a trial is still inside.

use crate::scale::Scale;

/// The neighbourhood D of θ* that a trial leaves (Definition 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Domain {
    /// ‖θ − θ*‖ < r/√α, or < r where it does not follow α.
    Ball {
        /// r > 0.
        radius: f64,
        /// Whether the ball shrinks with the landscape, so that α changes the sharpness alone.
        follows_alpha: bool,
    },
    /// L_αβ(θ) − L_αβ(θ*) < β·Δ. Follows α and β by itself.
    Sublevel {
        /// Δ > 0.
        depth: f64,
    },
}

/// A domain in the coordinates of one cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Boundary {
    /// The largest ‖x‖², not included.
    SquaredRadius(f64),
    /// The largest L(z) − L(θ*) of the base landscape, not included: β stands on both sides.
    BaseExcess(f64),
}

impl Domain {
    /// The boundary of D for a cell.
    pub fn boundary(self, scale: Scale) -> Boundary {
        match self {
            Self::Ball { radius, follows_alpha: true } => Boundary::SquaredRadius(radius * radius / scale.alpha),
            Self::Ball { radius, follows_alpha: false } => Boundary::SquaredRadius(radius * radius),
            Self::Sublevel { depth } => Boundary::BaseExcess(depth),
        }
    }
}

impl Boundary {
    /// Whether a value of the quantity this boundary bounds has left D: *not inside*, so that NaN has left too.
    #[inline]
    pub fn left(self, value: f64) -> bool {
        let (Self::SquaredRadius(bound) | Self::BaseExcess(bound)) = self;
        !matches!(value.partial_cmp(&bound), Some(std::cmp::Ordering::Less))
    }

    /// The same for a process in continuous time that is only looked at between steps: D is drawn in by
    /// [`GOBET_MENOZZI`] times the s.d. of a step's noise along the outward normal, to first order in the distance.
    ///
    /// `spread` is √(gᵀΣg), with Σ the covariance of the step's noise in x and g the gradient in x of the quantity that is
    /// bounded: of ½‖x‖² on a ball, which is x, and of L(z) − L(θ*) on a sublevel set.
    ///
    /// The distance is taken of a function that is linear along the normal where it can be: of ‖x‖ on a ball, and of
    /// √(L − L(θ*)) on a sublevel set, which on a quadratic is a norm. In one dimension both are exact.
    #[inline]
    pub fn left_drawn_in(self, value: f64, spread: f64) -> bool {
        // At θ* itself, where the normal has no direction.
        if spread == 0.0 {
            return self.left(value);
        }
        let shift = GOBET_MENOZZI * spread;
        let inside = match self {
            Self::SquaredRadius(bound) => value.sqrt() + shift / value.sqrt() < bound.sqrt(),
            Self::BaseExcess(bound) if value > 0.0 => {
                (value / bound).sqrt() + 0.5 * shift / (value * bound).sqrt() < 1.0
            }
            Self::BaseExcess(bound) => value + shift < bound,
        };
        !inside
    }
}

/// −ζ(½)/√(2π): by how many s.d. of a step a random walk overshoots a boundary in the mean (Gobet & Menozzi 2010,
/// "Stopped diffusion processes: boundary corrections and overshoot").
pub const GOBET_MENOZZI: f64 = 0.582_597_157_939_010_7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ball_follows_alpha_unless_told_not_to() {
        let scale = Scale { alpha: 4.0, beta: 3.0 };
        let ball = |follows_alpha| Domain::Ball { radius: 1.0, follows_alpha }.boundary(scale);
        assert_eq!(ball(true), Boundary::SquaredRadius(0.25));
        assert_eq!(ball(false), Boundary::SquaredRadius(1.0));
    }

    /// In one dimension a level set is a ball: both draw it in to the same interval, |x| < r − 0.58 σ.
    #[test]
    fn a_boundary_is_drawn_in_by_half_a_step() {
        let (h, radius, sigma) = (3.0f64, 0.5f64, 0.1f64);
        let [ball, level] = [Boundary::SquaredRadius(radius * radius), Boundary::BaseExcess(0.5 * h * radius * radius)];
        let end = radius - GOBET_MENOZZI * sigma;
        for (x, left) in [(end - 1e-12, false), (end + 1e-12, true), (0.0, false), (f64::NAN, true)] {
            assert_eq!(ball.left_drawn_in(x * x, sigma * x), left, "ball, {x}");
            assert_eq!(level.left_drawn_in(0.5 * h * x * x, sigma * h * x), left, "level, {x}");
        }
    }

    #[test]
    fn the_boundary_and_what_is_not_a_number_are_outside() {
        let boundary = Domain::Sublevel { depth: 0.5 }.boundary(Scale { alpha: 1.0, beta: 1.0 });
        for (value, left) in
            [(0.0, false), (0.5f64.next_down(), false), (0.5, true), (f64::INFINITY, true), (f64::NAN, true)]
        {
            assert_eq!(boundary.left(value), left, "{value}");
        }
    }
}
