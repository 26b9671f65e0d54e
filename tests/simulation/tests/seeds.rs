//! Runs from many seeds, on all cores.
//!
//! `TAUGRID_SEEDS` says how many; `TAUGRID_SEED` that it is to be this one, and `TAUGRID_TIMES` how many times.

#![allow(clippy::expect_used)]

use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use simulation::{Manner, Story, Study, run};

/// What CI has time for.
const SEEDS: u64 = 240;
/// No more failures are shown than one can read.
const SHOWN: usize = 3;

/// A task that panics takes nobody with it: here it is to be noticed.
static PANICS: AtomicU64 = AtomicU64::new(0);

fn count_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        before(info);
    }));
}

fn environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no whole number")))
}

/// A third of the seeds is gentle.
fn manner(seed: u64) -> Manner {
    if seed.is_multiple_of(3) { Manner::Gentle } else { Manner::Rough }
}

/// What came of all runs.
#[derive(Debug, Default)]
struct Sum {
    runs: u64,
    faults: usize,
    leases: u64,
    kept: u64,
    recalls: u64,
    checkpoints: u64,
    finished: u64,
    again: u64,
    simulated: Duration,
    failures: Vec<String>,
}

impl Sum {
    fn add(&mut self, seed: u64, story: &Story) {
        let Story { plan, heard, took, wrong } = story;
        self.runs += 1;
        self.faults += plan.faults.iter().filter(|(at, _)| at < took).count();
        self.leases += heard.leases;
        self.kept += heard.kept;
        self.recalls += heard.recalls;
        self.checkpoints += heard.checkpoints;
        self.finished += heard.finished;
        self.again += heard.again;
        self.simulated += *took;
        if !wrong.is_empty() {
            self.failures.push(format!("seed {seed}, after {took:?}:\n  {}\n{plan}", shown(wrong)));
        }
    }
}

fn shown(wrong: &[String]) -> String {
    let rest = wrong.len().saturating_sub(SHOWN);
    let rest = if rest > 0 { format!("\n  and {rest} more") } else { String::new() };
    wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n  ") + &rest
}

fn attempt(study: &Study, seed: u64, manner: Manner, sum: &Mutex<Sum>) {
    let before = PANICS.load(Ordering::Relaxed);
    let story = catch_unwind(AssertUnwindSafe(|| run(study, seed, manner)));
    let mut sum = sum.lock().expect("nobody panicked");
    match story {
        Ok(story) => {
            sum.add(seed, &story);
            if PANICS.load(Ordering::Relaxed) > before {
                sum.failures.push(format!("seed {seed}, or one beside it: a task panicked, as said above"));
            }
        }
        Err(_) => sum.failures.push(format!("seed {seed} panicked, as said above")),
    }
}

#[test]
fn whatever_the_faults_the_dataset_is_the_undisturbed_one() {
    let study = Study::new();
    let seeds: Vec<u64> = match environment("TAUGRID_SEED") {
        Some(seed) => {
            // `TAUGRID_LOG` says what of it.
            taugrid_process::start_logging();
            vec![seed; environment("TAUGRID_TIMES").unwrap_or(1) as usize]
        }
        None => (0..environment("TAUGRID_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    count_panics();
    let (sum, next) = (Mutex::new(Sum::default()), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    attempt(&study, seed, manner(seed), &sum);
                }
            });
        }
    });
    let mut sum = sum.into_inner().expect("nobody panicked");
    let failures = std::mem::take(&mut sum.failures);
    println!("{sum:?}");
    for failure in failures.iter().take(SHOWN) {
        println!("{failure}");
    }
    assert!(
        failures.is_empty(),
        "{} of {} runs went wrong. Again, with the same faults at the same moments, some times over:\n  \
         TAUGRID_SEED=… TAUGRID_TIMES=20 cargo test -p taugrid-simulation -- --nocapture",
        failures.len(),
        seeds.len()
    );
}

#[test]
fn undisturbed_no_trial_is_simulated_twice() {
    let study = Study::new();
    let sum = Mutex::new(Sum::default());
    for seed in 0..3 {
        attempt(&study, seed, Manner::Undisturbed, &sum);
    }
    let sum = sum.into_inner().expect("nobody panicked");
    assert!(sum.failures.is_empty(), "{:?}", sum.failures);
    assert_eq!(sum.again, 0);
}
