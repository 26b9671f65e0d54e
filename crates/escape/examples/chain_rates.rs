//! Rates of the network's chains on one thread, and the share of the machine's peak.
//!
//! `cargo run -p taugrid-escape --release --example chain_rates [w2|w2tanh|w3|w4|w4tanh] [batch size]`; `SECONDS_EACH`
//! says how long each takes, `TAUGRID_ISA` on which instruction set.

#![expect(clippy::expect_used, reason = "an example that measures")]

use std::sync::Arc;
use std::time::Instant;

use taugrid_escape::data::Examples;
use taugrid_escape::landscape::mlp::chain::{Chain, Network, Pace};
use taugrid_escape::landscape::mlp::{Activation, Model, Shape};
use taugrid_escape::simd::{Isa, peak};

/// SplitMix64.
struct Words(u64);

impl Words {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| (self.word() >> 11) as f64 / (1_u64 << 53) as f64).sum::<f64>() - 6.0
    }

    fn fill(&mut self, examples: u64, batch: &mut [u32]) {
        batch.fill_with(|| ((self.word() >> 32).wrapping_mul(examples) >> 32) as u32);
    }
}

fn network(hidden: usize, activation: Activation) -> Network {
    let mut words = Words(1);
    let shape = Shape { inputs: 10, hidden, classes: 12 };
    let inputs = (0..10_430 * 10).map(|_| words.normal()).collect();
    let labels = (0..10_430).map(|_| (words.word() % 12) as u32).collect();
    let examples = Examples::new(inputs, labels, 10, 12).expect("valid");
    let theta = shape.initial_parameters(|| (words.word() >> 11) as f64 / (1_u64 << 53) as f64);
    let model = Model::new(shape, activation, 0.0, Arc::new(examples)).expect("valid");
    Network::around(&model, &theta)
}

/// The best and the median rate over many windows, short enough for some to pass undisturbed by what else the machine
/// is doing.
fn rates(seconds: f64, mut run: impl FnMut(u64) -> u64) -> (f64, f64) {
    const WINDOW: f64 = 1.5e-3;
    let (end, mut count, mut rates) = (Instant::now(), 1, Vec::new());
    while end.elapsed().as_secs_f64() < seconds || rates.len() < 3 {
        let began = Instant::now();
        let done = run(count);
        let elapsed = began.elapsed().as_secs_f64();
        if elapsed > 0.5 * WINDOW {
            rates.push(done as f64 / elapsed);
        }
        count = ((WINDOW / elapsed * count as f64) as u64).clamp(1, 2 * count);
    }
    rates.sort_by(f64::total_cmp);
    (rates[rates.len() - 1], rates[rates.len() / 2])
}

fn report(name: &str, network: &Network, isa: Isa, batch: usize, seconds: f64, run: impl FnMut(u64) -> u64) {
    let (peak, _) = rates(0.3, |rounds| peak::multiply_adds(isa, rounds * 1000));
    let (best, median) = rates(seconds, run);
    let share = (network.operations() * batch as u64) as f64 / peak * 100.0;
    println!(
        "{name:8} {isa} B = {batch:<6} {best:12.1} steps/s (median {median:12.1}) {:6.1} % (median {:5.1} %) of {:.1} GFLOP/s",
        share * best,
        share * median,
        peak / 1e9
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let workload = arguments.next().unwrap_or_default();
    let only: Option<usize> = arguments.next().and_then(|b| b.parse().ok());
    let isa = Isa::current();
    let wanted = |name: &str, b: usize| (workload.is_empty() || workload == name) && only.is_none_or(|o| o == b);
    let seconds: f64 = std::env::var("SECONDS_EACH").map_or(2.0, |s| s.parse().unwrap_or(2.0));
    for (name, hidden, activation, sizes) in [
        ("w2", 5000, Activation::Relu, &[1, 2, 5, 10, 50, 100, 500][..]),
        ("w2tanh", 5000, Activation::Tanh, &[10, 100][..]),
        ("w4", 50, Activation::Relu, &[1, 10, 100][..]),
        ("w4tanh", 50, Activation::Tanh, &[1, 10][..]),
    ] {
        for &batch_size in sizes.iter().filter(|&&b| wanted(name, b)) {
            let network = network(hidden, activation);
            let chains = if hidden == 50 { 256 } else { 1 };
            let mut chains = vec![Chain::new(&network, isa); chains];
            let (mut words, mut next) = (Words(2), 0);
            report(name, &network, isa, batch_size, seconds, |steps| {
                // A chain after the other, a thousand steps each.
                let pace = Pace { steps: steps.min(1000), batch_size, drift: 1e-3, bound: f64::INFINITY };
                let mut done = 0;
                while done < steps {
                    next = (next + 1) % chains.len();
                    done += chains[next].walk(pace, &mut |batch| words.fill(10_430, batch)).steps;
                }
                done
            });
        }
    }
    if wanted("w3", 10_430) {
        let network = network(5000, Activation::Relu);
        let mut chain = Chain::new(&network, isa);
        let weights = vec![1.0 / 10_430.0; 10_430];
        report("w3", &network, isa, 10_430, seconds, |steps| {
            let distances = (0..steps).map(|_| chain.weighted_step(&weights, 1e-3));
            std::hint::black_box(distances.sum::<f64>());
            steps
        });
    }
}
