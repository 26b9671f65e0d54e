//! What a feed knows: the trials that wait, those in the walkers' hands, and what the walkers are asked.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use taugrid_escape::walk::{Checkpoint, Start};
use taugrid_results::{Ranges, Row, TrialCheckpoint};

use crate::holdings::{Tenure, TenureId};
use crate::pool::{Ended, Ticket};

/// One walker's place among the hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HandId(usize);

#[derive(Default)]
pub(super) struct State {
    /// Trials that nobody has begun, in the order in which they will be.
    waiting: VecDeque<(TenureId, Range<u64>)>,
    /// Where some of them go on.
    from: HashMap<u64, Checkpoint>,
    /// Steps that trials in hand had behind them when they came: taken elsewhere.
    resumed: HashMap<u64, u64>,
    open: Vec<Open>,
    hands: Vec<Option<Hand>>,
    requests: Vec<Request>,
    /// Threads that walk, or are about to.
    pub(super) walkers: usize,
    /// Whether any has come yet.
    pub(super) touched: bool,
    /// Thread time so far, and the steps taken in it.
    busy: Duration,
    steps: u64,
}

/// A lease with trials that wait or are in hand.
pub(super) struct Open {
    tenure: Arc<Tenure>,
    /// Its trials, but for those that were dropped.
    trials: Ranges,
    unfinished: u64,
}

/// One walker's trials.
#[derive(Default)]
struct Hand {
    /// How many of which lease.
    holds: Vec<(TenureId, u64)>,
    asked: VecDeque<Asked>,
    /// What the walker is at this moment giving up.
    answering: Option<Asked>,
}

#[derive(Clone)]
struct Asked {
    wish: Arc<Wish>,
    ticket: Option<Ticket>,
}

/// What a walker is asked to give up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// These trials, as far as it has them.
    Some(Ranges),
    /// All it has.
    All,
}

/// Something all walkers are asked, until all have answered.
pub(super) struct Request {
    pub(super) ticket: Ticket,
    outstanding: usize,
    pub(super) trials: Ranges,
    pub(super) checkpoints: Vec<TrialCheckpoint>,
}

impl State {
    pub(super) fn add(&mut self, tenure: Arc<Tenure>, trials: Range<u64>, from: Vec<Checkpoint>) {
        self.waiting.push_back((tenure.id, trials.clone()));
        self.from.extend(from.into_iter().map(|checkpoint| (checkpoint.trial, checkpoint)));
        let unfinished = trials.end - trials.start;
        self.open.push(Open { tenure, trials: trials.into(), unfinished });
    }

    pub(super) fn overlaps(&self, trials: &Range<u64>) -> bool {
        self.open.iter().any(|open| open.trials.overlaps(trials))
    }

    pub(super) fn open(&self, tenure: TenureId) -> Option<&Open> {
        self.open.iter().find(|open| open.tenure.id == tenure)
    }

    pub(super) fn waiting_count(&self) -> u64 {
        self.waiting.iter().map(|(_, range)| range.end - range.start).sum()
    }

    /// The lease whose trials are next.
    pub(super) fn first_waiting(&self) -> Option<TenureId> {
        self.waiting.front().map(|(tenure, _)| *tenure)
    }

    /// Those of the trials `left` of a lease that walkers have.
    pub(super) fn in_hand(&self, tenure: TenureId, left: &Ranges) -> Ranges {
        let Some(open) = self.open(tenure) else { return Ranges::new() };
        let mut in_hand = left.intersection(&open.trials);
        let waiting = self.waiting.iter().filter(|(id, _)| *id == tenure);
        waiting.for_each(|(_, range)| in_hand.remove(range));
        in_hand
    }

    /// A walker comes.
    pub(super) fn enter(&mut self) -> HandId {
        self.touched = true;
        let hand = Some(Hand::default());
        match self.hands.iter().position(Option::is_none) {
            Some(free) => {
                self.hands[free] = hand;
                HandId(free)
            }
            None => {
                self.hands.push(hand);
                HandId(self.hands.len() - 1)
            }
        }
    }

    /// A walker goes: the leases it had trials of (it has none but if it panicked), and the requests that only it had yet
    /// to answer.
    pub(super) fn leave(&mut self, id: HandId) -> (Vec<TenureId>, Vec<Request>) {
        let Some(mut hand) = self.hands.get_mut(id.0).and_then(Option::take) else { return Default::default() };
        let asked = hand.answering.take().into_iter().chain(hand.asked);
        let answered = asked.filter_map(|asked| self.count_answer(asked.ticket)).collect();
        let lost: Vec<_> = hand.holds.iter().filter(|(_, count)| *count > 0).copied().collect();
        lost.iter().for_each(|&(tenure, count)| self.finish(tenure, count));
        (lost.into_iter().map(|(tenure, _)| tenure).collect(), answered)
    }

    /// The next trial that waits, into a walker's hand.
    pub(super) fn take(&mut self, id: HandId) -> Option<Start> {
        let (tenure, range) = self.waiting.front_mut()?;
        let (tenure, trial) = (*tenure, range.next()?);
        if range.is_empty() {
            self.waiting.pop_front();
        }
        if let Some(hand) = self.hands.get_mut(id.0).and_then(Option::as_mut) {
            match hand.holds.iter_mut().find(|(id, _)| *id == tenure) {
                Some((_, count)) => *count += 1,
                None => hand.holds.push((tenure, 1)),
            }
        }
        let from = if self.from.is_empty() { None } else { self.from.remove(&trial) };
        if let Some(from) = &from {
            self.resumed.insert(trial, from.steps);
        }
        Some(Start { trial, from })
    }

    /// Drops trials of a lease that wait, `most` of them at most, from the end.
    pub(super) fn drop_waiting(&mut self, tenure: TenureId, which: Option<&Ranges>, mut most: u64) -> Ranges {
        let mut dropped = Ranges::new();
        let mut kept = VecDeque::with_capacity(self.waiting.len());
        while let Some((id, range)) = self.waiting.pop_back() {
            if id != tenure {
                kept.push_front((id, range));
                continue;
            }
            let waiting = Ranges::from(range);
            let candidates = which.map_or_else(|| waiting.clone(), |which| which.intersection(&waiting));
            let chosen = super::last(&candidates, most);
            most -= chosen.count();
            waiting.minus(&chosen).iter().rev().for_each(|range| kept.push_front((id, range)));
            dropped.extend(chosen.iter());
        }
        self.waiting = kept;
        self.drop_trials(tenure, &dropped);
        dropped
    }

    /// Drops all that waits.
    pub(super) fn drop_all_waiting(&mut self) {
        for (tenure, range) in std::mem::take(&mut self.waiting) {
            self.drop_trials(tenure, &range.into());
        }
    }

    fn drop_trials(&mut self, tenure: TenureId, trials: &Ranges) {
        if !self.from.is_empty() {
            self.from.retain(|trial, _| !trials.contains(*trial));
        }
        if let Some(open) = self.open.iter_mut().find(|open| open.tenure.id == tenure) {
            open.trials.subtract(trials);
        }
        self.finish(tenure, trials.count());
    }

    fn finish(&mut self, tenure: TenureId, trials: u64) {
        if let Some(index) = self.open.iter().position(|open| open.tenure.id == tenure) {
            self.open[index].unfinished = self.open[index].unfinished.saturating_sub(trials);
            if self.open[index].unfinished == 0 {
                self.open.swap_remove(index);
            }
        }
    }

    /// Asks all walkers for something; whether an answer to `ticket` is to be waited for.
    pub(super) fn ask(&mut self, wish: Wish, ticket: Option<Ticket>) -> bool {
        if wish == Wish::Some(Ranges::new()) {
            return false;
        }
        let asked = Asked { wish: Arc::new(wish), ticket };
        let mut outstanding = 0;
        for hand in self.hands.iter_mut().flatten() {
            hand.asked.push_back(asked.clone());
            outstanding += 1;
        }
        let (Some(ticket), true) = (ticket, outstanding > 0) else { return false };
        self.requests.push(Request { ticket, outstanding, trials: Ranges::new(), checkpoints: Vec::new() });
        true
    }

    /// A walker looked up after so much time and so many steps: the request that it was the last to answer by what it gave
    /// up since it looked up before, and what it is asked next.
    pub(super) fn look_up(&mut self, id: HandId, time: Duration, steps: u64) -> (Option<Request>, Option<Arc<Wish>>) {
        self.busy += time;
        self.steps += steps;
        let Some(hand) = self.hands.get_mut(id.0).and_then(Option::as_mut) else { return (None, None) };
        let answered = hand.answering.take();
        hand.answering = hand.asked.pop_front();
        let wish = hand.answering.as_ref().map(|asked| Arc::clone(&asked.wish));
        (answered.and_then(|asked| self.count_answer(asked.ticket)), wish)
    }

    fn count_answer(&mut self, ticket: Option<Ticket>) -> Option<Request> {
        let ticket = ticket?;
        let index = self.requests.iter().position(|request| request.ticket == ticket)?;
        self.requests[index].outstanding -= 1;
        (self.requests[index].outstanding == 0).then(|| self.requests.swap_remove(index))
    }

    /// A walker gave up trials, of which `shown` are worth showing; those that no request asked for.
    pub(super) fn give(&mut self, id: HandId, trials: &[u64], shown: Vec<TrialCheckpoint>) -> Vec<TrialCheckpoint> {
        for &trial in trials {
            if let Some(tenure) = self.owner(trial) {
                self.let_go(id, tenure, trial);
                self.drop_trials(tenure, &(trial..trial.saturating_add(1)).into());
            }
        }
        let asked = self.hands.get(id.0).and_then(Option::as_ref).and_then(|hand| hand.answering.as_ref());
        let Some(asked) = asked else { return shown };
        let request = self.requests.iter_mut().find(|request| Some(request.ticket) == asked.ticket);
        match (&*asked.wish, request) {
            (Wish::All, _) => return shown,
            (Wish::Some(_), None) => {}
            (Wish::Some(_), Some(request)) => {
                request.trials.extend(trials.iter().map(|&trial| trial..trial.saturating_add(1)));
                request.checkpoints.extend(shown);
            }
        }
        Vec::new()
    }

    /// Trials of a walker ended: their rows, lease by lease.
    pub(super) fn end(&mut self, id: HandId, mut rows: Vec<Row>) -> Vec<Ended> {
        let mut all = Vec::new();
        while let Some(trial) = rows.first().map(|row| row.record.trial) {
            let of = |open: &Open| Some((Arc::clone(&open.tenure), open.trials.around(trial)?));
            // A walker has trials of open leases alone.
            let Some((tenure, range)) = self.open.iter().find_map(of) else {
                rows.swap_remove(0);
                continue;
            };
            let is_theirs = |row: &Row| range.contains(&row.record.trial);
            // Nearly always all of them are.
            let (theirs, rest) =
                if rows.iter().all(is_theirs) { (rows, Vec::new()) } else { rows.into_iter().partition(is_theirs) };
            rows = rest;
            all.push(self.end_of_lease(id, tenure, theirs));
        }
        all
    }

    fn end_of_lease(&mut self, id: HandId, tenure: Arc<Tenure>, rows: Vec<Row>) -> Ended {
        let mut steps: u64 = rows.iter().map(|row| row.record.steps).sum();
        if !self.resumed.is_empty() {
            let elsewhere = rows.iter().filter_map(|row| self.resumed.remove(&row.record.trial));
            steps = steps.saturating_sub(elsewhere.sum());
        }
        let trials = rows.len() as u64;
        if let Some(hand) = self.hands.get_mut(id.0).and_then(Option::as_mut) {
            hand.let_go(tenure.id, trials);
        }
        self.finish(tenure.id, trials);
        let busy = Duration::try_from_secs_f64(self.a_step() * steps as f64).unwrap_or(Duration::MAX);
        Ended { tenure, rows, busy }
    }

    /// Trials that walkers have.
    #[cfg(test)]
    pub(super) fn in_hand_count(&self) -> u64 {
        self.hands.iter().flatten().flat_map(|hand| &hand.holds).map(|(_, count)| count).sum()
    }

    fn owner(&self, trial: u64) -> Option<TenureId> {
        self.open.iter().find(|open| open.trials.contains(trial)).map(|open| open.tenure.id)
    }

    fn let_go(&mut self, id: HandId, tenure: TenureId, trial: u64) {
        self.resumed.remove(&trial);
        if let Some(hand) = self.hands.get_mut(id.0).and_then(Option::as_mut) {
            hand.let_go(tenure, 1);
        }
    }

    /// Thread time that a step of one trial takes, in seconds.
    pub(super) fn a_step(&self) -> f64 {
        self.busy.as_secs_f64() / self.steps.max(1) as f64
    }
}

impl Hand {
    fn let_go(&mut self, tenure: TenureId, trials: u64) {
        if let Some(index) = self.holds.iter().position(|(id, _)| *id == tenure) {
            self.holds[index].1 = self.holds[index].1.saturating_sub(trials);
            if self.holds[index].1 == 0 {
                self.holds.swap_remove(index);
            }
        }
    }
}
