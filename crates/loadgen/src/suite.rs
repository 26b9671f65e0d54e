//! All measurements, in order.

use std::sync::atomic::Ordering;
use std::time::Duration;

use taugrid_wire::MOST_LEASES;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::LoadError;
use crate::coordinator::{Coordinator, Stage, program};
use crate::crowd::Crowd;
use crate::measurement::Measurement;
use crate::recovery;
use crate::worker::{Manner, Tally};

/// What is measured.
#[derive(Debug, Clone)]
pub struct Options {
    /// Workers: one series of measurements for each number.
    pub workers: Vec<usize>,
    /// Of each measurement.
    pub time: Duration,
    /// Whether connections are encrypted.
    pub tls: bool,
}

/// Shards that all workers together finish in a second while latencies are measured: far from what bounds the coordinator.
const PACED: f64 = 2_000.0;
/// Rows of the measurement of rows.
const ROWS: u64 = 10_000_000;
/// Small cells in a sweep: a hundred values of three parameters.
const CELLS: u64 = 1_000_000;
/// Trials of small cells: as many as fill a lane, and one; and what the figures are called.
const SMALL_CELLS: [(u64, [&str; 2]); 2] = [
    (16, ["shards of small cells, 16 trials each", "coordinator's processor time for each of those"]),
    (1, ["shards of small cells, one trial each", "coordinator's processor time for each of these"]),
];
/// Trials of a sweep that comes to no end.
const ENDLESS: u64 = 1_000_000_000_000;

/// Measures, and gives each figure as it comes; `began` hears what begins.
pub async fn run(
    options: &Options,
    began: &mut dyn FnMut(&str),
    measured: &mut dyn FnMut(Measurement),
) -> Result<(), LoadError> {
    let mut suite = Suite { options, began, measured };
    for workers in &options.workers {
        suite.shards(*workers).await?;
        suite.small_cells(*workers).await?;
        suite.idle(*workers).await?;
        suite.latency(*workers).await?;
    }
    suite.rows().await?;
    suite.queue().await?;
    suite.recovery().await
}

struct Suite<'a> {
    options: &'a Options,
    began: &'a mut dyn FnMut(&str),
    measured: &'a mut dyn FnMut(Measurement),
}

/// A sweep of one cell.
fn one_cell(trials: u64) -> String {
    sweep("{alpha: [1], eta: [0.1], batch_size: [1]}", trials)
}

/// A sweep of [`CELLS`] cells.
fn small_cells(trials: u64) -> String {
    let axis = |from| format!("{{from: {from}, to: {}, points: 100, spacing: log}}", 4.0 * from);
    sweep(&format!("{{alpha: {}, beta: {}, eta: {}, batch_size: [1]}}", axis(1.0), axis(1.0), axis(0.01)), trials)
}

fn sweep(grid: &str, trials: u64) -> String {
    format!(
        "name: load\nseed: 1\nlandscape: {{kind: quadratic, eigenvalues: [1.0]}}\ndomain: {{kind: sublevel, depth: 0.5}}\n\
         dynamics: {{kind: gaussian-sgd, covariance: hessian}}\ngrid: {grid}\ntrials: {trials}\nmax_steps: 1_000_000\n"
    )
}

impl Suite<'_> {
    fn stage(&self, sweep: &str) -> Result<Stage, LoadError> {
        Stage::new(sweep, program("taugrid-coordinator")?, self.options.tls)
    }

    fn add(&mut self, name: &'static str, workers: usize, value: f64, unit: &'static str) {
        (self.measured)(Measurement { name, workers, value, unit, tls: self.options.tls });
    }

    /// As many shards as the coordinator can give and take: each worker ends its leases as they come.
    async fn shards(&mut self, workers: usize) -> Result<(), LoadError> {
        (self.began)(&format!("shards of no work, {workers} workers"));
        // A second a trial: the smallest shards that there are of one cell, and so one at a time.
        let manner = Manner::at_once(Duration::from_secs(1));
        let taken = self.flood(&one_cell(ENDLESS), u64::MAX, workers, &manner).await?;
        self.add("shards, one at a time", workers, taken.leases / taken.seconds, "1/s");
        self.add("rows of those shards, durable", workers, taken.rows / taken.seconds, "1/s");
        self.add("coordinator's processor time a shard", workers, 1e6 * taken.cpu / taken.leases.max(1.0), "µs");
        self.add("coordinator's memory", workers, taken.resident / 1e6, "MB");
        Ok(())
    }

    /// The same with a million small cells: a node is given many of them, and ends many together.
    async fn small_cells(&mut self, workers: usize) -> Result<(), LoadError> {
        if workers * MOST_LEASES > CELLS as usize / 2 {
            // They would take them all as they come, and nothing would be left to measure.
            return Ok(());
        }
        for (trials, [shards, cpu]) in SMALL_CELLS {
            (self.began)(&format!("a million cells of {trials} trials, {workers} workers"));
            let manner = Manner { threads: 16, ..Manner::at_once(Duration::from_micros(10)) };
            let taken = self.flood(&small_cells(trials), CELLS, workers, &manner).await?;
            self.add(shards, workers, taken.leases / taken.seconds, "1/s");
            self.add(cpu, workers, 1e6 * taken.cpu / taken.leases.max(1.0), "µs");
        }
        Ok(())
    }

    /// What a coordinator takes of a sweep of so many `leases`, while there are leases to give.
    async fn flood(&mut self, sweep: &str, leases: u64, workers: usize, manner: &Manner) -> Result<Taken, LoadError> {
        let stage = self.stage(sweep)?;
        let coordinator = stage.start().await?;
        let crowd = Crowd::gather(coordinator.target(), workers, manner, None).await?;
        // Until what shards cost is learnt.
        sleep(self.options.time / 4).await;
        let window = Window::open(&coordinator, &crowd.tally)?;
        let opened = Instant::now();
        while opened.elapsed() < self.options.time && crowd.tally.leases.load(Ordering::Relaxed) < leases / 10 * 9 {
            sleep(Duration::from_millis(10)).await;
        }
        let taken = window.close(&coordinator, &crowd.tally)?;
        drop(crowd);
        coordinator.kill().await?;
        Ok(taken)
    }

    /// What workers take that have nothing to do.
    async fn idle(&mut self, workers: usize) -> Result<(), LoadError> {
        (self.began)(&format!("{workers} idle workers"));
        let stage = self.stage(&one_cell(1))?;
        let coordinator = stage.start().await?;
        let keeps = Manner::idle();
        // Who comes first has the only trial, and the others wait.
        let first = Crowd::gather(coordinator.target(), 1, &keeps, None).await?;
        sleep(Duration::from_millis(500)).await;
        let before = coordinator.usage()?;
        let began = Instant::now();
        let others = Manner { first_identity: 2, ..keeps };
        let crowd = Crowd::gather(coordinator.target(), workers, &others, None).await?;
        self.add("workers that come", workers, workers as f64 / began.elapsed().as_secs_f64(), "1/s");
        // A heartbeat of each, and then a while of nothing else.
        sleep(Duration::from_secs(3)).await;
        let settled = coordinator.usage()?;
        sleep(self.options.time).await;
        let after = coordinator.usage()?;
        let memory = after.resident.saturating_sub(before.resident) as f64;
        self.add("memory an idle worker", workers, memory / 1e3 / workers as f64, "kB");
        let busy = after.cpu.saturating_sub(settled.cpu).as_secs_f64() / self.options.time.as_secs_f64();
        self.add("coordinator's processors while all are idle", workers, busy, "cores");
        drop((crowd, first));
        coordinator.kill().await
    }

    /// From the end of a lease to the next one.
    async fn latency(&mut self, workers: usize) -> Result<(), LoadError> {
        (self.began)(&format!("leases to {workers} workers, {PACED} a second in all"));
        let stage = self.stage(&one_cell(ENDLESS))?;
        let coordinator = stage.start().await?;
        let pace = Duration::from_secs_f64(workers as f64 / PACED);
        let manner = Manner::paced(pace, Duration::from_secs(1));
        let (sender, mut latencies) = mpsc::unbounded_channel();
        let crowd = Crowd::gather(coordinator.target(), workers, &manner, Some(sender)).await?;
        // Until all of them have come to their pace.
        sleep(2 * pace + Duration::from_secs(1)).await;
        while latencies.try_recv().is_ok() {}
        let window = Window::open(&coordinator, &crowd.tally)?;
        sleep(self.options.time.max(pace)).await;
        let taken = window.close(&coordinator, &crowd.tally)?;
        let mut micros = Vec::new();
        while let Ok(latency) = latencies.try_recv() {
            micros.push(latency);
        }
        micros.sort_unstable();
        let at = |share: f64| micros.get(((micros.len() as f64 * share) as usize).min(micros.len().max(1) - 1));
        let millis = |share: f64| at(share).map_or(f64::NAN, |micros| f64::from(*micros) / 1e3);
        self.add("leases at an even pace", workers, taken.leases / taken.seconds, "1/s");
        self.add("from a lease's end to the next lease, median", workers, millis(0.5), "ms");
        self.add("from a lease's end to the next lease, p99", workers, millis(0.99), "ms");
        self.add("coordinator's processor time a lease", workers, 1e6 * taken.cpu / taken.leases.max(1.0), "µs");
        drop(crowd);
        coordinator.kill().await
    }

    /// Large shards: how fast rows come into Parquet, with the compaction and apart from it.
    async fn rows(&mut self) -> Result<(), LoadError> {
        const WORKERS: usize = 2;
        (self.began)("rows into Parquet");
        let stage = self.stage(&one_cell(ROWS))?;
        let coordinator = stage.start().await?;
        let manner = Manner::at_once(Duration::from_micros(10));
        let began = Instant::now();
        let crowd = Crowd::gather(coordinator.target(), WORKERS, &manner, None).await?;
        let cpu_before = coordinator.usage()?.cpu;
        let mut cpu = cpu_before;
        while crowd.tally.durable.load(Ordering::Relaxed) < ROWS {
            sleep(Duration::from_millis(5)).await;
            cpu = coordinator.usage().map_or(cpu, |usage| usage.cpu);
        }
        let durable = began.elapsed().as_secs_f64();
        crowd.end().await?;
        coordinator.end().await?;
        self.add("rows, durable", WORKERS, ROWS as f64 / durable, "1/s");
        self.add("rows, durable and compacted", WORKERS, ROWS as f64 / began.elapsed().as_secs_f64(), "1/s");
        let cpu = cpu.saturating_sub(cpu_before).as_secs_f64();
        self.add("coordinator's processor time a row", WORKERS, 1e6 * cpu / ROWS as f64, "µs");
        Ok(())
    }

    /// What a queue of trials takes that have not begun.
    async fn queue(&mut self) -> Result<(), LoadError> {
        (self.began)("a billion trials in the queue");
        let (small, large) = (self.stage(&one_cell(1))?, self.stage(&one_cell(1_000_000_000))?);
        let (small, large) = (small.start().await?, large.start().await?);
        sleep(Duration::from_millis(500)).await;
        let more = large.usage()?.resident as f64 - small.usage()?.resident as f64;
        self.add("memory of a billion trials in the queue", 0, more.max(0.0) / 1e6, "MB");
        small.kill().await?;
        large.kill().await
    }

    async fn recovery(&mut self) -> Result<(), LoadError> {
        const TIMES: u32 = 5;
        (self.began)("kills");
        let (mut worker, mut ready, mut at_work) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TIMES {
            let stage = self.stage(&one_cell(16))?;
            worker.push(recovery::of_a_worker(&stage).await?);
            let stage = self.stage(&one_cell(ENDLESS))?;
            let (answers, leases) = recovery::of_a_coordinator(&stage, 4).await?;
            ready.push(answers);
            at_work.push(leases);
        }
        let mut median = |times: &mut Vec<Duration>, name, of| {
            times.sort();
            self.add(name, of, 1e3 * times[times.len() / 2].as_secs_f64(), "ms");
        };
        median(&mut worker, "a worker's stream breaks: until its trials are elsewhere", 2);
        median(&mut ready, "a coordinator is started again: until it answers", 4);
        median(&mut at_work, "a coordinator is started again: until it leases", 4);
        Ok(())
    }
}

/// A stretch of time in which things are counted.
struct Window {
    began: Instant,
    leases: u64,
    rows: u64,
    cpu: Duration,
}

/// What came of it.
struct Taken {
    seconds: f64,
    leases: f64,
    rows: f64,
    cpu: f64,
    resident: f64,
}

impl Window {
    fn open(coordinator: &Coordinator, tally: &Tally) -> Result<Self, LoadError> {
        let (leases, rows) = (tally.leases.load(Ordering::Relaxed), tally.durable.load(Ordering::Relaxed));
        Ok(Self { began: Instant::now(), leases, rows, cpu: coordinator.usage()?.cpu })
    }

    fn close(self, coordinator: &Coordinator, tally: &Tally) -> Result<Taken, LoadError> {
        let usage = coordinator.usage()?;
        Ok(Taken {
            seconds: self.began.elapsed().as_secs_f64(),
            leases: (tally.leases.load(Ordering::Relaxed) - self.leases) as f64,
            rows: (tally.durable.load(Ordering::Relaxed) - self.rows) as f64,
            cpu: usage.cpu.saturating_sub(self.cpu).as_secs_f64(),
            resident: usage.resident as f64,
        })
    }
}
