//! Training by minibatch SGD, Eq. 1: θ ← θ − η ∇L_B(θ), as the dynamics `sgd` does it, in f64 and from any θ.

use crate::dynamics::sgd::Minibatches;
use crate::landscape::mlp::{Model, model::Workspace};
use crate::rng::Stream;

/// SGD under way. Its path is a pure function of the model, the first θ, η, B and the stream.
pub struct MinibatchRun<'m> {
    model: &'m Model,
    learning_rate: f64,
    theta: Vec<f64>,
    gradient: Vec<f64>,
    workspace: Workspace,
    batches: Minibatches,
    batch: Vec<u32>,
    stream: Stream,
    steps: u64,
}

impl<'m> MinibatchRun<'m> {
    /// A run from `theta` with B = `batch_size` examples a step, drawn anew for each and without replacement within it.
    /// `None` unless 1 ≤ B ≤ N.
    ///
    /// # Panics
    /// Unless `theta` has the model's length.
    pub fn new(model: &'m Model, theta: Vec<f64>, learning_rate: f64, batch_size: u64, stream: Stream) -> Option<Self> {
        assert_eq!(theta.len(), model.dim(), "a vector of another length than theta");
        let examples = u32::try_from(model.examples().len()).ok()?;
        let batch_size = u32::try_from(batch_size).ok().filter(|b| (1..=examples).contains(b))?;
        Some(Self {
            model,
            learning_rate,
            theta,
            gradient: vec![0.0; model.dim()],
            workspace: model.workspace(),
            batches: Minibatches::of(examples),
            batch: vec![0; batch_size as usize],
            stream,
            steps: 0,
        })
    }

    /// θ as it is now.
    pub fn theta(&self) -> &[f64] {
        &self.theta
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Steps of an epoch, ⌈N/B⌉: as many as a pass over the data takes.
    pub fn steps_per_epoch(&self) -> u64 {
        self.model.examples().len().div_ceil(self.batch.len()) as u64
    }

    /// One step.
    pub fn step(&mut self) {
        let Self { batches, batch, stream, .. } = self;
        batches.draw(batch, |n| stream.below(n));
        self.model.minibatch_gradient(&self.theta, &self.batch, &mut self.gradient, &mut self.workspace);
        for (theta, slope) in self.theta.iter_mut().zip(&self.gradient) {
            *theta -= self.learning_rate * slope;
        }
        self.steps += 1;
    }

    /// An epoch of steps. `stop` is asked before each; false if it said so.
    #[must_use]
    pub fn epoch(&mut self, stop: &dyn Fn() -> bool) -> bool {
        for _ in 0..self.steps_per_epoch() {
            if stop() {
                return false;
            }
            self.step();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::Arc;

    use super::*;
    use crate::data::Examples;
    use crate::landscape::mlp::{Activation, Loss, Shape};
    use crate::rng::StreamKey;
    use crate::training;

    const SHAPE: Shape = Shape { inputs: 2, hidden: 5, classes: 2 };

    fn model() -> Model {
        let inputs = (0..62).map(|k| (f64::from(k) * 0.7).sin()).collect::<Vec<_>>();
        let labels = inputs.chunks(2).map(|x| u32::from(x[0] + 0.3 * x[1] > 0.2)).collect();
        let examples = Examples::new(inputs, labels, 2, 2).expect("valid");
        Model::new(SHAPE, Activation::Tanh, Loss::MeanSquared, 0.001, Arc::new(examples)).expect("valid")
    }

    fn stream(index: u64) -> Stream {
        Stream::new(StreamKey::derive(1, 2), index)
    }

    fn first_theta() -> Vec<f64> {
        let mut stream = stream(9);
        SHAPE.initial_parameters(|| stream.uniform())
    }

    #[test]
    fn with_all_examples_it_is_gradient_descent() {
        let model = model();
        let mut run = MinibatchRun::new(&model, first_theta(), 0.3, 31, stream(0)).expect("B = N");
        assert_eq!(run.steps_per_epoch(), 1);
        (0..50).for_each(|_| assert!(run.epoch(&|| false)));
        let quiet = &mut |_| ControlFlow::Continue(());
        let descent = training::train(&model, first_theta(), 50, 0.3, quiet).expect("converges");
        let distance = run.theta().iter().zip(&descent.theta).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(distance < 1e-12, "{distance}");
    }

    #[test]
    fn its_path_follows_from_its_stream_and_it_learns() {
        let model = model();
        let run = |index| {
            let mut run = MinibatchRun::new(&model, first_theta(), 0.1, 4, stream(index)).expect("B < N");
            assert_eq!(run.steps_per_epoch(), 8);
            (0..100).for_each(|_| assert!(run.epoch(&|| false)));
            assert_eq!(run.steps(), 800);
            run.theta().to_vec()
        };
        let theta = run(0);
        assert_eq!(theta, run(0));
        assert_ne!(theta, run(1));
        let mut workspace = model.workspace();
        let [before, after] = [&first_theta(), &theta].map(|theta| model.loss(theta, &mut workspace));
        assert!(after < 0.7 * before, "{after} from {before}");
    }

    #[test]
    fn it_stops_between_steps_and_refuses_impossible_batches() {
        let model = model();
        let mut run = MinibatchRun::new(&model, first_theta(), 0.1, 1, stream(0)).expect("B = 1");
        assert!(!run.epoch(&|| true));
        assert_eq!(run.steps(), 0);
        for batch_size in [0, 32, u64::MAX] {
            assert!(MinibatchRun::new(&model, first_theta(), 0.1, batch_size, stream(0)).is_none());
        }
    }
}
