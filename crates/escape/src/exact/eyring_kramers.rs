//! The Eyring–Kramers law: mean times of transition over a saddle, when the noise is small.

/// E τ ≈ (2π/|λ_−|) √(|λ_−| Π_{i≥2} λ_i(saddle) / Π_i λ_i(minimum)) · exp(2·barrier/ε) for dX = −∇L dt + √ε dw; in
/// units of time.
///
/// `minimum` and `saddle` are the eigenvalues of the Hessian of L at either, `barrier` = L(saddle) − L(minimum), and τ
/// is the time from the minimum to a small neighbourhood of the minimum *beyond* the saddle. In one dimension the law
/// reads 2π/√(|L''(saddle)| L''(minimum)) · e^{2ΔL/ε}.
///
/// **Convention.** The literature writes dX = −∇L dt + √(2ε') dw and has e^{ΔL/ε'} (Bovier, Eckhoff, Gayrard, Klein, J.
/// Eur. Math. Soc. 6 (2004) 399, Theorem 3.2); ε = 2ε'. With SGD's noise, C = I, ε = η/B. The law is exact as ε → 0,
/// with a relative error O(ε) where L is smooth. To reach the saddle itself takes half of it on average: from there
/// half the paths fall back. Where there are several lowest saddles, the rates 1/E τ add up. It knows of no boundary
/// but a saddle: it says nothing of the exit from a ball or a sublevel set.
///
/// `None` unless all eigenvalues of the minimum are positive, exactly one of the saddle's is negative and none 0, there
/// are as many of either, and the result is a finite number.
///
/// ```
/// use taugrid_escape::exact::eyring_kramers;
/// // L = (x² − 1)²/4: curvature 2 at the minima, −1 at 0, barrier ¼.
/// let time = eyring_kramers(&[2.0], &[-1.0], 0.25, 0.1);
/// assert!(time.is_some_and(|time| (time - 2.0 * std::f64::consts::PI / 2f64.sqrt() * 5f64.exp()).abs() < 1e-9));
/// ```
pub fn eyring_kramers(minimum: &[f64], saddle: &[f64], barrier: f64, epsilon: f64) -> Option<f64> {
    let mut unstable = saddle.iter().filter(|&&h| h < 0.0);
    let (downhill, more) = (unstable.next()?.abs(), unstable.next());
    let sound = minimum.len() == saddle.len()
        && more.is_none()
        && minimum.iter().all(|&h| h > 0.0)
        && saddle.iter().all(|&h| h != 0.0)
        && epsilon > 0.0;
    if !sound {
        return None;
    }
    let ln_det = |eigenvalues: &[f64]| eigenvalues.iter().map(|h| h.abs().ln()).sum::<f64>();
    let prefactor = 2.0 * std::f64::consts::PI / downhill;
    let time = prefactor * (0.5 * (ln_det(saddle) - ln_det(minimum)) + 2.0 * barrier / epsilon).exp();
    time.is_finite().then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transverse_directions_enter_by_their_ratio() {
        let line = eyring_kramers(&[2.0], &[-1.0], 0.25, 0.1).expect("sound");
        let plane = eyring_kramers(&[9.0, 2.0], &[4.0, -1.0], 0.25, 0.1).expect("sound");
        assert!((plane / line - 2.0 / 3.0).abs() < 1e-14);
        // A thousand of them, whose determinants overflow.
        let (mut minimum, mut saddle) = (vec![1e3; 1000], vec![1e3; 1000]);
        minimum.push(2.0);
        saddle.push(-1.0);
        let many = eyring_kramers(&minimum, &saddle, 0.25, 0.1).expect("sound");
        assert!((many / line - 1.0).abs() < 1e-11);
    }

    #[test]
    fn what_is_no_minimum_or_no_saddle_is_refused() {
        for (minimum, saddle, epsilon) in [
            (&[1.0][..], &[1.0][..], 0.1),
            (&[1.0, 1.0], &[-1.0, -1.0], 0.1),
            (&[1.0, 1.0], &[-1.0], 0.1),
            (&[1.0, 0.0], &[-1.0, 1.0], 0.1),
            (&[1.0, 1.0], &[-1.0, 0.0], 0.1),
            (&[1.0], &[-1.0], 0.0),
            (&[1.0], &[-1.0], f64::NAN),
            (&[f64::NAN], &[-1.0], 0.1),
            (&[], &[], 0.1),
            (&[1.0], &[-1.0], 1e-9),
        ] {
            assert_eq!(eyring_kramers(minimum, saddle, 0.25, epsilon), None, "{minimum:?} {saddle:?} {epsilon}");
        }
    }
}
