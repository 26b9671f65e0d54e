//! The runs of a sweep's `training`: minibatch SGD, and what is measured along it (the paper's Figure 1). All of it
//! deterministic.
//!
//! All runs begin at the same θ. Runs of one batch size draw the same minibatches, whatever their learning rate; every
//! measurement begins Lanczos' method and the search of Metric 2.1 with the same random numbers.

use std::fmt;

use taugrid_escape::landscape::mlp::Model;
use taugrid_escape::rng::{Stream, StreamKey};
use taugrid_escape::sharpness::{Profile, ProfileError, Search, profile};
use taugrid_escape::training::minibatch::MinibatchRun;

use crate::prepare::{PrepareError, initial_parameters};
use crate::spec::LandscapeSpec;
use crate::sweep::Sweep;

/// One measurement along one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingPoint {
    /// Which run, from 0, in the order of [`TrainingSpec::runs`](crate::TrainingSpec::runs).
    pub run: u64,
    /// B.
    pub batch_size: u64,
    /// η.
    pub learning_rate: f64,
    /// Epochs trained, from 0.
    pub epoch: u64,
    /// Steps taken, from 0.
    pub step: u64,
    /// ε of the box of Metric 2.1.
    pub epsilon: f64,
    /// What was found there.
    pub profile: Profile,
}

/// How far the training is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingProgress {
    /// Which run, from 1.
    pub run: u64,
    /// Of so many.
    pub runs: u64,
    /// Epochs of it that are over.
    pub epoch: u64,
    /// Of so many.
    pub epochs: u64,
    /// The last measurement.
    pub last: TrainingPoint,
}

impl fmt::Display for TrainingProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, runs, epoch, epochs, last: TrainingPoint { batch_size, learning_rate, profile, .. } } = self;
        write!(f, "run {run}/{runs}, B = {batch_size}, η = {learning_rate}: epoch {epoch}/{epochs}, ")?;
        write!(f, "loss {:.5}, λmax {:.4}, φ {:.4}", profile.loss, profile.lambda_max, profile.keskar.value)
    }
}

/// Why a training has no end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The landscape is none that is trained.
    #[error("the landscape is a {0}; only an mlp is trained")]
    NoNetwork(&'static str),
    /// There is no network to train.
    #[error(transparent)]
    Network(#[from] PrepareError),
    /// A minibatch would need more examples than there are.
    #[error("a batch of {batch_size} cannot be drawn from {examples} examples")]
    BatchSize {
        /// B.
        batch_size: u64,
        /// N.
        examples: usize,
    },
    /// Something is not to be measured: most often the run has diverged.
    #[error("failed to measure the sharpness at epoch {epoch} with batch size {batch_size} and learning rate {learning_rate}: {kind}{}", remedy(.kind))]
    Profile {
        /// B.
        batch_size: u64,
        /// η.
        learning_rate: f64,
        /// Epochs trained by then.
        epoch: u64,
        /// What is the matter.
        kind: ProfileError,
    },
    /// `stop` said so.
    #[error("stopped before the training was over")]
    Stopped,
}

fn remedy(kind: &ProfileError) -> &'static str {
    if *kind == ProfileError::Diverged { "; take a smaller learning rate" } else { "" }
}

/// Streams apart from those of all trials, and from those of the preparation.
const DRAW_MINIBATCHES: u64 = u64::from_be_bytes(*b"batches ");
const DRAW_MEASUREMENT: u64 = u64::from_be_bytes(*b"sharpens");

impl Sweep {
    /// The runs of this sweep's [`training`](Sweep::training), with a measurement before the first epoch, after every
    /// so manieth, and after the last. Runs in rayon's current pool, for as long as it takes: never call it from an async
    /// task. `progress` hears of every epoch; `stop` is asked before each step and gradient.
    ///
    /// # Errors
    /// If the landscape is no mlp, its data cannot be used, a run diverges, or `stop` says so.
    pub fn train(
        &self,
        stop: &dyn Fn() -> bool,
        progress: &mut dyn FnMut(TrainingProgress),
    ) -> Result<Vec<TrainingPoint>, TrainError> {
        let LandscapeSpec::Mlp(mlp) = &self.landscape else {
            return Err(TrainError::NoNetwork(self.landscape.kind()));
        };
        let model = self.network(mlp)?;
        let runs = self.training.runs();
        let mut points = Vec::new();
        for (run, &(batch_size, learning_rate)) in (0..).zip(&runs) {
            let mut tell = |epoch, last| {
                progress(TrainingProgress {
                    run: run + 1,
                    runs: runs.len() as u64,
                    epoch,
                    epochs: self.training.epochs,
                    last,
                });
            };
            let run = Run { sweep: self, model: &model, run, batch_size, learning_rate };
            run.train(stop, &mut tell, &mut points)?;
        }
        Ok(points)
    }
}

/// One run.
struct Run<'a> {
    sweep: &'a Sweep,
    model: &'a Model,
    run: u64,
    batch_size: u64,
    learning_rate: f64,
}

impl Run<'_> {
    fn train(
        &self,
        stop: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(u64, TrainingPoint),
        points: &mut Vec<TrainingPoint>,
    ) -> Result<(), TrainError> {
        let Self { sweep, model, batch_size, learning_rate, .. } = *self;
        let spec = &sweep.training;
        let theta = initial_parameters(model, spec.seed);
        let stream = Stream::new(StreamKey::derive(spec.seed, DRAW_MINIBATCHES), batch_size);
        let examples = model.examples().len();
        let mut sgd = MinibatchRun::new(model, theta, learning_rate, batch_size, stream)
            .ok_or(TrainError::BatchSize { batch_size, examples })?;
        let mut last = self.measure(&sgd, 0, stop)?;
        points.push(last);
        tell(0, last);
        for epoch in 1..=spec.epochs {
            if !sgd.epoch(stop) {
                return Err(TrainError::Stopped);
            }
            if epoch % spec.every == 0 || epoch == spec.epochs {
                last = self.measure(&sgd, epoch, stop)?;
                points.push(last);
            }
            tell(epoch, last);
        }
        Ok(())
    }

    fn measure(
        &self,
        sgd: &MinibatchRun<'_>,
        epoch: u64,
        stop: &dyn Fn() -> bool,
    ) -> Result<TrainingPoint, TrainError> {
        let Self { sweep, model, run, batch_size, learning_rate } = *self;
        let sharpness = sweep.training.sharpness;
        let [iterations, starts] = [sharpness.iterations, sharpness.starts].map(|n| n as usize);
        let search = Search { epsilon: sharpness.epsilon, iterations };
        let stream = Stream::new(StreamKey::derive(sweep.training.seed, DRAW_MEASUREMENT), 0);
        let found = profile(model, sgd.theta(), search, starts, stream, stop).map_err(|kind| match kind {
            ProfileError::Stopped => TrainError::Stopped,
            kind => TrainError::Profile { batch_size, learning_rate, epoch, kind },
        })?;
        let (epsilon, step) = (sharpness.epsilon, sgd.steps());
        Ok(TrainingPoint { run, batch_size, learning_rate, epoch, step, epsilon, profile: found })
    }
}
