//! Progress on stderr, and only on a terminal.

use std::time::Duration;

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use taugrid_coordinator::Progress;
use tokio::sync::watch;

/// A spinner for what comes before the first trial: training θ*, its sharpness. Hidden unless stderr is a terminal.
pub(crate) fn preparation() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Shows a sweep until its coordinator ends.
pub(crate) async fn show(name: String, mut watched: watch::Receiver<Progress>) {
    let bar = ProgressBar::new(0);
    // The template is a constant and right; were it not, the default style shows the same numbers.
    if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} trials  {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(name);
    let mut rate = Rate::default();
    while watched.changed().await.is_ok() {
        let progress = *watched.borrow_and_update();
        bar.set_length(progress.standing.trials);
        bar.set_position(progress.standing.received);
        bar.set_message(message(&progress, rate.update(progress.standing.received)));
    }
    bar.finish_and_clear();
}

fn message(progress: &Progress, rate: f64) -> String {
    let standing = progress.standing;
    let left = standing.remaining.filter(|_| standing.threads > 0).map(|work| work / (standing.threads as u32).max(1));
    let eta = left.map_or_else(|| "?".to_owned(), |left| format!("{:#}", HumanDuration(left)));
    let workers = if standing.workers == 1 { "worker" } else { "workers" };
    format!(
        "{}/s  {} exits  {} {workers}  ETA {eta}",
        HumanCount(rate as u64),
        HumanCount(progress.exits),
        standing.workers
    )
}

/// Trials a second, smoothed over a few seconds.
#[derive(Default)]
struct Rate {
    last: Option<(tokio::time::Instant, u64)>,
    smoothed: Option<f64>,
}

impl Rate {
    fn update(&mut self, received: u64) -> f64 {
        let now = tokio::time::Instant::now();
        if let Some((then, before)) = self.last {
            let seconds = (now - then).as_secs_f64().max(1e-3);
            let seen = received.saturating_sub(before) as f64 / seconds;
            self.smoothed = Some(self.smoothed.map_or(seen, |known| known + 0.3 * (seen - known)));
        }
        self.last = Some((now, received));
        self.smoothed.unwrap_or(0.0)
    }
}
