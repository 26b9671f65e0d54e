//! Mean exit times of isotropic stable processes without drift: Getoor's formula.

use super::gamma::ln_gamma;

/// E τ = Γ(d/2) / (2^a Γ(1 + a/2) Γ((d + a)/2)) · (r² − |x|²)^{a/2} for the isotropic a-stable process X in R^d whose
/// characteristic function is e^{−t|ξ|^a}, started at distance |x| = `distance` from the centre of the ball of radius
/// r = `radius`, τ its first exit; in units of time.
///
/// R. K. Getoor, Trans. Amer. Math. Soc. 101 (1961) 75. In one dimension it is (r² − x²)^{a/2}/Γ(1 + a). At a = 2 it is
/// Brownian motion of variance 2t each way: (r² − |x|²)/(2d). The process of e^{−t σ^a |ξ|^a} is the same with a clock
/// that runs σ^a times as fast: divide by σ^a. One whose coordinates are *independent* stable processes is not
/// isotropic unless a = 2 or d = 1.
///
/// To 10⁻¹³·(1 + d/10). `None` unless 0 < a ≤ 2, d ≥ 1 and |x| < r.
pub fn levy_mean_exit_time(stability: f64, dim: usize, radius: f64, distance: f64) -> Option<f64> {
    let sound = stability > 0.0 && stability <= 2.0 && dim >= 1 && distance.abs() < radius;
    if !sound {
        return None;
    }
    let (half, d) = (0.5 * stability, dim as f64);
    let constant = ln_gamma(0.5 * d) - ln_gamma(1.0 + half) - ln_gamma(0.5 * d + half);
    // (r − |x|)(r + |x|), which keeps its digits near the boundary.
    let square = (radius - distance.abs()) * (radius + distance.abs());
    let time = constant.exp() * (0.25 * square).powf(half);
    time.is_finite().then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dimension_has_getoor_s_own_constant() {
        for a in [0.1, 0.5, 1.0, 1.3, 1.9, 2.0] {
            let time = levy_mean_exit_time(a, 1, 1.5, -0.7).expect("sound");
            let exact = (1.5f64 * 1.5 - 0.49).powf(0.5 * a) / ln_gamma(1.0 + a).exp();
            assert!((time / exact - 1.0).abs() < 1e-13, "a = {a}: {time} against {exact}");
        }
    }

    #[test]
    fn stability_two_is_brownian_motion_of_variance_two() {
        for dim in [1, 2, 3, 10, 1000] {
            let time = levy_mean_exit_time(2.0, dim, 1.0, 0.5).expect("sound");
            let exact = 0.75 / (2.0 * dim as f64);
            assert!((time / exact - 1.0).abs() < 1e-12, "d = {dim}: {time} against {exact}");
        }
    }

    #[test]
    fn the_cauchy_process_leaves_the_disc_in_two_over_pi() {
        // a = 1, d = 2: Γ(1)/(2 Γ(3/2) Γ(3/2)) = 2/π.
        let time = levy_mean_exit_time(1.0, 2, 1.0, 0.0).expect("sound");
        assert!((time - std::f64::consts::FRAC_2_PI).abs() < 1e-14);
    }

    #[test]
    fn what_starts_outside_or_has_no_law_is_refused() {
        for (a, dim, radius, x) in [
            (0.0, 1, 1.0, 0.0),
            (2.1, 1, 1.0, 0.0),
            (f64::NAN, 1, 1.0, 0.0),
            (1.5, 0, 1.0, 0.0),
            (1.5, 1, 1.0, 1.0),
            (1.5, 1, f64::NAN, 0.0),
        ] {
            assert_eq!(levy_mean_exit_time(a, dim, radius, x), None, "{a} {dim} {radius} {x}");
        }
    }
}
