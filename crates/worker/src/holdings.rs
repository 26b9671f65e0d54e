//! The leases that the worker holds: which of their trials are left, under which number they go on this stream, and what
//! becomes of both when the stream breaks and the next one comes.
//!
//! Nothing here knows of threads, sockets or clocks. That of the coordinator's messages which has to do with leases is
//! checked here; what cannot be right is told as a text.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use taugrid_results::{CellKey, Ranges};
use taugrid_wire::MOST_LEASES;
use taugrid_wire::trials::{from_wire, to_wire};
use taugrid_wire::v1::{Adopted, Failed, Held, LeaseDone};

/// A lease within this process. Its number on the wire changes from stream to stream; this one does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TenureId(pub(crate) u64);

/// What of a lease stays as it is for as long as anything of it lives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tenure {
    pub(crate) id: TenureId,
    pub(crate) cell: CellKey,
    /// Signed by the coordinator: what lets its rows be handed over on a later stream.
    pub(crate) grant: Bytes,
}

/// A lease that is held.
pub(crate) struct Holding {
    pub(crate) tenure: Arc<Tenure>,
    /// Its number on this stream, once it has one.
    pub(crate) lease: Option<u64>,
    /// The trials whose rows have not been taken in.
    pub(crate) left: Ranges,
    /// It came from a worker that is no more, and is not run here: it is given back as soon as it has a number.
    pub(crate) inherited: bool,
    busy: Duration,
    /// The kernel failed on it before it had a number; with what.
    failed: Option<String>,
}

/// All leases that are held.
#[derive(Default)]
pub(crate) struct Holdings {
    last: u64,
    held: BTreeMap<TenureId, Holding>,
    numbers: HashMap<u64, TenureId>,
    /// What was said to be held, until the coordinator has answered.
    offered: Option<Vec<(TenureId, Ranges)>>,
}

/// What an [`Adopted`] comes to.
#[derive(Debug, Default)]
pub(crate) struct Adoption {
    /// Trials that are somebody else's now.
    pub(crate) given_up: Vec<(Arc<Tenure>, Ranges)>,
    /// Leases whose trials have all ended meanwhile.
    pub(crate) done: Vec<LeaseDone>,
    /// Leases that the kernel failed on meanwhile.
    pub(crate) failed: Vec<Failed>,
}

impl Holdings {
    /// A lease came.
    pub(crate) fn begin(
        &mut self,
        lease: u64,
        cell: CellKey,
        trials: Range<u64>,
        grant: Bytes,
    ) -> Result<Arc<Tenure>, String> {
        if self.held.len() >= MOST_LEASES {
            return Err(format!("more than {MOST_LEASES} leases"));
        }
        if self.numbers.contains_key(&lease) {
            return Err(format!("lease {lease} came twice"));
        }
        let holds = |held: &Holding| held.tenure.cell == cell && !trials.is_empty() && held.left.overlaps(&trials);
        if self.held.values().any(holds) {
            return Err(format!("lease {lease} has trials that are held already"));
        }
        let tenure = self.hold(cell, grant, trials.into(), Some(lease), false);
        self.numbers.insert(lease, tenure.id);
        Ok(tenure)
    }

    /// Takes over a lease of a worker that is no more.
    pub(crate) fn inherit(&mut self, cell: CellKey, grant: Bytes, left: Ranges) {
        let is_new = self.held.len() < MOST_LEASES && !self.held.values().any(|held| held.tenure.grant == grant);
        if is_new && !left.is_empty() {
            self.hold(cell, grant, left, None, true);
        }
    }

    fn hold(&mut self, cell: CellKey, grant: Bytes, left: Ranges, lease: Option<u64>, inherited: bool) -> Arc<Tenure> {
        self.last += 1;
        let tenure = Arc::new(Tenure { id: TenureId(self.last), cell, grant });
        let holding =
            Holding { tenure: Arc::clone(&tenure), lease, left, inherited, busy: Duration::ZERO, failed: None };
        self.held.insert(tenure.id, holding);
        tenure
    }

    /// Whether nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Those of `trials` whose rows are still to come from a lease; none if it is not held any more.
    pub(crate) fn left_of(&self, id: TenureId, trials: &Ranges) -> Ranges {
        self.held.get(&id).map(|held| held.left.intersection(trials)).unwrap_or_default()
    }

    /// Whether the coordinator has yet to say what is still the worker's.
    pub(crate) fn awaits_adoption(&self) -> bool {
        self.offered.is_some()
    }

    /// All that is held.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Holding> {
        self.held.values()
    }

    /// The holding that goes by this number on this stream.
    pub(crate) fn numbered(&self, lease: u64) -> Option<&Holding> {
        self.numbers.get(&lease).and_then(|id| self.held.get(id))
    }

    /// The number of a lease on this stream, while it is held.
    pub(crate) fn number(&self, id: TenureId) -> Option<u64> {
        self.held.get(&id).and_then(|held| held.lease)
    }

    /// Whether the row of this trial is still to come.
    pub(crate) fn is_left(&self, cell: CellKey, trial: u64) -> bool {
        self.held.values().any(|held| held.tenure.cell == cell && held.left.contains(trial))
    }

    /// Trials ended that took `busy` of thread time; the lease, if it is done by that.
    pub(crate) fn ended(&mut self, id: TenureId, trials: &Ranges, busy: Duration) -> Option<LeaseDone> {
        let held = self.held.get_mut(&id)?;
        held.busy += busy;
        held.left.subtract(trials);
        self.settle(id)
    }

    /// Where trials are still to be run whose rows have come from another lease: they were in hand when that lease lost them,
    /// and came back before they ended.
    pub(crate) fn superfluous(&self, ended: TenureId, cell: CellKey, trials: &Ranges) -> Vec<(TenureId, Ranges)> {
        let others = self.held.iter().filter(|(id, held)| **id != ended && held.tenure.cell == cell);
        let theirs = others.map(|(id, _)| (*id, self.left_of(*id, trials)));
        theirs.filter(|(_, again)| !again.is_empty()).collect()
    }

    /// Trials go back to the coordinator, or are its own already; the lease, if it is done by that.
    pub(crate) fn forgo(&mut self, id: TenureId, trials: &Ranges) -> Option<LeaseDone> {
        let held = self.held.get_mut(&id)?;
        held.left.subtract(trials);
        self.settle(id)
    }

    /// Lets go of a lease that has no trial left; what is to be said of it, if it has a number.
    pub(crate) fn settle(&mut self, id: TenureId) -> Option<LeaseDone> {
        let held = self.held.get(&id).filter(|held| held.left.is_empty())?;
        if held.lease.is_none() && self.is_offered(id) {
            return None;
        }
        let done = held.lease.map(|lease| LeaseDone { lease, busy_nanos: nanos(held.busy) });
        self.let_go(id);
        done
    }

    /// The kernel failed on a lease: it is held no more. What was left of it, and what is to be said, if it has a number.
    pub(crate) fn fail(&mut self, id: TenureId, detail: &str) -> Option<(Arc<Tenure>, Ranges, Option<Failed>)> {
        let offered = self.is_offered(id);
        let held = self.held.get_mut(&id)?;
        let (tenure, left) = (Arc::clone(&held.tenure), std::mem::take(&mut held.left));
        let failed = held.lease.map(|lease| Failed { lease, detail: detail.to_owned() });
        if held.lease.is_none() && offered {
            held.failed.get_or_insert_with(|| detail.to_owned());
        } else {
            self.let_go(id);
        }
        Some((tenure, left, failed))
    }

    /// Lets go of a lease, whatever is left of it.
    pub(crate) fn let_go(&mut self, id: TenureId) {
        if let Some(lease) = self.held.remove(&id).and_then(|held| held.lease) {
            self.numbers.remove(&lease);
        }
    }

    /// The stream broke: no lease has a number any more.
    pub(crate) fn unnumber(&mut self) {
        self.numbers.clear();
        self.offered = None;
        self.held.retain(|_, held| {
            held.lease = None;
            !held.left.is_empty()
        });
    }

    /// What is held, for [`Ready`](taugrid_wire::v1::Ready).
    pub(crate) fn offer(&mut self) -> Vec<Held> {
        let offered: Vec<_> = self.held.iter().map(|(id, held)| (*id, held.left.clone())).collect();
        let said = self.held.values().map(|held| Held { grant: held.tenure.grant.clone(), left: to_wire(&held.left) });
        let said = said.collect();
        self.offered = (!offered.is_empty()).then_some(offered);
        said
    }

    /// The coordinator has said what is still the worker's, and under which numbers.
    pub(crate) fn adopt(&mut self, adopted: &Adopted) -> Result<Adoption, String> {
        let offered = self.offered.take().ok_or("Adopted, and nothing was said to be held")?;
        let mut kept: BTreeMap<TenureId, (u64, Ranges)> = BTreeMap::new();
        for lease in &adopted.leases {
            let number = lease.lease;
            let held = usize::try_from(lease.held).ok().and_then(|index| offered.get(index));
            let (id, left) = held.ok_or_else(|| format!("Adopted names lease {} of {}", lease.held, offered.len()))?;
            let trials = from_wire(&lease.trials).map_err(|error| error.to_string())?;
            if let Some(strange) = trials.minus(left).first() {
                return Err(format!("Adopted names trials {strange:?}, which were not said to be held"));
            }
            if kept.contains_key(id) || kept.values().any(|(other, _)| *other == number) {
                return Err(format!("Adopted names lease {number} twice"));
            }
            if self.numbers.contains_key(&number) {
                return Err(format!("Adopted gives lease {number}, which is held already"));
            }
            kept.insert(*id, (number, trials));
        }
        let mut adoption = Adoption::default();
        for (id, _) in offered {
            let Some(held) = self.held.get_mut(&id) else { continue };
            let (number, trials) = kept.remove(&id).unzip();
            let trials = trials.unwrap_or_default();
            let lost = held.left.minus(&trials);
            // Those that have ended since are not left, whatever the coordinator knew then.
            held.left.subtract(&lost);
            if !lost.is_empty() {
                adoption.given_up.push((Arc::clone(&held.tenure), lost));
            }
            held.lease = number;
            match (number, held.failed.take()) {
                (None, _) => self.let_go(id),
                (Some(lease), Some(detail)) => {
                    adoption.failed.push(Failed { lease, detail });
                    self.held.remove(&id);
                }
                (Some(lease), None) => {
                    self.numbers.insert(lease, id);
                    adoption.done.extend(self.settle(id));
                }
            }
        }
        Ok(adoption)
    }

    fn is_offered(&self, id: TenureId) -> bool {
        self.offered.as_ref().is_some_and(|offered| offered.iter().any(|(other, _)| *other == id))
    }
}

/// `trials`, in any order, as the longest runs there are.
pub(crate) fn runs(trials: impl IntoIterator<Item = u64>) -> impl Iterator<Item = Range<u64>> {
    let mut trials: Vec<u64> = trials.into_iter().collect();
    trials.sort_unstable();
    let chunks: Vec<_> =
        trials.chunk_by(|a, b| b - a <= 1).map(|chunk| chunk[0]..chunk[chunk.len() - 1].saturating_add(1)).collect();
    chunks.into_iter().filter(|run| !run.is_empty())
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
