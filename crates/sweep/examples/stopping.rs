//! What stopping by precision does to the interval: its coverage at the point where the rule stopped, beside that of the
//! same interval at a number of trials fixed beforehand. `docs/precision.md` has the table that this prints.
//!
//!     cargo run --release -p taugrid-sweep --example stopping

use taugrid_escape::rng::{Stream, StreamKey};
use taugrid_escape::walk::{Outcome, TrialRecord};
use taugrid_sweep::{Precision, Tally};

/// The mean exit time of every law here, in steps: long, so that whole steps do not show.
const MEAN: f64 = 1e6;
const REPEATS: u64 = 20_000;

/// A law of exit times in units of their mean.
struct Law {
    name: &'static str,
    draw: fn(&mut Stream) -> f64,
    /// Trials are censored here.
    censored_at: f64,
}

fn exponential(stream: &mut Stream) -> f64 {
    -stream.uniform().ln()
}

/// Narrower than an exponential, as where exits come after few steps: the mean of four.
fn gamma(stream: &mut Stream) -> f64 {
    (0..4).map(|_| exponential(stream)).sum::<f64>() / 4.0
}

/// Wider: one trial in ten takes eleven times as long as the others; s.d. 2.35 means.
fn mixture(stream: &mut Stream) -> f64 {
    let scale = if stream.uniform() < 0.9 { 0.5 } else { 5.5 };
    scale * exponential(stream)
}

const LAWS: [Law; 5] = [
    Law { name: "exponential", draw: exponential, censored_at: f64::INFINITY },
    Law { name: "exponential, censored at the mean", draw: exponential, censored_at: 1.0 },
    Law { name: "exponential, censored at a tenth of it", draw: exponential, censored_at: 0.1 },
    Law { name: "gamma, shape 4", draw: gamma, censored_at: f64::INFINITY },
    Law { name: "mixture", draw: mixture, censored_at: f64::INFINITY },
];

impl Law {
    fn trial(&self, stream: &mut Stream) -> TrialRecord {
        let (time, end) = (((self.draw)(stream) * MEAN).ceil(), self.censored_at * MEAN);
        let (outcome, steps) = if time > end { (Outcome::Censored, end) } else { (Outcome::Exited, time) };
        TrialRecord { trial: 0, outcome, steps: steps as u64, exit_loss: 0.0, exit_radius: 0.0 }
    }

    fn grow(&self, tally: &mut Tally, trials: u64, stream: &mut Stream) {
        while tally.trials < trials {
            tally.add(&self.trial(stream));
        }
    }
}

fn holds(tally: &Tally, confidence: f64) -> bool {
    let (lower, upper) = tally.interval(confidence);
    lower.is_none_or(|lower| lower <= MEAN) && upper.is_none_or(|upper| MEAN <= upper)
}

fn main() {
    println!("| law | relative | level | trials | coverage | within `relative` | coverage, trials fixed |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (number, law) in LAWS.iter().enumerate() {
        for (relative, confidence) in [(0.05, 0.95), (0.1, 0.95), (0.2, 0.95), (0.3, 0.95), (0.5, 0.95), (0.1, 0.99)] {
            let precision = Precision { relative, confidence, min: 16, max: 10_000_000 };
            let mut stream = Stream::new(StreamKey::derive(1, number as u64), (relative * 1000.0 + confidence) as u64);
            let (mut held, mut near, mut trials) = (0, 0, 0);
            for _ in 0..REPEATS {
                let mut tally = Tally::default();
                let mut point = precision.first();
                law.grow(&mut tally, point, &mut stream);
                while !precision.is_reached(&tally) {
                    let Some(next) = precision.next(point) else { break };
                    point = next;
                    law.grow(&mut tally, point, &mut stream);
                }
                held += u64::from(holds(&tally, confidence));
                near += u64::from(tally.mean().is_some_and(|mean| (mean / MEAN - 1.0).abs() <= relative));
                trials += point;
            }
            let typical = trials / REPEATS;
            let mut fixed = 0;
            for _ in 0..REPEATS {
                let mut tally = Tally::default();
                law.grow(&mut tally, typical, &mut stream);
                fixed += u64::from(holds(&tally, confidence));
            }
            let share = |count: u64| format!("{:.1} %", 100.0 * count as f64 / REPEATS as f64);
            let level = 100.0 * confidence;
            let [held, near, fixed] = [held, near, fixed].map(share);
            println!("| {} | {relative} | {level} % | {typical} | {held} | {near} | {fixed} |", law.name);
        }
    }
}
