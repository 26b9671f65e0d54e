//! The names of a sweep's jobs.
//!
//! A record of job ids can be behind of what Slurm did (a crash right after sbatch) or ahead of it (slurmctld forgot the
//! last seconds). So jobs are found by name, and the name follows from the folder of the results alone: one folder has one
//! sweep and one coordinator.

use std::path::Path;

use sha2::{Digest, Sha256};

/// The names of one sweep's jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Of the coordinator's job.
    pub coordinator: String,
    /// Of the arrays of workers.
    pub workers: String,
}

impl Names {
    /// Those of the sweep whose results go to `out`, an absolute path.
    pub fn of(out: &Path) -> Self {
        let digest = Sha256::digest(out.as_os_str().as_encoded_bytes());
        let id: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Self { coordinator: format!("taugrid-{id}-coordinator"), workers: format!("taugrid-{id}-workers") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_its_names_for_ever() {
        let names = Names::of(Path::new("/shared/results/quickstart"));
        assert_eq!(names, Names::of(Path::new("/shared/results/quickstart")));
        assert_ne!(names, Names::of(Path::new("/shared/results/quickstart2")));
        assert_eq!(names.workers, "taugrid-ddb25d1f-workers");
    }
}
