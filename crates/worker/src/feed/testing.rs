//! Trials whose length is known beforehand.

use taugrid_escape::walk::{
    Advance, Checkpoint, CheckpointError, Outcome, Queue, Simulation, Start, TrialRecord, Walker,
};

/// A trial that never ends by itself.
pub(crate) const ENDLESS: u64 = u64::MAX;

/// Trials that walk a step in each go of their walker.
pub(crate) struct Scripted {
    pub(crate) lanes: usize,
    /// The steps of each trial.
    pub(crate) length: fn(u64) -> u64,
    /// The kernel panics as soon as it has this one in hand.
    pub(crate) panics: Option<u64>,
}

impl Scripted {
    pub(crate) fn new(lanes: usize, length: fn(u64) -> u64) -> Self {
        Self { lanes, length, panics: None }
    }
}

impl Simulation for Scripted {
    fn lanes(&self) -> usize {
        self.lanes
    }

    fn walker(&self) -> Box<dyn Walker + '_> {
        Box::new(ScriptedWalker { script: self, hand: Vec::new() })
    }

    fn checkpoint_bytes(&self) -> usize {
        size_of::<u64>()
    }

    fn check(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        if checkpoint.state == checkpoint.steps.to_le_bytes() { Ok(()) } else { Err(CheckpointError::Value) }
    }
}

struct ScriptedWalker<'a> {
    script: &'a Scripted,
    /// Trials and their steps.
    hand: Vec<(u64, u64)>,
}

impl Walker for ScriptedWalker<'_> {
    fn advance(&mut self, queue: &dyn Queue, finished: &mut Vec<TrialRecord>) -> Advance {
        while self.hand.len() < self.script.lanes
            && let Some(Start { trial, from }) = queue.next()
        {
            self.hand.push((trial, from.map_or(0, |from| from.steps)));
        }
        if let Some(bad) = self.script.panics.filter(|bad| self.hand.iter().any(|(trial, _)| trial == bad)) {
            panic!("trial {bad} is bad");
        }
        let steps = self.hand.len() as u64;
        self.hand.iter_mut().for_each(|(_, steps)| *steps += 1);
        let ended = self.hand.extract_if(.., |(trial, steps)| *steps >= (self.script.length)(*trial));
        finished.extend(ended.map(|(trial, steps)| TrialRecord {
            trial,
            outcome: Outcome::Exited,
            steps,
            exit_loss: 1.0,
            exit_radius: 1.0,
        }));
        Advance { steps, idle: steps == 0 }
    }

    fn checkpoint(&self, into: &mut Vec<Checkpoint>) {
        into.extend(self.hand.iter().copied().map(checkpoint));
    }

    fn release(&mut self, leaves: &dyn Fn(u64) -> bool, into: &mut Vec<Checkpoint>) {
        into.extend(self.hand.extract_if(.., |(trial, _)| leaves(*trial)).map(checkpoint));
    }
}

fn checkpoint((trial, steps): (u64, u64)) -> Checkpoint {
    Checkpoint { trial, steps, state: steps.to_le_bytes().to_vec() }
}
