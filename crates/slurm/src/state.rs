//! The states of a job, as squeue prints them.

/// What a state means to who counts workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It waits for its turn. `REQUEUED` and the like among it.
    Waiting,
    /// It has its node, or is about to: `CONFIGURING`, `SUSPENDED` and the like among it.
    Running,
    /// It has ended, and its node is being tidied up. That may take for ever.
    Completing,
    /// Slurm gave it up and holds it: it will not start by itself.
    Held,
    /// It has ended.
    Ended(End),
    /// A state of which nothing is known here. It counts as there as long as Slurm lists it.
    Unknown,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// With exit code 0: the sweep was finished, or cancelled.
    Completed,
    /// With another exit code. 3 is that of a worker that left when it was asked to.
    Failed,
    /// By scancel; whose, where that is known.
    Cancelled(Option<By>),
    /// Its time was over: `TIMEOUT`, `DEADLINE`.
    Timeout,
    /// A job of more worth took its place. `FAILED` as well, if it left in order within its grace: `queue` tells them apart.
    Preempted,
    /// Its node died, or did not come up: `NODE_FAIL`, `BOOT_FAIL`.
    NodeFailed,
    /// It took more memory than it had asked for.
    OutOfMemory,
}

/// Whose scancel it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// The job's own user's.
    Owner,
    /// An administrator's, or Slurm's own.
    Other,
}

impl State {
    /// The state of that name.
    pub fn parse(text: &str) -> Self {
        // scontrol and sacct add to it: `CANCELLED by 1000`, `COMPLETED+`.
        let end = text.find(|character: char| !character.is_ascii_uppercase() && character != '_');
        let word = end.map_or(text, |end| &text[..end]);
        match word {
            "PENDING" | "REQUEUED" | "REQUEUE_FED" | "RESV_DEL_HOLD" => Self::Waiting,
            "RUNNING" | "CONFIGURING" | "SUSPENDED" | "STOPPED" | "RESIZING" | "SIGNALING" | "STAGE_OUT"
            | "LAUNCH_FAILED" | "POWER_UP_NODE" | "UPDATE_DB" | "EXPEDITING" => Self::Running,
            "COMPLETING" => Self::Completing,
            "REQUEUE_HOLD" | "SPECIAL_EXIT" | "RECONFIG_FAIL" => Self::Held,
            "COMPLETED" => Self::Ended(End::Completed),
            "FAILED" => Self::Ended(End::Failed),
            "CANCELLED" | "REVOKED" => Self::Ended(End::Cancelled(None)),
            "TIMEOUT" | "DEADLINE" => Self::Ended(End::Timeout),
            "PREEMPTED" => Self::Ended(End::Preempted),
            "NODE_FAIL" | "BOOT_FAIL" => Self::Ended(End::NodeFailed),
            "OUT_OF_MEMORY" => Self::Ended(End::OutOfMemory),
            _ => Self::Unknown,
        }
    }

    /// Whether it runs, or may yet.
    pub fn is_live(self) -> bool {
        !matches!(self, Self::Ended(_) | Self::Held)
    }

    /// A word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Completing => "completing",
            Self::Held => "held",
            Self::Unknown => "unknown",
            Self::Ended(End::Completed) => "completed",
            Self::Ended(End::Failed) => "failed",
            Self::Ended(End::Cancelled(_)) => "cancelled",
            Self::Ended(End::Timeout) => "timed out",
            Self::Ended(End::Preempted) => "preempted",
            Self::Ended(End::NodeFailed) => "node failed",
            Self::Ended(End::OutOfMemory) => "out of memory",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_slurm_is_understood() {
        // The job states of Slurm 22.05 to 24.11, of squeue(1).
        let known = "BOOT_FAIL CANCELLED COMPLETED CONFIGURING COMPLETING DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY PENDING \
                     PREEMPTED RUNNING RESV_DEL_HOLD REQUEUE_FED REQUEUE_HOLD REQUEUED RESIZING REVOKED SIGNALING \
                     SPECIAL_EXIT STAGE_OUT STOPPED SUSPENDED TIMEOUT";
        for word in known.split_whitespace() {
            assert_ne!(State::parse(word), State::Unknown, "{word}");
        }
        for word in ["", "???", "running", "BOILING"] {
            assert_eq!(State::parse(word), State::Unknown, "{word}");
        }
        assert_eq!(State::parse("CANCELLED by 1000"), State::Ended(End::Cancelled(None)));
        assert!(State::parse("BOILING").is_live() && !State::parse("NODE_FAIL").is_live());
    }
}
