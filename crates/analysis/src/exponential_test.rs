//! Are a cell's exit times exponential? Kolmogorov–Smirnov with a fitted mean (Lilliefors' case).
//!
//! Freidlin–Wentzell theory says that τ/E[τ] tends to a unit exponential (Day 1983), which is what "the escape *rate*"
//! rests on. A small p says that the cell is not there yet: a short mean, of which the first relaxation is a good
//! part, or exits by something other than a rare fluctuation. With very many trials p becomes small long before the
//! difference matters.
//!
//! **Steps.** Exit times are whole steps. An exponential time seen on whole steps is geometric, P(k* ≤ k) =
//! 1 − (1 − 1/m)^k, so that is what the steps are held against, at the steps themselves. In the limit of a long mean this
//! is the test of the exponential to the last digit; where the mean is so short that many trials tie, it stays valid but
//! is conservative (p too large), more so the shorter the mean: at a mean of a step or two it can hardly reject. A test
//! of the continuous law would reject there for no reason but the ties.
//!
//! **Censoring.** The empirical law is known up to the first censored step and compared up to there, with m the
//! estimate that counts the censored time. The null distribution is the uncensored one, so p is slightly conservative
//! under censoring; beyond a tenth censored there is no p.

/// Exits below which there is no p-value.
const MIN_EXITS: usize = 20;

/// Censored share above which there is no p-value.
const MAX_CENSORED: f64 = 0.1;

/// p-value of H0 "the exit steps are exponential", with the mean `mean` (in steps, ≥ 1) fitted to the same data; both
/// slices sorted. `None` with fewer than 20 exits or more than 10 % censored.
pub(crate) fn p_value(exits: &[u64], censored: &[u64], mean: f64) -> Option<f64> {
    let trials = exits.len() + censored.len();
    if exits.len() < MIN_EXITS || censored.len() as f64 > MAX_CENSORED * trials as f64 {
        return None;
    }
    Some(survival(modified(distance(exits, censored, mean), trials as f64), trials as f64))
}

/// D = sup |F_n(k) − F(k)| over the steps k up to the first censored one.
fn distance(exits: &[u64], censored: &[u64], mean: f64) -> f64 {
    let trials = (exits.len() + censored.len()) as f64;
    let log_stay = (-1.0 / mean).ln_1p();
    let fitted = |step: u64| if step == 0 { 0.0 } else { -(step as f64 * log_stay).exp_m1() };
    let end = censored.first().copied().unwrap_or(u64::MAX);

    let mut distance = 0.0_f64;
    let mut left = 0;
    for tie in exits.chunk_by(|a, b| a == b).take_while(|tie| tie[0] <= end) {
        // F is largest against F_n just before the jump of F_n, F_n against F just after it.
        distance = distance.max(fitted(tie[0] - 1) - left as f64 / trials);
        left += tie.len();
        distance = distance.max((left as f64 / trials - fitted(tie[0])).abs());
    }
    if let Some(&end) = censored.first() {
        distance = distance.max((left as f64 / trials - fitted(end)).abs());
    }
    distance
}

/// Stephens' (1974) modified statistic for an exponential with fitted mean, D* = (D − 0.2/n)(√n + 0.26 + 0.5/√n).
fn modified(distance: f64, n: f64) -> f64 {
    (distance - 0.2 / n) * (n.sqrt() + 0.26 + 0.5 / n.sqrt())
}

/// P(D* ≥ x) under H0 at sample size n ≥ 20.
///
/// ln(−ln(1 − P)) is fitted in x, linear in (1/x, ln x, x, x²), with terms in n^(−1/2) and n^(−1), to the distribution of
/// D* in 7·10⁷ simulated samples of n = 20, 50, 100, 400 and 2000. The form has the right shape at both ends: Gaussian
/// for large x, 1 for small x. The fit is within 0.001 of the simulated P everywhere and within 5 % of it down to
/// P = 0.001; beyond about 10⁻⁵ it is an extrapolation, good for the order of magnitude.
fn survival(x: f64, n: f64) -> f64 {
    // P > 0.998 for every n, and the fitted form is of no use at 0.
    if x < 0.3 {
        return 1.0;
    }
    let limit = -3.97785 - 0.553363 / x - 5.41289 * x.ln() + 6.71567 * x - 4.47717 * x * x;
    let root = -1.65179 - 0.238101 / x + 1.28476 * x;
    let inverse = 3.71712 - 0.501304 / x - 1.82068 * x;
    -(-(limit + root / n.sqrt() + inverse / n).exp()).exp_m1()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::Draws;

    /// Stephens (1974), Table 1 (case of the exponential): upper percentage points of D*, themselves smoothed simulations
    /// of that time: the 1 % point is at 0.9 % by ours.
    #[test]
    fn agrees_with_stephens_table() {
        for (level, point) in [(0.15, 0.926), (0.10, 0.990), (0.05, 1.094), (0.025, 1.190), (0.01, 1.308)] {
            for n in [20.0, 100.0, 1000.0, 1e6] {
                let p = survival(point, n);
                assert!((p - level).abs() < 0.15 * level, "D* = {point}, n = {n}: {p} against {level}");
            }
        }
    }

    #[test]
    fn is_a_decreasing_probability() {
        for n in [20.0, 50.0, 1000.0, 1e7] {
            let values: Vec<f64> = (0..600).map(|i| survival(f64::from(i) * 0.01, n)).collect();
            assert!(values.iter().all(|p| (0.0..=1.0).contains(p)));
            assert!(values.windows(2).all(|pair| pair[1] <= pair[0]), "n = {n}");
        }
    }

    #[test]
    fn distance_of_a_hand_made_sample() {
        // m = 2: F(1) = 1/2, F(2) = 3/4, F(3) = 7/8, F(4) = 15/16; F_n is 1/2, 3/4, 3/4, 1 there.
        assert!((distance(&[1, 1, 2, 4], &[], 2.0) - 0.125).abs() < 1e-15);
        // Censored at 3, the fourth trial is not seen, and F(3) − 3/4 is.
        assert!((distance(&[1, 1, 2], &[3], 2.0) - 0.125).abs() < 1e-15);
        assert_eq!(distance(&[1, 1, 1], &[], 1.0), 0.0);
    }

    #[test]
    fn needs_exits_and_little_censoring() {
        let exits: Vec<u64> = (1..=30).map(|i| 10 * i).collect();
        assert!(p_value(&exits, &[], 155.0).is_some());
        assert!(p_value(&exits[..19], &[], 100.0).is_none());
        assert!(p_value(&exits, &[300; 4], 195.0).is_none());
        assert!(p_value(&exits, &[300; 3], 185.0).is_some());
    }

    /// The p-values of `repeats` samples of n exponential times with mean `mean` steps, censored at `end`.
    fn p_values(n: usize, mean: f64, end: u64, repeats: u64, seed: u64) -> Vec<f64> {
        let mut draws = Draws::new(seed);
        let mut values = Vec::new();
        for _ in 0..repeats {
            let mut steps: Vec<u64> = (0..n).map(|_| draws.exponential_steps(mean)).collect();
            steps.sort_unstable();
            let exits = steps.partition_point(|&step| step <= end);
            let censored = vec![end; n - exits];
            let total = steps[..exits].iter().sum::<u64>() + end.saturating_mul(censored.len() as u64);
            values.extend(p_value(&steps[..exits], &censored, total as f64 / exits as f64));
        }
        values
    }

    fn share_below(values: &[f64], level: f64) -> f64 {
        values.iter().filter(|&&p| p < level).count() as f64 / values.len() as f64
    }

    /// H0: P(p < q) = q. 20 000 samples; 5.5 s.d. of the binomial (false alarm rate 4e-8, 8e-7 for all twenty)
    /// plus 0.0015, the fit's error.
    #[test]
    fn p_is_uniform_for_exponential_times() {
        const REPEATS: u64 = 20_000;
        for n in [20, 35, 100, 700] {
            let values = p_values(n, 1e9, u64::MAX, REPEATS, n as u64);
            for level in [0.01, 0.05, 0.25, 0.5, 0.75] {
                let share = share_below(&values, level);
                let noise = 5.5 * (level * (1.0 - level) / REPEATS as f64).sqrt() + 0.0015;
                println!("n = {n}: P(p < {level}) = {share}");
                assert!((share - level).abs() < noise, "n = {n}: P(p < {level}) = {share}");
            }
        }
    }

    /// H0: under up to 10 % of censoring, and on short means, P(p < 0.05) ≤ 0.05: at most 5.5 s.d. above it
    /// (false alarm rate 2e-8, 1e-7 for the four).
    #[test]
    fn censoring_and_ties_only_make_it_conservative() {
        const REPEATS: u64 = 20_000;
        let noise = 5.5 * (0.05_f64 * 0.95 / REPEATS as f64).sqrt() + 0.0015;
        for (n, mean, end) in
            [(200, 1e6, 2_500_000), (200, 100.0, u64::MAX), (200, 3.0, u64::MAX), (200, 1.2, u64::MAX)]
        {
            let share = share_below(&p_values(n, mean, end, REPEATS, 77), 0.05);
            println!("mean = {mean}, censored at {end}: P(p < 0.05) = {share}");
            assert!(share < 0.05 + noise, "mean = {mean}, censored at {end}: {share}");
        }
    }

    /// Power: times that are the sum of two exponentials are found out, n = 200, in each of 200 samples (the chance that
    /// one is missed is below 1e-6).
    #[test]
    fn a_gamma_law_is_found_out() {
        let mut draws = Draws::new(3);
        for _ in 0..200 {
            let mut steps: Vec<u64> =
                (0..200).map(|_| draws.exponential_steps(5e5) + draws.exponential_steps(5e5)).collect();
            steps.sort_unstable();
            let mean = steps.iter().sum::<u64>() as f64 / 200.0;
            assert!(p_value(&steps, &[], mean).is_some_and(|p| p < 0.01));
        }
    }
}
