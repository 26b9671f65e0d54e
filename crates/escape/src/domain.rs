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
}

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
