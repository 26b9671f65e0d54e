//! z-scores of 10,000 trials of every exact mean under two million steps, and of the SDEs, and the rate of the steps.
//!
//! `cargo bench -p taugrid-escape --bench oracles`

use std::time::Instant;

#[path = "../tests/oracle/mod.rs"]
mod oracle;

fn main() {
    println!("{:20} {:>14} {:>14} {:>10} {:>7} {:>14}", "row", "exact", "measured", "s.e.", "z", "coord. steps/s");
    for oracle in oracle::chains().into_iter().chain(oracle::sdes(32)) {
        let began = Instant::now();
        let (mean, error) = oracle.measure(20_211_107, 10_000);
        let z = (mean - oracle.exact) / error;
        let steps = mean / oracle.unit();
        let rate = steps * 1e4 * oracle.dim as f64 / began.elapsed().as_secs_f64();
        println!("{:20} {:14.3} {mean:14.3} {error:10.3} {z:+7.2} {rate:14.3e}", oracle.id, oracle.exact);
    }
}
