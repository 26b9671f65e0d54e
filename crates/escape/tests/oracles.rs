//! Measured mean exit steps and times against exact ones.

mod oracle;

/// H0: the exact mean is the mean of the measured exit steps. n = 10,000 trials a row. |z| > 4.5 happens by chance with
/// probability 6.8e-6 a row for a normal mean; with the fixed seed, a run that passes once passes always.
///
/// One row of over a million steps is left to `cargo bench --bench oracles`, which prints all of them.
#[test]
fn the_exact_means_lie_within_four_and_a_half_standard_errors() {
    let oracles: Vec<_> =
        oracle::chains().into_iter().filter(|oracle| oracle.exact * oracle.dim as f64 <= 2e5).collect();
    assert!(oracles.len() >= 8, "only {} rows of exact.json are covered", oracles.len());
    for oracle in oracles {
        let (mean, error) = oracle.measure(20_211_107, 10_000);
        let z = (mean - oracle.exact) / error;
        println!("{:20} exact {:12.2} measured {mean:12.2} ± {error:8.2}  z = {z:+.2}", oracle.id, oracle.exact);
        assert!(z.abs() < 4.5, "{}: measured {mean} ± {error}, exact {}, z = {z}", oracle.id, oracle.exact);
    }
}

/// The measured mean exit time of an SDE is within 2 % of the exact one at 32 steps in a time of η. n = 100,000 trials: the
/// standard error is 0.32 % of the mean, the bias that is left about as much, so that 2 % is 5 s.d. of chance away from
/// it (6e-7 a row); and the seed is fixed.
#[test]
fn exit_times_of_sdes_are_within_two_per_cent() {
    let oracles = oracle::sdes(32);
    assert_eq!(oracles.len(), 3, "rows of exact.json");
    for oracle in oracles {
        let (mean, error) = oracle.measure(20_211_107, 100_000);
        let ratio = mean / oracle.exact;
        println!("{:20} exact {:9.4} measured {mean:9.4} ± {error:.4}, ratio {ratio:.4}", oracle.id, oracle.exact);
        assert!((ratio - 1.0).abs() < 0.02, "{}: {mean} ± {error}, exact {}", oracle.id, oracle.exact);
    }
}
