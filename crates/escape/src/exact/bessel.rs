//! The modified Bessel function of a noncentral chi law, in logarithms, of any order and argument.

/// Orders from here on are left to Debye's expansion as they are.
const ASYMPTOTIC: f64 = 25.0;
/// Terms of the expansion: the first left out is below 10⁻¹⁵ at that order.
const TERMS: usize = 12;

/// ln [e^{−z} (2/z)^ν I_ν(z)] for one ν ≥ −½; finite at z = 0, where it is −ln Γ(ν+1).
///
/// Debye's expansion (DLMF 10.41.3), uniform in z, at an order μ = ν + n ≥ 25; from there down by I_{ν−1} = I_{ν+1} +
/// (2ν/z) I_ν, which for J_ν = (2/z)^ν I_ν reads J_{ν−1} = (z/2)² J_{ν+1} + ν J_ν: no term is negative, so that nothing
/// cancels. Absolute error of the logarithm below 10⁻¹³·(1 + ν/50).
#[derive(Debug, Clone)]
pub(super) struct ScaledBessel {
    order: f64,
    steps: u32,
    /// U_k(p) = p^k · Σ_j terms[k][j] p^{2j} (DLMF 10.41.10).
    terms: Vec<Vec<f64>>,
}

impl ScaledBessel {
    /// Of order `order` ≥ −½.
    pub(super) fn new(order: f64) -> Self {
        let steps = (ASYMPTOTIC - order).ceil().max(0.0) as u32;
        let mut terms = vec![vec![1.0]];
        for k in 0..TERMS - 1 {
            // DLMF 10.41.9, one power of p at a time.
            let mut next = vec![0.0; k + 2];
            for (j, a) in terms[k].iter().enumerate() {
                let m = (k + 2 * j) as f64;
                next[j] += a * (0.5 * m + 0.125 / (m + 1.0));
                next[j + 1] -= a * (0.5 * m + 0.625 / (m + 3.0));
            }
            terms.push(next);
        }
        Self { order, steps, terms }
    }

    /// Its value at z ≥ 0.
    pub(super) fn ln(&self, z: f64) -> f64 {
        let mut order = self.order + f64::from(self.steps);
        let top = self.debye(order, z);
        if self.steps == 0 {
            return top;
        }
        // J at the order and at the next one above, in units of e^log.
        let (mut here, mut above, mut log) = (1.0, (self.debye(order + 1.0, z) - top).exp(), top);
        let quarter = 0.25 * z * z;
        for _ in 0..self.steps {
            (here, above) = (quarter * above + order * here, here);
            order -= 1.0;
            if here > 1e100 {
                here *= 1e-100;
                above *= 1e-100;
                log += 100.0 * std::f64::consts::LN_10;
            }
        }
        log + here.ln()
    }

    fn debye(&self, order: f64, z: f64) -> f64 {
        let root = order.hypot(z);
        let p2 = (order / root) * (order / root);
        let sum = self.terms.iter().rev().fold(0.0, |sum, term| {
            let polynomial = term.iter().rev().fold(0.0, |value, a| value * p2 + a);
            sum / root + polynomial
        });
        order * order / (root + z)
            - order * (0.5 * (order + root)).ln()
            - 0.5 * (2.0 * std::f64::consts::PI * root).ln()
            + sum.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::super::gamma::ln_gamma;
    use super::*;

    #[test]
    fn the_argument_zero_gives_the_gamma_function() {
        for twice in (-1..60).chain([200, 998, 1998]) {
            let order = f64::from(twice) * 0.5;
            let error = ScaledBessel::new(order).ln(0.0) + ln_gamma(order + 1.0);
            assert!(error.abs() < 1e-13 * (1.0 + order / 50.0), "order {order} is off by {error:e}");
        }
    }

    #[test]
    fn half_an_order_is_a_hyperbolic_function() {
        for z in [1e-3f64, 0.1, 1.0, 5.0, 30.0, 300.0, 1e4, 1e6] {
            // I_{−1/2} = √(2/(πz)) cosh z and I_{1/2} = √(2/(πz)) sinh z.
            let scale = -0.5 * std::f64::consts::PI.ln();
            let cosh = (0.5 + 0.5 * (-2.0 * z).exp()).ln() + scale;
            let sinh = (-(-2.0 * z).exp_m1() / z).ln() + scale;
            for (order, exact) in [(-0.5, cosh), (0.5, sinh)] {
                let error = ScaledBessel::new(order).ln(z) - exact;
                assert!(error.abs() < 1e-13, "order {order} at {z} is off by {error:e}");
            }
        }
    }

    #[test]
    fn orders_and_arguments_across_the_range_agree_with_thirty_digits() {
        // (ν, z, value), mpmath.
        for (order, z, exact) in [
            (0.0, 0.5, -0.438_450_280_814_518_7),
            (0.0, 7.0, -1.872_507_084_917_151_2),
            (0.0, 40.0, -2.760_213_138_647_643_4),
            (0.0, 900.0, -4.319_996_948_727_984),
            (0.0, 50000.0, -6.328_825_175_384_813_5),
            (1.0, 0.5, -0.468_911_085_905_443_84),
            (1.0, 7.0, -3.202_656_397_319_366_5),
            (1.0, 40.0, -5.768_605_371_033_505),
            (1.0, 900.0, -10.429_800_396_004_715),
            (1.0, 50000.0, -16.455_466_279_335_152),
            (4.0, 0.5, -3.665_566_820_272_833_3),
            (4.0, 7.0, -8.079_152_706_775_847),
            (4.0, 40.0, -14.945_533_281_132_304),
            (4.0, 900.0, -28.765_881_098_220_092),
            (4.0, 50000.0, -46.835_509_592_386_12),
            (8.5, 0.5, -12.182_756_532_932_025),
            (8.5, 7.0, -17.469_111_299_518_083),
            (8.5, 40.0, -29.135_050_689_464_386),
            (8.5, 900.0, -56.288_762_318_039_69),
            (8.5, 50000.0, -92.405_912_065_336_1),
            (24.0, 0.5, -55.282_229_518_289_79),
            (24.0, 7.0, -61.299_238_535_814_45),
            (24.0, 40.0, -81.740_516_306_684_95),
            (24.0, 900.0, -151.262_097_904_926_1),
            (24.0, 50000.0, -249.373_731_725_283_56),
            (25.0, 0.5, -58.501_201_483_823_245),
            (25.0, 7.0, -64.536_472_729_823_43),
            (25.0, 40.0, -85.321_409_235_038_94),
            (25.0, 900.0, -157.398_579_477_920_35),
            (25.0, 50000.0, -259.500_852_834_014_4),
            (49.0, 0.5, -145.064_493_961_663_03),
            (49.0, 7.0, -151.321_328_761_714_57),
            (49.0, 40.0, -177.092_063_543_338_44),
            (49.0, 900.0, -305.007_429_036_515_7),
            (49.0, 50000.0, -502.557_759_502_234_83),
            (499.0, 0.5, -2_605.615_725_361_749_4),
            (499.0, 7.0, -2_612.091_350_960_746_7),
            (499.0, 40.0, -2_644.316_487_731_143_8),
            (499.0, 900.0, -3_187.980_045_921_346),
            (499.0, 50000.0, -5_062.007_760_229_554),
            (999.0, 0.5, -5_905.720_360_709_183),
            (999.0, 7.0, -5_912.208_173_284_136),
            (999.0, 40.0, -5_944.820_503_086_754),
            (999.0, 900.0, -6_619.139_815_156_577),
            (999.0, 50000.0, -10_132.813_075_741_975),
        ] {
            let error: f64 = ScaledBessel::new(order).ln(z) - exact;
            assert!(error.abs() < 1e-13 * (1.0 + order / 50.0), "order {order} at {z} is off by {error:e}");
        }
    }
}
