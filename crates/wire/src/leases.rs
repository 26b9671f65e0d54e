//! Leases as they go over the wire: by columns, with each cell and each dynamics named once in a message.

use std::ops::Range;

use bytes::Bytes;
use taugrid_sweep::{Cell, CellKey, DynamicsSpec};

use crate::columns::{ColumnError, are_as_long};
use crate::v1;

/// A lease as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// Counts up from 1 within the life of the coordinator process.
    pub number: u64,
    /// As the message has it: whether its key follows from the rest is for the reader to see.
    pub cell: Cell,
    /// Trials of the cell.
    pub trials: Range<u64>,
    /// What proves the lease.
    pub grant: Bytes,
}

/// Leases that no coordinator gives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeasesError {
    /// Columns differ in length.
    #[error(transparent)]
    Column(#[from] ColumnError),
    /// Something is named that the message does not have.
    #[error("{what} {index}, of which there are {count}")]
    Beyond {
        /// What: a cell, say.
        what: &'static str,
        /// Which, from 0.
        index: u32,
        /// How many there are.
        count: usize,
    },
    /// The grants do not divide among the leases.
    #[error("{bytes} bytes of grants for {leases} leases")]
    Grants {
        /// Bytes of them all.
        bytes: usize,
        /// Leases in the message.
        leases: usize,
    },
    /// There are no such numbers.
    #[error("{count} trials from {first} on")]
    Trials {
        /// The first of them.
        first: u64,
        /// How many.
        count: u64,
    },
    /// The dynamics cannot be read.
    #[error("dynamics {index}: {detail}")]
    Dynamics {
        /// Which, from 0.
        index: usize,
        /// Why.
        detail: String,
    },
}

/// Leases that go into one message.
#[derive(Debug, Default)]
pub struct Gathered {
    message: v1::Leases,
    cells: v1::Cells,
    grants: Vec<u8>,
    /// As they stand in `all_dynamics`.
    dynamics: Vec<DynamicsSpec>,
}

impl Gathered {
    /// Adds one. Those of one cell should follow one another, and grants must be of one length.
    pub fn push(&mut self, number: u64, cell: &Cell, trials: &Range<u64>, grant: &[u8]) {
        if self.cells.keys.last() != Some(&cell.key.0) {
            self.push_cell(cell);
        }
        self.message.of.push(self.cells.keys.len() as u32 - 1);
        self.message.leases.push(number);
        self.message.first_trials.push(trials.start);
        self.message.counts.push(trials.end - trials.start);
        self.grants.extend_from_slice(grant);
    }

    fn push_cell(&mut self, cell: &Cell) {
        // The last first: cells of one dynamics come together.
        let known = self.dynamics.iter().rposition(|dynamics| *dynamics == cell.dynamics);
        let index = known.unwrap_or_else(|| {
            self.dynamics.push(cell.dynamics);
            self.cells.all_dynamics.push(cell.dynamics.to_json());
            self.dynamics.len() - 1
        });
        self.cells.dynamics.push(index as u32);
        self.cells.keys.push(cell.key.0);
        self.cells.alphas.push(cell.alpha);
        self.cells.betas.push(cell.beta);
        self.cells.etas.push(cell.eta);
        self.cells.batch_sizes.push(cell.batch_size);
    }

    /// All of them in one message.
    pub fn finish(self) -> v1::Leases {
        v1::Leases { cells: Some(self.cells), grants: self.grants.into(), ..self.message }
    }
}

/// The leases of a message that anyone may have sent.
///
/// # Errors
/// At the first column of another length, or value that no lease has.
pub fn from_wire(message: &v1::Leases) -> Result<Vec<Lease>, LeasesError> {
    let v1::Leases { cells, leases, of, first_trials, counts, grants } = message;
    let columns = [("of", of.len()), ("first_trial", first_trials.len()), ("count", counts.len())];
    are_as_long("leases", leases.len() as u64, &columns)?;
    let cells = cells.as_ref().map_or(Ok(Vec::new()), cells_from_wire)?;
    let length = grants.len().checked_div(leases.len()).unwrap_or(0);
    if length * leases.len() != grants.len() {
        return Err(LeasesError::Grants { bytes: grants.len(), leases: leases.len() });
    }
    let lease = |(index, &number): (usize, &u64)| {
        let (first, count) = (first_trials[index], counts[index]);
        let end = first.checked_add(count).ok_or(LeasesError::Trials { first, count })?;
        let cell = *named("cell", &cells, of[index])?;
        let grant = grants.slice(index * length..(index + 1) * length);
        Ok(Lease { number, cell, trials: first..end, grant })
    };
    leases.iter().enumerate().map(lease).collect()
}

fn cells_from_wire(message: &v1::Cells) -> Result<Vec<Cell>, LeasesError> {
    let v1::Cells { keys, dynamics, alphas, betas, etas, batch_sizes, all_dynamics } = message;
    let columns = [
        ("dynamics", dynamics.len()),
        ("alpha", alphas.len()),
        ("beta", betas.len()),
        ("eta", etas.len()),
        ("batch_size", batch_sizes.len()),
    ];
    are_as_long("cells", keys.len() as u64, &columns)?;
    let read = |(index, json): (usize, &String)| {
        DynamicsSpec::from_json(json).map_err(|error| LeasesError::Dynamics { index, detail: error.to_string() })
    };
    let all_dynamics = all_dynamics.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
    let cell = |(index, &key): (usize, &u64)| {
        Ok(Cell {
            key: CellKey(key),
            dynamics: *named("dynamics", &all_dynamics, dynamics[index])?,
            alpha: alphas[index],
            beta: betas[index],
            eta: etas[index],
            batch_size: batch_sizes[index],
        })
    };
    keys.iter().enumerate().map(cell).collect()
}

fn named<'a, T>(what: &'static str, all: &'a [T], index: u32) -> Result<&'a T, LeasesError> {
    all.get(index as usize).ok_or(LeasesError::Beyond { what, index, count: all.len() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    const GRANT: usize = 5;

    fn cell(key: u64) -> Cell {
        let kinds = [r#"{"kind":"sgd"}"#, r#"{"kind":"gaussian-sgd","covariance":"hessian"}"#];
        let dynamics = DynamicsSpec::from_json(kinds[key as usize % 2]).unwrap();
        let (alpha, eta) = (1.5 * key as f64, 0.1 / (1.0 + key as f64));
        Cell { key: CellKey(key), dynamics, alpha, beta: 2.0, eta, batch_size: 1 + key }
    }

    fn gathered(leases: &[(u64, u64, u64)]) -> (v1::Leases, Vec<Lease>) {
        let mut gathered = Gathered::default();
        let mut expected = Vec::new();
        for (number, &(key, first, count)) in (1..).zip(leases) {
            let (cell, trials, grant) = (cell(key), first..first + count, [number as u8; GRANT]);
            gathered.push(number, &cell, &trials, &grant);
            expected.push(Lease { number, cell, trials, grant: Bytes::copy_from_slice(&grant) });
        }
        (gathered.finish(), expected)
    }

    proptest! {
        #[test]
        fn leases_come_back_as_they_were(leases in proptest::collection::vec((0u64..4, any::<u32>(), 0u64..99), 0..40)) {
            let leases: Vec<_> = leases.into_iter().map(|(key, first, count)| (key, first.into(), count)).collect();
            let (message, expected) = gathered(&leases);
            let message = v1::Leases::decode(&*message.encode_to_vec()).unwrap();
            prop_assert_eq!(from_wire(&message), Ok(expected));
        }
    }

    #[test]
    fn a_cell_is_named_once_and_a_dynamics_too() {
        let (message, _) = gathered(&[(0, 0, 5), (0, 5, 5), (2, 0, 5), (1, 0, 5), (0, 10, 5)]);
        let cells = message.cells.unwrap();
        assert_eq!(cells.keys, [0, 2, 1, 0]);
        assert_eq!(cells.dynamics, [0, 0, 1, 0]);
        assert_eq!(cells.all_dynamics.len(), 2);
        assert_eq!(message.of, [0, 0, 1, 2, 3]);
    }

    #[test]
    fn leases_that_cannot_be_are_refused() {
        let refused = |change: &dyn Fn(&mut v1::Leases)| {
            let (mut message, _) = gathered(&[(1, 0, 5), (2, 5, 5)]);
            change(&mut message);
            from_wire(&message).unwrap_err().to_string()
        };
        let cells = |change: &dyn Fn(&mut v1::Cells)| refused(&|message| change(message.cells.as_mut().unwrap()));
        assert_eq!(refused(&|message| message.counts.truncate(1)), "2 leases have 1 values of `count`");
        assert_eq!(refused(&|message| message.of[1] = 2), "cell 2, of which there are 2");
        assert_eq!(refused(&|message| message.cells = None), "cell 0, of which there are 0");
        assert_eq!(refused(&|message| message.counts[1] = u64::MAX), "18446744073709551615 trials from 5 on");
        assert_eq!(refused(&|message| message.grants = Bytes::from_static(b"odd")), "3 bytes of grants for 2 leases");
        assert_eq!(cells(&|cells| cells.etas.truncate(1)), "2 cells have 1 values of `eta`");
        assert_eq!(cells(&|cells| cells.dynamics[0] = 9), "dynamics 9, of which there are 2");
        assert!(cells(&|cells| cells.all_dynamics[1].push('}')).starts_with("dynamics 1: "));
    }
}
