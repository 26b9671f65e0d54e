//! Mean exit times of diffusions: the formula of Andronov, Vitt and Pontryagin.
//!
//! The mean exit time of dX = −L'(X) dt + g dw solves (g²/2) τ'' − L' τ' = −1 with τ = 0 at the ends (J. Exp. Theor.
//! Phys. 3 (1933) 165; Gardiner, *Handbook of Stochastic Methods*, 5.5). Both solutions here are sums of positive terms
//! alone.

use super::legendre::gauss_legendre;

/// E τ of dy = −pull·y dt + noise·dw in R^d from 0, τ the first time with ‖y‖ ≥ 1; in units of time.
///
/// With κ = pull/noise², the radial equation (noise²/2)(τ'' + (d−1)τ'/r) − pull·r τ' = −1 has the solution
/// τ(0) = (2/noise²) ∫_0^1 r^{1−d} e^{κr²} ∫_0^r z^{d−1} e^{−κz²} dz dr; with z² = r²(1 − q), and r² integrated,
///
/// τ(0) = 1/(2 noise²) ∫_0^1 (1−q)^{d/2−1} (e^{κq} − 1)/(κq) dq
///      = 1/(2 noise²) Σ_{k≥0} κ^k/((k+1) (d/2)(d/2+1)⋯(d/2+k)).
///
/// The first term is 1/(d·noise²), the time without drift. To 10⁻¹³ of itself; `None` if it is no finite number.
pub(super) fn ball(dim: usize, pull: f64, noise: f64) -> Option<f64> {
    let half = 0.5 * dim as f64;
    let rate = noise * noise;
    let kappa = pull / rate;
    if !(kappa.is_finite() && kappa >= 0.0) {
        return None;
    }
    let (mut factor, mut sum, mut k) = (1.0 / half, 1.0 / half, 0.0);
    // Past κ the terms fall; and well before a million of them the sum would have overflowed.
    while k < 1e6 {
        k += 1.0;
        factor *= kappa / (half + k);
        let term = factor / (k + 1.0);
        sum += term;
        if !(term > sum * 1e-17 || k + half < kappa) {
            break;
        }
    }
    let time = 0.5 * sum / rate;
    time.is_finite().then_some(time)
}

/// Nodes of a panel, and of the part of it before a node.
const PANEL: usize = 16;
/// 2L/g² may vary by this over a panel.
const VARIATION: f64 = 4.0;
/// Panels are halved this often at most.
const DEPTH: u32 = 18;
/// Panels at most: half a second.
const MOST_PANELS: usize = 50_000;

/// E τ of dX = −L'(X) dt + `noise`·dw from `start`, τ the first time out of (`low`, `high`); in units of time.
///
/// `noise` is √ε·σ where the equation is written with √ε σ dw. With A(x) = ∫_low^x e^{2L(z)/noise²} dz,
/// B(x) the same from x to `high`, and T = A + B,
///
/// τ(x) = (2/noise²) ∫_low^high G(x, z) e^{−2L(z)/noise²} dz, G(x, z) = A(min(x, z))·B(max(x, z))/T,
///
/// in which nothing is negative. In logarithms, on panels over which 2L/noise² varies by 4 at most, sixteen nodes each:
/// to 10⁻¹⁰ of itself for any height of the barrier. L must be smooth at the scale of (`high` − `low`)/64; it may have
/// a kink at `start`. `None` if the interval does not hold the start, if 2L/noise² varies by more than about 10⁵ over
/// it, or if the result or any value of L on it is not a finite number.
///
/// ```
/// use taugrid_escape::exact::mean_exit_time_in_potential;
/// // No drift: (1 − x²)/noise².
/// let time = mean_exit_time_in_potential(|_| 0.0, 0.5, -1.0, 1.0, 0.6);
/// assert!(time.is_some_and(|time| (time - 0.64 / 0.25).abs() < 1e-12));
/// ```
pub fn mean_exit_time_in_potential(
    loss: impl Fn(f64) -> f64,
    noise: f64,
    low: f64,
    high: f64,
    start: f64,
) -> Option<f64> {
    in_potential(loss, noise, low, high, start, 1.0)
}

/// The same with `resolution` times as many panels.
fn in_potential(
    loss: impl Fn(f64) -> f64,
    noise: f64,
    low: f64,
    high: f64,
    start: f64,
    resolution: f64,
) -> Option<f64> {
    let inside = low < start && start < high && (high - low).is_finite();
    if !inside || noise.is_nan() || noise <= 0.0 {
        return None;
    }
    let exponent = |x: f64| 2.0 * loss(x) / (noise * noise);
    let base = exponent(start);
    let potential = |x: f64| exponent(x) - base;
    let mut edges = Vec::new();
    for (from, to) in [(low, start), (start, high)] {
        let coarse = (32.0 * resolution) as usize;
        for i in 0..coarse {
            let at = |i: usize| if i == coarse { to } else { from + (to - from) * i as f64 / coarse as f64 };
            split(&potential, at(i), at(i + 1), VARIATION / resolution, DEPTH, &mut edges)?;
        }
    }
    // From either end to the start: ln A or ln B there, and ln of ∫ A or B times the speed.
    let (below, inner_below) = towards(&potential, edges.iter().copied().filter(|edge| edge.1 <= start));
    let mirrored = edges.iter().rev().filter(|edge| edge.0 >= start).map(|&(from, to)| (to, from));
    let (above, inner_above) = towards(&potential, mirrored);
    let total = add(below, above);
    let time = (add(inner_below + above, inner_above + below) - total).exp() * 2.0 / (noise * noise);
    time.is_finite().then_some(time)
}

/// Panels of (`from`, `to`) over each of which the potential varies little; `None` if it is not finite somewhere, or if
/// they are too many.
fn split(
    potential: &impl Fn(f64) -> f64,
    from: f64,
    to: f64,
    variation: f64,
    depth: u32,
    out: &mut Vec<(f64, f64)>,
) -> Option<()> {
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for i in 0..=4 {
        let value = potential(from + (to - from) * 0.25 * f64::from(i));
        if !value.is_finite() {
            return None;
        }
        least = least.min(value);
        most = most.max(value);
    }
    if out.len() >= MOST_PANELS {
        return None;
    }
    if most - least <= variation || depth == 0 {
        out.push((from, to));
        return Some(());
    }
    let middle = 0.5 * (from + to);
    split(potential, from, middle, variation, depth - 1, out)?;
    split(potential, middle, to, variation, depth - 1, out)
}

/// (ln ∫ e^{U}, ln ∫ A e^{−U}) along panels that lead from an end to the start, A the first integral up to each point.
fn towards(potential: &impl Fn(f64) -> f64, panels: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let rule = gauss_legendre(PANEL);
    let (mut scale, mut inner) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (from, to) in panels {
        let mut length = f64::NEG_INFINITY;
        for (z, w) in rule.on(from.min(to), from.max(to)) {
            let here = potential(z);
            let before = rule.on(from.min(z), from.max(z)).fold(scale, |sum, (x, w)| add(sum, potential(x) + w.ln()));
            inner = add(inner, before - here + w.ln());
            length = add(length, here + w.ln());
        }
        scale = add(scale, length);
    }
    (scale, inner)
}

/// ln(eᵃ + eᵇ).
fn add(a: f64, b: f64) -> f64 {
    let (less, more) = if a < b { (a, b) } else { (b, a) };
    if less == f64::NEG_INFINITY { more } else { more + (less - more).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::super::eyring_kramers;
    use super::*;

    /// (x² − 1)²/4: minima at ±1 of curvature 2, a saddle at 0 of curvature −1, ¼ above them.
    fn double_well(x: f64) -> f64 {
        0.25 * (x * x - 1.0) * (x * x - 1.0)
    }

    #[test]
    fn without_drift_it_is_the_time_of_brownian_motion() {
        for dim in [1, 2, 3, 100, 1000] {
            let (time, exact) = (ball(dim, 0.0, 0.3).expect("finite"), 1.0 / (dim as f64 * 0.09));
            assert!((time / exact - 1.0).abs() < 1e-15, "d = {dim}");
            let drifting = ball(dim, 1e-9, 0.3).expect("finite");
            assert!(drifting > time && drifting < time * (1.0 + 1e-7), "d = {dim}");
        }
        // (x − low)(high − x)/g².
        let time = mean_exit_time_in_potential(|_| 7.0, 0.3, -1.0, 2.0, 0.5).expect("finite");
        assert!((time / (1.5 * 1.5 / 0.09) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_bowl_in_one_dimension_is_a_potential_like_any_other() {
        for (pull, noise) in [(2.0, 0.632_455_532_033_676), (1.0, 0.1), (0.3, 2.0), (1.0, 0.041)] {
            let (series, quadrature) = (
                ball(1, pull, noise).expect("finite"),
                mean_exit_time_in_potential(|x| 0.5 * pull * x * x, noise, -1.0, 1.0, 0.0).expect("finite"),
            );
            let error = quadrature / series - 1.0;
            println!("{pull} {noise}: {series:e}, quadrature off by {error:.1e}");
            assert!(error.abs() < 1e-11, "a = {pull}, b = {noise}: {series:e} against {quadrature:e}");
        }
    }

    #[test]
    fn two_dimensions_have_a_closed_form() {
        // d = 2: Σ κ^k/((k+1)(k+1)!) = ∫_0^1 (e^{κq} − 1)/(κq) dq, by Simpson's rule.
        for kappa in [0.5, 5.0, 40.0f64] {
            let value = |q: f64| if q == 0.0 { 1.0 } else { (kappa * q).exp_m1() / (kappa * q) };
            let n = 20_000;
            let sum: f64 = (0..n)
                .map(|i| {
                    let (a, h) = (f64::from(i) / f64::from(n), 1.0 / f64::from(n));
                    h / 6.0 * (value(a) + 4.0 * value(a + 0.5 * h) + value(a + h))
                })
                .sum();
            let noise = 1.0 / kappa.sqrt();
            let time = ball(2, 1.0, noise).expect("finite");
            assert!(
                (time / (0.5 * kappa * sum) - 1.0).abs() < 1e-10,
                "κ = {kappa}: {time} against {}",
                0.5 * kappa * sum
            );
        }
    }

    #[test]
    fn a_thousand_dimensions_and_what_overflows_are_told_apart() {
        // d b² = 2a·0.4: the bulk stays inside, and 700 < κ = 1250 does not overflow.
        let time = ball(1000, 1.0, (0.8f64 / 1000.0).sqrt()).expect("finite");
        assert!(time.is_finite() && time > 1e50, "{time:e}");
        assert_eq!(ball(1, 1.0, 0.02), None);
        assert_eq!(ball(1, 1.0, 0.0), None);
        assert_eq!(ball(1, -1.0, 0.5), None);
    }

    #[test]
    fn twice_as_many_panels_change_nothing() {
        for (noise, low, high, start) in [
            (0.5, -0.5, 2.0, 1.0),
            (0.1, -0.1, 2.0, 1.0),
            (0.05, 0.0, 2.5, 1.0),
            (0.3, -3.0, 3.0, -2.9),
            (0.2, -2.0, 1.5, 0.1),
        ] {
            let [once, twice] = [1.0, 2.0]
                .map(|resolution| in_potential(double_well, noise, low, high, start, resolution).expect("finite"));
            println!("{noise} {low} {high} {start}: {once:e}, off by {:.1e}", once / twice - 1.0);
            assert!((once / twice - 1.0).abs() < 1e-11, "g = {noise}: {once:e} against {twice:e}");
        }
    }

    #[test]
    fn a_wall_that_is_never_passed_and_a_cliff_are_both_seen() {
        // To the left a barrier of e^1000 times the other's height: the exit is on the right, as if nothing were there.
        let loss = |x: f64| if x < 0.0 { 40.0 * x * x } else { 0.5 * x * x };
        let walled = mean_exit_time_in_potential(loss, 0.3, -2.0, 1.0, 0.0).expect("finite");
        let reflected = ball(1, 1.0, 0.3).expect("finite");
        // It comes back from there within a tenth of the time it spends on the right: 1 + √(1/80) in all.
        assert!((walled / (reflected * (1.0 + (1.0f64 / 80.0).sqrt())) - 1.0).abs() < 0.05, "{walled} {reflected}");
    }

    #[test]
    fn eyring_and_kramers_are_right_when_the_noise_is_small() {
        let mut errors = Vec::new();
        for epsilon in [0.08, 0.04, 0.02, 0.01] {
            let noise = f64::sqrt(epsilon);
            let law = eyring_kramers(&[2.0], &[-1.0], 0.25, epsilon).expect("a minimum and a saddle");
            let beyond = mean_exit_time_in_potential(double_well, noise, -2.0, 1.0, -1.0).expect("finite");
            let saddle = mean_exit_time_in_potential(double_well, noise, -2.0, 0.0, -1.0).expect("finite");
            println!(
                "ε = {epsilon}: {beyond:e}, law/exact − 1 = {:.2e}, to the saddle {:.3}",
                law / beyond - 1.0,
                saddle / beyond
            );
            errors.push((law / beyond - 1.0).abs());
            assert!((saddle / beyond - 0.5).abs() < 0.2 * epsilon.sqrt(), "half of it to the saddle");
        }
        // O(ε).
        assert!(errors[3] < 0.01, "{errors:?}");
        assert!(errors.windows(2).all(|pair| (1.8..2.6).contains(&(pair[0] / pair[1]))), "{errors:?}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let of = |loss: fn(f64) -> f64, noise, start| mean_exit_time_in_potential(loss, noise, -1.0, 1.0, start);
        assert_eq!(of(|x| x * x, 0.0, 0.0), None);
        assert_eq!(of(|x| x * x, f64::NAN, 0.0), None);
        assert_eq!(of(|x| x * x, 0.5, 1.0), None);
        assert_eq!(of(|x| 1.0 / x, 0.5, 0.0), None);
        assert_eq!(of(|x| x * x, 0.04, 0.0), None, "e^1250");
        assert_eq!(of(|x| x * x, 1e-6, 0.0), None, "too many panels");
    }
}
