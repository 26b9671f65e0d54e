//! What Slurm says of the job that this process runs in.

use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The CPUs that Slurm gave this process's task, where it says so: it need not pin them, and then the process may use all of
/// the node's.
pub(crate) fn cpus() -> Option<NonZeroUsize> {
    cpus_by(|name| std::env::var(name).ok())
}

/// How long the job this process runs in may last yet, where Slurm says so.
pub fn time_left() -> Option<Duration> {
    time_left_by(|name| std::env::var(name).ok(), SystemTime::now())
}

fn cpus_by(variable: impl Fn(&str) -> Option<String>) -> Option<NonZeroUsize> {
    // The former is there if --cpus-per-task was said; the latter is the job's share of this node.
    ["SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"].iter().find_map(|name| variable(name)?.trim().parse().ok())
}

fn time_left_by(variable: impl Fn(&str) -> Option<String>, now: SystemTime) -> Option<Duration> {
    let end: u64 = variable("SLURM_JOB_END_TIME")?.trim().parse().ok()?;
    let end = UNIX_EPOCH.checked_add(Duration::from_secs(end))?;
    Some(end.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_s_cpus_come_before_the_node_s_and_nonsense_is_none() {
        let cpus = |task: Option<&str>, node: Option<&str>| {
            let variable = |name: &str| if name == "SLURM_CPUS_PER_TASK" { task } else { node }.map(str::to_owned);
            cpus_by(variable).map(NonZeroUsize::get)
        };
        assert_eq!(cpus(None, None), None);
        assert_eq!(cpus(Some("4"), Some("64")), Some(4));
        assert_eq!(cpus(None, Some("64")), Some(64));
        assert_eq!(cpus(Some("0"), None), None);
        assert_eq!(cpus(Some("many"), Some("2")), Some(2));
    }

    #[test]
    fn the_time_left_is_that_to_the_job_s_end() {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let left = |text: Option<&str>| time_left_by(|_| text.map(str::to_owned), now);
        assert_eq!(left(None), None);
        assert_eq!(left(Some("1060")), Some(Duration::from_secs(60)));
        assert_eq!(left(Some("900")), Some(Duration::ZERO));
        assert_eq!(left(Some("soon")), None);
        assert_eq!(left(Some("18446744073709551615")), None);
    }
}
