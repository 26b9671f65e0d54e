//! Why a command of Slurm's failed, by what it printed.

/// What a failure means for the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Slurm is not well, or busy: it may go better soon.
    Passing,
    /// There are as many jobs as the user, account or QOS may have: fewer may do, and more when some have ended.
    Limit,
    /// What was asked for is not to be had: it will not go better before somebody changes something.
    Mistake,
}

/// A failure of a command of Slurm's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The command said no.
    #[error("{command}: {message}")]
    Said {
        /// Which.
        command: &'static str,
        /// What that means.
        kind: Kind,
        /// What it printed.
        message: String,
    },
    /// It took too long, and was ended. What it was to do may have been done, or be done yet.
    #[error("{command} does not answer within {seconds} s")]
    TimedOut {
        /// Which.
        command: &'static str,
        /// How long it had.
        seconds: u64,
    },
    /// It printed what cannot be.
    #[error("{command} printed {text:?}, and nobody knows what that means")]
    Garbage {
        /// Which.
        command: &'static str,
        /// What it printed.
        text: String,
    },
    /// It cannot be run at all.
    #[error("{command} cannot be run: {reason}; is this a machine of the cluster?")]
    Absent {
        /// Which.
        command: &'static str,
        /// Why.
        reason: String,
    },
}

/// What is printed where a limit is reached. `slurm_strerror`, and the reasons of associations and QOS.
const LIMITS: [&str; 7] = [
    "maxsubmit",
    "submitjob",
    "maxjobs",
    "job submit limit",
    "violates accounting/qos policy",
    "job count limit",
    "too many jobs",
];
/// What is printed where nothing will do.
const MISTAKES: [&str; 14] = [
    "invalid partition",
    "invalid account",
    "invalid qos",
    "invalid generic resource",
    "invalid feature",
    "invalid job array",
    "invalid --",
    "unrecognized option",
    "invalid option",
    "requested node configuration is not available",
    "requested time limit is invalid",
    "unable to open file",
    "access/permission denied",
    "memory specification can not be satisfied",
];

/// What `message` means.
pub fn classify(message: &str) -> Kind {
    let message = message.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    // A limit first: "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)".
    if has(&LIMITS) {
        Kind::Limit
    } else if has(&MISTAKES) {
        Kind::Mistake
    } else {
        Kind::Passing
    }
}

impl Trouble {
    /// In one line, for a log.
    pub(crate) fn line(&self) -> String {
        self.to_string().lines().collect::<Vec<_>>().join("; ")
    }

    /// What it means for the next try.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Said { kind, .. } => *kind,
            Self::TimedOut { .. } | Self::Garbage { .. } => Kind::Passing,
            Self::Absent { .. } => Kind::Mistake,
        }
    }

    /// Whether what was asked for may have been done all the same, or be done yet.
    pub fn may_have_worked(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Garbage { .. } => true,
            // The controller may have heard what it did not answer.
            Self::Said { kind, message, .. } => {
                *kind == Kind::Passing && message.to_ascii_lowercase().contains("timed out")
            }
            Self::Absent { .. } => false,
        }
    }

    /// Whether Slurm has forgotten the job that it was asked about: nothing is left to do.
    pub fn is_forgotten_job(&self) -> bool {
        matches!(self, Self::Said { message, .. } if message.to_ascii_lowercase().contains("invalid job id"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_slurm_prints() {
        for (message, kind) in [
            ("sbatch: error: Batch job submission failed: Invalid partition name specified", Kind::Mistake),
            ("sbatch: error: Invalid --time specification", Kind::Mistake),
            ("sbatch: unrecognized option '--bogus'", Kind::Mistake),
            (
                "sbatch: error: Batch job submission failed: Requested node configuration is not available",
                Kind::Mistake,
            ),
            (
                "sbatch: error: Batch job submission failed: Invalid account or account/partition combination",
                Kind::Mistake,
            ),
            ("sbatch: error: AssocMaxSubmitJobLimit", Kind::Limit),
            (
                "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates \
              accounting/QOS policy (job submit limit, user's size and/or time limits)",
                Kind::Limit,
            ),
            ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", Kind::Passing),
            (
                "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
                Kind::Passing,
            ),
            ("sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying", Kind::Passing),
            ("", Kind::Passing),
        ] {
            assert_eq!(classify(message), kind, "{message}");
        }
    }

    #[test]
    fn what_timed_out_may_have_worked() {
        let said =
            |message: &str| Trouble::Said { command: "sbatch", kind: classify(message), message: message.to_owned() };
        assert!(said("Socket timed out on send/recv operation").may_have_worked());
        assert!(!said("Unable to contact slurm controller (connect failure)").may_have_worked());
        assert!(!said("Invalid partition name specified").may_have_worked());
        assert!(Trouble::TimedOut { command: "sbatch", seconds: 60 }.may_have_worked());
        assert!(said("slurm_load_jobs error: Invalid job id specified").is_forgotten_job());
    }
}
