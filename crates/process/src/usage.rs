//! What a process takes of its machine, as Linux's `/proc` has it.

use std::fs;
use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};

/// What a process takes of its machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Time on processors, in user and system mode.
    pub cpu: Duration,
    /// Memory that is in use, in bytes.
    pub resident: u64,
    /// When it started, since 1970.
    pub started: Duration,
    /// Open file descriptors.
    pub descriptors: u64,
}

impl Usage {
    /// As it is now; none where there is no `/proc`.
    pub fn now() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// Of another process, as it is now; none where there is no `/proc`, or no such process that may be looked at.
    pub fn of(process: u32) -> Option<Self> {
        let own = format!("/proc/{process}");
        let descriptors = fs::read_dir(format!("{own}/fd")).ok()?.count() as u64;
        Self::parse(
            &fs::read_to_string(format!("{own}/stat")).ok()?,
            &fs::read_to_string("/proc/stat").ok()?,
            descriptors,
        )
    }

    fn parse(own: &str, machine: &str, descriptors: u64) -> Option<Self> {
        // The name in brackets may hold anything; what follows it is the third field.
        let fields: Vec<_> = own.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = clock_ticks_per_second();
        let time = |ticked: u64| Some(Duration::from_millis(ticked.saturating_mul(1000).checked_div(ticks)?));
        let boot = machine.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        Some(Self {
            cpu: time(field(14)?.saturating_add(field(15)?))?,
            resident: field(24)?.saturating_mul(page_size() as u64),
            started: Duration::from_secs(boot).saturating_add(time(field(22)?)?),
            descriptors,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn this_very_process_is_measured() {
        let usage = Usage::now().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(usage.resident > 1 << 16 && usage.descriptors >= 3, "{usage:?}");
        assert!(usage.started <= now + Duration::from_secs(2), "{usage:?} at {now:?}");
        assert!(now.saturating_sub(usage.started) < Duration::from_secs(3600), "{usage:?} at {now:?}");
    }

    #[test]
    fn a_name_with_spaces_and_brackets_is_stepped_over() {
        let own = "7 (a) b (c) S 1 1 1 0 -1 0 0 0 0 0 300 100 0 0 20 0 1 0 500 4096 2 0";
        let usage = Usage::parse(own, "cpu 1\nbtime 1000\n", 4).unwrap();
        let ticks = clock_ticks_per_second() as f64;
        assert!((usage.cpu.as_secs_f64() - 400.0 / ticks).abs() < 1e-3, "{usage:?}");
        assert_eq!((usage.resident, usage.descriptors), (2 * page_size() as u64, 4));
        assert!((usage.started.as_secs_f64() - (1000.0 + 500.0 / ticks)).abs() < 1e-3, "{usage:?}");
        assert_eq!(Usage::parse("7 (a) S 1", "btime 1000", 0), None);
    }
}
