//! How many examples the network puts into their own class.

use super::chunks;
use super::model::{Model, Workspace};

impl Model {
    /// The share of the examples whose largest output is that of their class. Ties go to the first class; an example with
    /// an output that is not a number is in none.
    ///
    /// # Panics
    /// Unless θ has length [`dim`](Self::dim).
    pub fn accuracy(&self, theta: &[f64], workspace: &mut Workspace) -> f64 {
        let Workspace { parameters, slots, .. } = workspace;
        self.pack(parameters, theta);
        let mut correct = 0;
        chunks::for_each(
            self.examples().len(),
            slots,
            |slot, chunk| {
                slot.correct = 0;
                slot.blocks(self.examples(), chunk, |slot| {
                    slot.block.forward(parameters);
                    slot.correct += slot.block.count_correct();
                });
            },
            |slot| correct += slot.correct,
        );
        correct as f64 / self.examples().len() as f64
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::data::Examples;
    use crate::landscape::mlp::{Activation, Loss, Model, Shape};

    /// f = (t₀, t₁) of the inputs' positive parts: the class is that of the larger input.
    const THETA: [f64; 12] = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0];

    /// The same with either loss.
    fn accuracy(theta: &[f64], examples: u32) -> f64 {
        let [squared, entropy] =
            [Loss::MeanSquared, Loss::CrossEntropy].map(|loss| accuracy_with(loss, theta, examples));
        assert_eq!(squared, entropy);
        squared
    }

    fn accuracy_with(loss: Loss, theta: &[f64], examples: u32) -> f64 {
        let inputs = (0..examples).flat_map(|i| [f64::from(i % 3), 1.5]).collect();
        let labels = (0..examples).map(|i| u32::from(i % 3 == 2)).collect();
        let examples = Examples::new(inputs, labels, 2, 2).expect("valid");
        let shape = Shape { inputs: 2, hidden: 2, classes: 2 };
        let model = Model::new(shape, Activation::Relu, loss, 0.0, Arc::new(examples)).expect("valid");
        let alone = model.accuracy(theta, &mut model.workspace());
        assert_eq!(alone, model.accuracy(theta, &mut model.workspace_of(3)));
        alone
    }

    #[test]
    fn the_largest_output_decides() {
        // Outputs (0, 1.5), (1, 1.5), (2, 1.5) of classes 0, 0, 1: all wrong; with the outputs exchanged, all right.
        assert_eq!(accuracy(&THETA, 999), 0.0);
        let exchanged = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0];
        assert_eq!(accuracy(&exchanged, 999), 1.0);
    }

    #[test]
    fn ties_go_to_the_first_class_and_nan_to_none() {
        assert_eq!(accuracy(&[0.0; 12], 999), 2.0 / 3.0);
        assert_eq!(accuracy(&[f64::NAN; 12], 999), 0.0);
    }
}
