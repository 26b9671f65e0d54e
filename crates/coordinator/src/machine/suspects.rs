//! Trials that workers may have died of.
//!
//! A shard that crashes every worker it touches would take a sweep down with it. But workers die of other things, some of
//! them often, and whoever died held trials. So trials are set aside only if they were held by three workers that died,
//! or failed at them, and if that is far more than chance would have it: if workers die at the rate at which those die
//! that hold other trials, three deaths in the time that these trials were held are to be rarer than one in ten
//! thousand.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use rangemap::RangeMap;

use super::event::{Identity, Moment};

/// From so many deaths on, trials are leased by themselves.
const PROBATION: u32 = 2;
/// And from so many on, they may be set aside.
const QUARANTINE: u32 = 3;
/// The chance, at most, that workers died by something else.
const SIGNIFICANCE: f64 = 1e-4;

/// What is held against a trial.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Suspicion {
    /// Workers that died while they held it.
    dead: BTreeSet<Identity>,
    /// Times that the kernel failed: that is no chance.
    failures: u32,
    /// How long those who died had held it, in all.
    exposure: Duration,
    /// How many trials fell under suspicion together.
    together: u64,
}

impl Suspicion {
    fn strikes(&self) -> u32 {
        self.dead.len() as u32 + self.failures
    }
}

/// What is to become of trials that were held by a worker that died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are leased again like any.
    Free,
    /// They are leased by themselves.
    Probation,
    /// They are set aside; so many workers died or failed.
    Quarantine(u32),
}

/// The suspected trials of a cell.
#[derive(Debug, Default)]
pub(super) struct Suspects(RangeMap<u64, Suspicion>);

impl Suspects {
    /// A worker died that had held these trials for so long; the pieces that they fall into, and what to do with each.
    pub(super) fn died(
        &mut self,
        trials: Range<u64>,
        worker: Identity,
        held: Duration,
        mortality: &Mortality,
    ) -> Vec<(Range<u64>, Verdict)> {
        self.accuse(trials, |suspicion| {
            suspicion.dead.insert(worker);
            suspicion.exposure += held;
        })
        .into_iter()
        .map(|(piece, suspicion)| {
            let verdict = match suspicion.strikes() {
                ..PROBATION => Verdict::Free,
                strikes if strikes >= QUARANTINE && mortality.is_excess(&suspicion) => Verdict::Quarantine(strikes),
                _ => Verdict::Probation,
            };
            (piece, verdict)
        })
        .collect()
    }

    /// The kernel failed at one of these trials.
    pub(super) fn failed(&mut self, trials: Range<u64>) -> Vec<(Range<u64>, Verdict)> {
        self.accuse(trials, |suspicion| suspicion.failures += 1)
            .into_iter()
            .map(|(piece, suspicion)| match suspicion.strikes() {
                ..PROBATION => (piece, Verdict::Free),
                strikes if strikes >= QUARANTINE => (piece, Verdict::Quarantine(strikes)),
                _ => (piece, Verdict::Probation),
            })
            .collect()
    }

    fn accuse(&mut self, trials: Range<u64>, how: impl Fn(&mut Suspicion)) -> Vec<(Range<u64>, Suspicion)> {
        let together = trials.end - trials.start;
        let known = self
            .0
            .overlapping(&trials)
            .map(|(range, suspicion)| (range.start.max(trials.start)..range.end.min(trials.end), suspicion.clone()));
        let unknown = self.0.gaps(&trials).map(|range| (range, Suspicion::default()));
        let mut pieces: Vec<_> = known.chain(unknown).collect();
        pieces.sort_by_key(|(range, _)| range.start);
        for (range, suspicion) in &mut pieces {
            how(suspicion);
            suspicion.together = together;
            self.0.insert(range.clone(), suspicion.clone());
        }
        pieces
    }

    /// How many trials fell under suspicion together with this one; `None` if it is under none.
    pub(super) fn piece(&self, trial: u64) -> Option<u64> {
        self.0.get(&trial).map(|suspicion| suspicion.together)
    }

    /// Nothing is held against these trials any more: they ended, or came further than they had.
    pub(super) fn clear(&mut self, trials: &Range<u64>) {
        if self.0.overlaps(trials) {
            self.0.remove(trials.clone());
        }
    }

    /// How many workers died of a trial, or failed at it.
    pub(super) fn strikes(&self, trial: u64) -> u32 {
        self.0.get(&trial).map_or(0, Suspicion::strikes)
    }

    /// A worker that was thought dead is back; the trials that were held against it, and what they deserve now.
    pub(super) fn forgive(&mut self, worker: Identity) -> Vec<(Range<u64>, Verdict)> {
        let concerned = self.0.iter().filter(|(_, suspicion)| suspicion.dead.contains(&worker));
        let concerned: Vec<_> = concerned.map(|(range, suspicion)| (range.clone(), suspicion.clone())).collect();
        let mut freed = Vec::new();
        for (range, mut suspicion) in concerned {
            suspicion.dead.remove(&worker);
            let verdict = match suspicion.strikes() {
                ..PROBATION => Verdict::Free,
                PROBATION..QUARANTINE => Verdict::Probation,
                strikes => Verdict::Quarantine(strikes),
            };
            freed.push((range.clone(), verdict));
            if suspicion.strikes() == 0 { self.0.remove(range) } else { self.0.insert(range, suspicion) }
        }
        freed
    }
}

/// How workers die, whatever they hold.
#[derive(Debug, Default)]
pub(super) struct Mortality {
    /// Those that ended without a goodbye, and are not back.
    dead: BTreeSet<Identity>,
    /// How long those who are gone were here, in all.
    past: Duration,
    /// When those who are here came: how many, and the sum.
    present: u32,
    arrivals: Duration,
    now: Moment,
}

impl Mortality {
    pub(super) fn came(&mut self, at: Moment) {
        self.now = self.now.max(at);
        self.present += 1;
        self.arrivals += at;
    }

    pub(super) fn went(&mut self, came: Moment, at: Moment) {
        self.now = self.now.max(at);
        self.present -= 1;
        self.arrivals -= came;
        self.past += at.saturating_sub(came);
    }

    pub(super) fn died(&mut self, worker: Identity) {
        self.dead.insert(worker);
    }

    /// A worker is back; whether it was thought dead.
    pub(super) fn rose(&mut self, worker: Identity) -> bool {
        self.dead.remove(&worker)
    }

    /// Whether more workers died of a trial than chance would have it.
    fn is_excess(&self, suspicion: &Suspicion) -> bool {
        let lived =
            self.past.as_secs_f64() + f64::from(self.present) * self.now.as_secs_f64() - self.arrivals.as_secs_f64();
        let elsewhere = self.dead.difference(&suspicion.dead).count() as f64;
        let rate = elsewhere / (lived - suspicion.exposure.as_secs_f64()).max(1e-3);
        let expected = rate * suspicion.exposure.as_secs_f64();
        at_least(suspicion.strikes(), expected) < SIGNIFICANCE
    }
}

/// The chance of `count` events or more where `expected` are expected: the upper tail of a Poisson law.
fn at_least(count: u32, expected: f64) -> f64 {
    let mut term = (-expected).exp();
    let mut below = 0.0;
    for k in 0..count {
        below += term;
        term *= expected / f64::from(k + 1);
    }
    (1.0 - below).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// So many workers, here for so long, of whom so many died of something else.
    fn mortality(workers: u32, seconds: u64, dead: u64) -> Mortality {
        let mut mortality = Mortality::default();
        (0..workers).for_each(|_| mortality.came(Moment::ZERO));
        mortality.now = second(seconds);
        (1000..1000 + dead).for_each(|worker| mortality.died(Identity(worker)));
        mortality
    }

    fn verdicts(mortality: &Mortality, held: Duration) -> Vec<Verdict> {
        let mut suspects = Suspects::default();
        (1..=4).map(|worker| suspects.died(0..10, Identity(worker), held, mortality)[0].1).collect()
    }

    #[test]
    fn three_workers_that_die_of_nothing_else_condemn_a_shard() {
        let verdicts = verdicts(&mortality(4, 60, 0), second(1));
        assert_eq!(verdicts, [Verdict::Free, Verdict::Probation, Verdict::Quarantine(3), Verdict::Quarantine(4)]);
    }

    #[test]
    fn where_workers_die_all_the_time_three_deaths_condemn_nothing() {
        // A death a second among four workers: a shard that each held for a second is hit thrice by chance.
        assert_eq!(verdicts(&mortality(4, 60, 60), second(1))[3], Verdict::Probation);
        // But a hundred workers that lived for a day, one of which died: three deaths within seconds are no chance.
        assert_eq!(verdicts(&mortality(100, 86_400, 1), second(1))[2], Verdict::Quarantine(3));
    }

    #[test]
    fn a_worker_that_comes_back_did_not_die() {
        let mut suspects = Suspects::default();
        let mortality = mortality(4, 60, 0);
        suspects.died(0..10, Identity(1), second(1), &mortality);
        suspects.died(5..20, Identity(2), second(1), &mortality);
        assert_eq!((suspects.piece(4), suspects.piece(5), suspects.piece(20)), (Some(10), Some(15), None));
        assert_eq!(suspects.forgive(Identity(2)), [(5..10, Verdict::Free), (10..20, Verdict::Free)]);
        assert_eq!(suspects.piece(15), None);
        let verdicts = suspects.died(0..10, Identity(3), second(1), &mortality);
        assert!(verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Probation), "{verdicts:?}");
    }

    #[test]
    fn a_kernel_that_fails_thrice_needs_no_statistics() {
        let mut suspects = Suspects::default();
        let verdicts = [(); 3].map(|()| suspects.failed(3..4)[0].1);
        assert_eq!(verdicts, [Verdict::Free, Verdict::Probation, Verdict::Quarantine(3)]);
    }

    #[test]
    fn the_tail_of_a_poisson_law() {
        // scipy.stats.poisson.sf(2, 0.5), sf(0, 1).
        assert!((at_least(3, 0.5) - 0.014_387_677_966_970_6).abs() < 1e-12);
        assert!((at_least(1, 1.0) - 0.632_120_558_828_557_7).abs() < 1e-12);
        assert_eq!(at_least(3, 0.0), 0.0);
    }
}
