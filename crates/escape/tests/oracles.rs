//! Measured mean exit steps against exact ones.

mod oracle;

/// H0: the exact mean is the mean of the measured exit steps. n = 10,000 trials a row. |z| > 4.5 happens by chance with
/// probability 6.8e-6 a row for a normal mean; with the fixed seed, a run that passes once passes always.
///
/// One row of over a million steps is left to `cargo bench --bench oracles`, which prints all of them.
#[test]
fn the_exact_means_lie_within_four_and_a_half_standard_errors() {
    let oracles: Vec<_> =
        oracle::oracles().into_iter().filter(|oracle| oracle.exact * oracle.dim as f64 <= 2e5).collect();
    assert!(oracles.len() >= 8, "only {} rows of exact.json are covered", oracles.len());
    for oracle in oracles {
        let (mean, error) = oracle.measure(20_211_107, 10_000);
        let z = (mean - oracle.exact) / error;
        println!("{:20} exact {:12.2} measured {mean:12.2} ± {error:8.2}  z = {z:+.2}", oracle.id, oracle.exact);
        assert!(z.abs() < 4.5, "{}: measured {mean} ± {error}, exact {}, z = {z}", oracle.id, oracle.exact);
    }
}
