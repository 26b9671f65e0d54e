//! Time on this host, to wait by: never compared to that of another.

use std::fmt::Debug;
use std::time::Duration;

pub(super) trait Clock: Debug + Send + Sync {
    /// Time since some beginning. It goes on while the machine is suspended, for others do as well.
    fn now(&self) -> Duration;

    /// Waits.
    fn sleep(&self, time: Duration);
}

#[derive(Debug)]
pub(super) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        // Linux's monotonic clock stands still in a suspended machine.
        #[cfg(target_os = "linux")]
        let clock = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = rustix::time::ClockId::Monotonic;
        let time = rustix::time::clock_gettime(clock);
        Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec.clamp(0, 999_999_999) as u32)
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
