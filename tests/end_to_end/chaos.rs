//! Chaos: a coordinator and four workers, one of them killed, ended, or stopped for a while about once a second; the
//! dataset is the same to the byte as if nothing had happened.
//!
//! `TAUGRID_CHAOS_SECONDS` says for how long (12 by default), `TAUGRID_CHAOS_SEED` with which faults; `just chaos` does
//! it for two minutes.

// A test, where a broken expectation should end it.
#![allow(clippy::expect_used)]

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rig::{Folder, binary};

const WORKERS: usize = 4;

fn environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a whole number"))
}

/// Faults follow from the seed alone; when they strike follows from the machine as well.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

/// A process that is started again when it ends before the sweep does.
struct Victim {
    name: String,
    command: Box<dyn Fn() -> Command>,
    child: Child,
    log: PathBuf,
    starts: u32,
}

impl Victim {
    fn new(folder: &Folder, name: String, command: impl Fn() -> Command + 'static) -> Self {
        let log = folder.path(&format!("{name}.log"));
        Self { child: Self::spawn(&command, &log), command: Box::new(command), log, starts: 1, name }
    }

    fn spawn(command: &dyn Fn() -> Command, log: &PathBuf) -> Child {
        let log = File::options().create(true).append(true).open(log).expect("a log can be written");
        let mut command = command();
        command.env("TAUGRID_LOG", "info").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.spawn().expect("the binary can be run")
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        // It may have ended meanwhile; as a child of ours that was not waited for, its number is still its own.
        Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(pid)
            .stderr(Stdio::null())
            .status()
            .expect("kill can be run");
    }

    /// Starts it again if it has ended; how it ended.
    fn revive(&mut self) -> Option<ExitStatus> {
        let ended = self.child.try_wait().expect("it is ours")?;
        if ended.code() != Some(0) {
            self.child = Self::spawn(&*self.command, &self.log);
            self.starts += 1;
        }
        Some(ended)
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sweep(trials: u64) -> String {
    format!(
        "name: chaos\nseed: 5\nlandscape: {{kind: quadratic, eigenvalues: [1.0, 0.25]}}\n\
         domain: {{kind: sublevel, depth: 0.5}}\n\
         dynamics:\n  - {{kind: gaussian-sgd, covariance: hessian}}\n  - {{kind: gaussian-sgd, covariance: identity}}\n\
         grid: {{alpha: [1, 4], beta: [1], eta: [0.1, 0.2], batch_size: [1, 2, 8]}}\n\
         trials: {trials}\nmax_steps: 200000\n"
    )
}

/// A bell that rings after `after`: what a cadence is waited for on.
fn ring(after: Duration) -> Receiver<()> {
    let (bell, rung) = mpsc::channel();
    std::thread::spawn(move || {
        std::thread::park_timeout(after);
        drop(bell);
    });
    rung
}

#[test]
fn chaos_changes_not_a_byte() {
    let seconds = environment("TAUGRID_CHAOS_SECONDS", 12);
    let mut dice = Dice(environment("TAUGRID_CHAOS_SEED", 20_211_107) | 1);
    let folder = Folder::new();
    folder.write("sweep.yaml", sweep(2_000 * seconds));
    folder.run("sweep.yaml", "undisturbed", &[]).assert(0, &[]);

    let (sweep, out, access, cache) =
        (folder.path("sweep.yaml"), folder.path("out"), folder.path("access.json"), folder.path("cache"));
    let mut victims = Vec::new();
    {
        let access = access.clone();
        victims.push(Victim::new(&folder, "coordinator".into(), move || {
            let mut command = Command::new(binary("taugrid-coordinator"));
            command.arg(&sweep).arg("--out").arg(&out).arg("--access-file").arg(&access);
            command
        }));
    }
    for number in 0..WORKERS {
        let (access, cache) = (access.clone(), cache.clone());
        victims.push(Victim::new(&folder, format!("worker-{number}"), move || {
            let mut command = Command::new(binary("taugrid-worker"));
            command.arg("--access-file").arg(&access).arg("--cache").arg(&cache).args([
                "--threads",
                "1",
                "--grace",
                "5",
            ]);
            command
        }));
    }

    let end = Instant::now() + Duration::from_secs(seconds);
    let mut faults = Vec::new();
    while Instant::now() < end && victims[0].child.try_wait().expect("ours").and_then(|status| status.code()) != Some(0)
    {
        let pause = Duration::from_millis(300 + dice.below(1400));
        assert_eq!(ring(pause).recv_timeout(2 * pause + Duration::from_secs(60)), Err(RecvTimeoutError::Disconnected));
        let who = dice.below(victims.len() as u64) as usize;
        let fault = ["KILL", "TERM", "STOP"][dice.below(3) as usize];
        faults.push(format!("{fault} {}", victims[who].name));
        victims[who].signal(fault);
        if fault == "STOP" {
            let pause = Duration::from_millis(100 + dice.below(3000));
            let _ = ring(pause).recv_timeout(2 * pause + Duration::from_secs(60));
            victims[who].signal("CONT");
        }
        for victim in &mut victims {
            victim.revive();
        }
    }
    println!("{} faults: {}", faults.len(), faults.join(", "));
    // The faults end; the sweep goes on to its end.
    loop {
        let status = victims[0].child.wait().expect("ours");
        match status.code() {
            Some(0) => break,
            // It had been asked to stop, or was killed, last.
            Some(3) | None => victims[0].revive(),
            _ => panic!("{status}\n{}", victims[0].log()),
        };
        for victim in &mut victims {
            victim.revive();
        }
        assert!(victims[0].starts < 200, "{}", victims[0].log());
    }
    assert!(folder.dataset("out") == folder.dataset("undisturbed"), "the dataset is another one: {faults:?}");
    assert!(!folder.path("out").join("checkpoints").exists(), "checkpoints are left behind");
}
