//! One trial at a time on any landscape, in f64: the plain path, for what no kernel is written for.

use std::sync::Arc;

use super::checkpoint::{Reader, Writer, check_steps};
use super::{Advance, Checkpoint, CheckpointError, Outcome, Queue, Simulation, TrialRecord, Walker, one_nan};
use crate::domain::Boundary;
use crate::dynamics::{State, Step};
use crate::landscape::Landscape;
use crate::rng::{Stream, StreamKey};

/// A cell with its landscape and dynamics known to the compiler.
pub(crate) struct ScalarWalk<L, S> {
    pub(crate) landscape: Arc<L>,
    pub(crate) step: S,
    pub(crate) boundary: Boundary,
    /// Whether the boundary is drawn in, for exits between steps.
    pub(crate) drawn_in: bool,
    /// √α: z for each unit of x.
    pub(crate) stretch: f64,
    /// A sublevel set is tested at every so manieth step; see [`CellProblem`](crate::problem::CellProblem).
    pub(crate) check_every: u64,
    /// β, which makes a base excess loss one of L_αβ.
    pub(crate) beta: f64,
    pub(crate) max_steps: u64,
    pub(crate) key: StreamKey,
}

impl<L: Landscape, S: Step<L>> Simulation for ScalarWalk<L, S> {
    fn lanes(&self) -> usize {
        1
    }

    fn check(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let zeros = vec![0.0; self.landscape.dim()];
        self.read(checkpoint, &mut zeros.clone(), &mut zeros.clone()).map(|_| ())
    }

    fn checkpoint_bytes(&self) -> usize {
        1 + size_of::<[u64; 2]>() + 2 * self.landscape.dim() * size_of::<f64>()
    }

    fn walker(&self) -> Box<dyn Walker + '_> {
        const WORK_BETWEEN_LOOKS: u64 = 1 << 20;
        Box::new(ScalarWalker {
            walk: self,
            state: State::at_minimum(&*self.landscape, Stream::new(self.key, 0)),
            scratch: self.step.scratch(),
            normal: vec![0.0; self.landscape.dim()],
            trial: None,
            steps: 0,
            slice: (WORK_BETWEEN_LOOKS / self.step.work(&self.landscape).max(1)).clamp(1, 1 << 16),
        })
    }
}

/// What tells its states from others.
const KIND: u8 = 0x31;

impl<L: Landscape, S: Step<L>> ScalarWalk<L, S> {
    /// Reads x and z of a trial under way; its stream.
    fn read(&self, checkpoint: &Checkpoint, x: &mut [f64], z: &mut [f64]) -> Result<Stream, CheckpointError> {
        check_steps(checkpoint.steps, self.max_steps)?;
        let mut reader = Reader::new(KIND, &checkpoint.state)?;
        let drawn = [reader.take()?, reader.take()?];
        reader.take_finite(x)?;
        reader.take_finite(z)?;
        reader.end()?;
        Ok(Stream::resumed(self.key, checkpoint.trial, drawn))
    }
}

struct ScalarWalker<'a, L: Landscape, S: Step<L>> {
    walk: &'a ScalarWalk<L, S>,
    state: State<L>,
    scratch: S::Scratch,
    /// The outward normal, of any length, where the boundary is drawn in.
    normal: Vec<f64>,
    trial: Option<u64>,
    steps: u64,
    slice: u64,
}

impl<L: Landscape, S: Step<L>> Walker for ScalarWalker<'_, L, S> {
    fn advance(&mut self, queue: &dyn Queue, finished: &mut Vec<TrialRecord>) -> Advance {
        let mut left = self.slice;
        while left > 0 {
            let Some(trial) = self.trial.or_else(|| self.begin(queue)) else { break };
            let steps = left.min(self.walk.max_steps - self.steps);
            let before = self.steps;
            let record = self.go(trial, steps);
            left -= self.steps - before;
            if let Some(record) = record {
                finished.push(record);
                self.trial = None;
            }
        }
        Advance { steps: self.slice - left, idle: self.trial.is_none() && left > 0 }
    }

    fn checkpoint(&self, into: &mut Vec<Checkpoint>) {
        into.extend(self.trial.map(|trial| self.write(trial)));
    }

    fn release(&mut self, leaves: &dyn Fn(u64) -> bool, into: &mut Vec<Checkpoint>) {
        let leaving = self.trial.take_if(|trial| leaves(*trial));
        into.extend(leaving.map(|trial| self.write(trial)));
    }
}

impl<L: Landscape, S: Step<L>> ScalarWalker<'_, L, S> {
    fn begin(&mut self, queue: &dyn Queue) -> Option<u64> {
        let start = queue.next()?;
        self.trial = Some(start.trial);
        self.steps = 0;
        let State { x, z, stream, .. } = &mut self.state;
        match start.from.map(|from| (from.steps, self.walk.read(&from, x, z))) {
            Some((steps, Ok(resumed))) => {
                *stream = resumed;
                self.steps = steps;
            }
            Some((_, Err(_))) | None => self.state.restart(Stream::new(self.walk.key, start.trial)),
        }
        self.trial
    }

    fn write(&self, trial: u64) -> Checkpoint {
        let mut writer = Writer::new(KIND, self.walk.checkpoint_bytes());
        writer.put_all(self.state.stream.drawn());
        writer.put_all(self.state.x.iter().copied());
        writer.put_all(self.state.z.iter().copied());
        Checkpoint { trial, steps: self.steps, state: writer.into_bytes() }
    }

    /// Goes on for so many steps, at least one. The record, if the trial ended.
    fn go(&mut self, trial: u64, steps: u64) -> Option<TrialRecord> {
        for _ in 0..steps {
            self.walk.step.step(&self.walk.landscape, &mut self.state, &mut self.scratch);
            self.steps += 1;
            if self.has_left() {
                return Some(self.record(trial, true));
            }
        }
        (self.steps == self.walk.max_steps).then(|| self.record(trial, false))
    }

    fn has_left(&mut self) -> bool {
        let value = match self.walk.boundary {
            Boundary::SquaredRadius(_) => squared_norm(&self.state.x),
            Boundary::BaseExcess(_) if !self.steps.is_multiple_of(self.walk.check_every) => return false,
            Boundary::BaseExcess(_) => self.walk.landscape.excess_loss(&self.state.z, &mut self.state.workspace),
        };
        if !self.walk.drawn_in {
            return self.walk.boundary.left(value);
        }
        let spread = self.spread();
        self.walk.boundary.left_drawn_in(value, spread)
    }

    /// The s.d. of a step's noise along the gradient of what the boundary bounds, times its length.
    fn spread(&mut self) -> f64 {
        let (landscape, state) = (&*self.walk.landscape, &mut self.state);
        match self.walk.boundary {
            Boundary::SquaredRadius(_) => self.normal.copy_from_slice(&state.x),
            Boundary::BaseExcess(_) => {
                landscape.gradient(&state.z, &mut self.normal, &mut state.workspace);
                self.normal.iter_mut().for_each(|slope| *slope *= self.walk.stretch);
            }
        }
        self.walk.step.spread(landscape, state, &self.normal, &mut self.scratch)
    }

    fn record(&mut self, trial: u64, left: bool) -> TrialRecord {
        let excess = self.walk.landscape.excess_loss(&self.state.z, &mut self.state.workspace);
        let exit_loss = one_nan(self.walk.beta * excess);
        let exit_radius = one_nan(squared_norm(&self.state.x).sqrt());
        let outcome = Outcome::of(left, exit_loss, exit_radius);
        TrialRecord { trial, outcome, steps: self.steps, exit_loss, exit_radius }
    }
}

fn squared_norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum()
}
