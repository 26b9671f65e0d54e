//! Sets of trials as they go over the wire.

use taugrid_results::Ranges;

use crate::v1::Trials;

/// Trials that nobody has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrialsError {
    /// There are no such numbers.
    #[error("{count} trials from {first} on")]
    Beyond {
        /// The first of them.
        first: u64,
        /// How many.
        count: u64,
    },
    /// Pieces overlap.
    #[error("trials {first} and those after it are named twice")]
    Twice {
        /// The first of the second piece.
        first: u64,
    },
}

/// A set of trials, in pieces.
pub fn to_wire(trials: &Ranges) -> Vec<Trials> {
    trials.iter().map(|range| Trials { first: range.start, count: range.end - range.start }).collect()
}

/// The trials of a message that anyone may have sent. Pieces may come in any order, and be empty.
///
/// # Errors
/// At the first piece that goes beyond 2⁶⁴, or has trials of another one.
pub fn from_wire(pieces: &[Trials]) -> Result<Ranges, TrialsError> {
    let mut trials = Ranges::new();
    for &Trials { first, count } in pieces {
        let end = first.checked_add(count).ok_or(TrialsError::Beyond { first, count })?;
        if trials.overlaps(&(first..end)) {
            return Err(TrialsError::Twice { first });
        }
        trials.insert(first..end);
    }
    Ok(trials)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_comes_back_as_it_was(trials in proptest::collection::vec((0u64..100, 0u64..9), 0..20)) {
            let trials: Ranges = trials.into_iter().map(|(first, count)| first..first + count).collect();
            let mut pieces = to_wire(&trials);
            prop_assert_eq!(from_wire(&pieces), Ok(trials.clone()));
            pieces.reverse();
            prop_assert_eq!(from_wire(&pieces), Ok(trials));
        }
    }

    #[test]
    fn trials_that_cannot_be_are_refused() {
        let pieces = |pieces: &[(u64, u64)]| -> Vec<_> {
            pieces.iter().map(|&(first, count)| Trials { first, count }).collect()
        };
        assert_eq!(from_wire(&pieces(&[(3, 0), (u64::MAX - 1, 1)])).unwrap().count(), 1);
        assert_eq!(from_wire(&pieces(&[(u64::MAX, 1)])), Err(TrialsError::Beyond { first: u64::MAX, count: 1 }));
        assert_eq!(from_wire(&pieces(&[(0, 5), (4, 1)])), Err(TrialsError::Twice { first: 4 }));
    }
}
