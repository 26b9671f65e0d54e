//! Quantiles of Student's t and of χ², for the intervals of means.

use statrs::distribution::{ChiSquared, ContinuousCDF, Normal, StudentsT};

/// The quantile of Student's t at `p` in ½ … 1; `freedom` ≥ 1. Beyond 1000 degrees of freedom by Cornish and Fisher's
/// expansion in 1/freedom (good to 10⁻⁹ there for usual p): statrs' inverse loses its digits as they grow, and at 10⁹ does
/// not return.
pub(crate) fn student(freedom: u64, p: f64) -> f64 {
    let degrees = freedom as f64;
    if freedom > 1000 {
        let z = normal(p);
        let first = (z.powi(3) + z) / 4.0;
        let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
        return z + first / degrees + second / (degrees * degrees);
    }
    match StudentsT::new(0.0, 1.0, degrees) {
        Ok(student) => student.inverse_cdf(p),
        // Cannot happen for a positive number of degrees of freedom; an unknown quantile is an unbounded interval.
        Err(_) => f64::INFINITY,
    }
}

/// The quantile of the standard normal law at `p`.
fn normal(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

/// The quantile of χ² at `p`; `freedom` ≥ 1.
pub(crate) fn chi_square(freedom: u64, p: f64) -> f64 {
    match ChiSquared::new(freedom as f64) {
        Ok(chi_square) => chi_square.inverse_cdf(p),
        // Cannot happen for a positive number of degrees of freedom.
        Err(_) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64, relative: f64) -> bool {
        (a - b).abs() <= relative * b.abs()
    }

    #[test]
    fn quantiles_match_the_tables() {
        assert!(close(student(9, 0.975), 2.262_157_162_8, 1e-9));
        assert!(close(student(99, 0.975), 1.984_216_952, 1e-9));
        assert!(close(student(1_000_000, 0.975), 1.959_966_357, 1e-9));
        assert!(close(student(1_000_000_000, 0.975), 1.959_963_987, 1e-9));
        assert!(close(student(1_000_000_000, 0.995), 2.575_829_304, 1e-8));
        // Where one method hands over to the other.
        assert!(close(student(1000, 0.975), 1.962_339_080_8, 1e-9));
        for p in [0.8, 0.975, 0.9995] {
            assert!(close(student(1001, p), student(1000, p), 1e-5), "{p}");
        }
        assert!(close(chi_square(2, 0.975), 7.377_758_908, 1e-9));
        assert!(close(chi_square(2, 0.025), 0.050_635_616, 1e-7));
        assert!(close(chi_square(20, 0.975), 34.169_606_9, 1e-8));
        assert!(close(chi_square(18, 0.025), 8.230_746_2, 1e-8));
    }
}
