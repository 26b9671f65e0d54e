//! ln Γ, for positive arguments.

/// Stirling's coefficients B_{2k}/(2k(2k−1)).
const STIRLING: [f64; 7] =
    [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0, 1.0 / 156.0];

/// ln Γ(x) for x > 0, to 10⁻¹⁴·(1 + |ln Γ(x)|): Stirling's series from 10 on, and below it by Γ(x+1) = xΓ(x).
pub(super) fn ln_gamma(x: f64) -> f64 {
    let (mut y, mut product) = (x, 1.0);
    while y < 10.0 {
        product *= y;
        y += 1.0;
    }
    let inverse = 1.0 / (y * y);
    let series = STIRLING.iter().rev().fold(0.0, |sum, b| sum * inverse + b) / y;
    (y - 0.5) * y.ln() - y + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - product.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_and_half_numbers_have_their_factorials() {
        let (mut whole, mut half) = (0.0f64, (std::f64::consts::PI.sqrt()).ln());
        for n in 1..600 {
            let x = f64::from(n);
            for (at, exact) in [(x, whole), (x - 0.5, half)] {
                let error = ln_gamma(at) - exact;
                assert!(error.abs() < 3e-14 * (1.0 + exact.abs()), "ln Γ({at}) is off by {error:e}");
            }
            whole += x.ln();
            half += (x - 0.5).ln();
        }
    }
}
