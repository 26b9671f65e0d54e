//! The network's shape, the layout of θ, and the way from and to PyTorch's tensors.

use super::MlpError;

/// inputs → hidden → classes, one hidden layer, with biases.
///
/// θ is laid out as W₁ `[inputs][hidden]`, b₁ `[hidden]`, W₂ `[classes][hidden]`, b₂ `[classes]`, each row-major, so
/// that a row always runs over the hidden units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Features of an example.
    pub inputs: usize,
    /// Hidden units.
    pub hidden: usize,
    /// Outputs: one for each class.
    pub classes: usize,
}

/// The parameters as a PyTorch state dictionary holds them, each row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensors {
    /// `fc1.weight`, `[hidden, inputs]`.
    pub fc1_weight: Vec<f64>,
    /// `fc1.bias`, `[hidden]`.
    pub fc1_bias: Vec<f64>,
    /// `fc2.weight`, `[classes, hidden]`.
    pub fc2_weight: Vec<f64>,
    /// `fc2.bias`, `[classes]`.
    pub fc2_bias: Vec<f64>,
}

/// The four parts of θ, borrowed.
struct Parts<'a> {
    w1: &'a [f64],
    b1: &'a [f64],
    w2: &'a [f64],
    b2: &'a [f64],
}

impl Shape {
    /// d, the length of θ.
    pub fn parameters(&self) -> usize {
        (self.inputs + 1 + self.classes) * self.hidden + self.classes
    }

    /// θ's four parts. θ has length [`parameters`](Self::parameters).
    fn parts<'a>(&self, theta: &'a [f64]) -> Parts<'a> {
        let (w1, rest) = theta.split_at(self.inputs * self.hidden);
        let (b1, rest) = rest.split_at(self.hidden);
        let (w2, b2) = rest.split_at(self.classes * self.hidden);
        Parts { w1, b1, w2, b2 }
    }

    /// PyTorch's default initialisation of two `nn.Linear`: weights and biases U(−1/√fan_in, 1/√fan_in).
    ///
    /// `uniform` gives numbers in [0, 1); they are drawn in the order of PyTorch's tensors: `fc1.weight`, `fc1.bias`,
    /// `fc2.weight`, `fc2.bias`.
    pub fn initial_parameters(&self, mut uniform: impl FnMut() -> f64) -> Vec<f64> {
        let mut draw = |count: usize, fan_in: usize| -> Vec<f64> {
            let bound = 1.0 / (fan_in as f64).sqrt();
            (0..count).map(|_| bound * (2.0 * uniform() - 1.0)).collect()
        };
        let tensors = Tensors {
            fc1_weight: draw(self.hidden * self.inputs, self.inputs),
            fc1_bias: draw(self.hidden, self.inputs),
            fc2_weight: draw(self.classes * self.hidden, self.hidden),
            fc2_bias: draw(self.classes, self.hidden),
        };
        self.join(&tensors)
    }

    /// θ from PyTorch's tensors.
    ///
    /// # Errors
    /// [`MlpError::Length`] for a tensor that does not have this shape's length.
    pub fn from_tensors(&self, tensors: &Tensors) -> Result<Vec<f64>, MlpError> {
        for (name, expected, found) in [
            ("fc1.weight", self.hidden * self.inputs, tensors.fc1_weight.len()),
            ("fc1.bias", self.hidden, tensors.fc1_bias.len()),
            ("fc2.weight", self.classes * self.hidden, tensors.fc2_weight.len()),
            ("fc2.bias", self.classes, tensors.fc2_bias.len()),
        ] {
            if found != expected {
                return Err(MlpError::Length { name, expected, found });
            }
        }
        Ok(self.join(tensors))
    }

    /// PyTorch's tensors from θ.
    ///
    /// # Errors
    /// [`MlpError::Length`] unless θ has this shape's length.
    pub fn to_tensors(&self, theta: &[f64]) -> Result<Tensors, MlpError> {
        self.check_length(theta)?;
        let parts = self.parts(theta);
        let mut fc1_weight = vec![0.0; parts.w1.len()];
        for (i, row) in parts.w1.chunks_exact(self.hidden).enumerate() {
            for (h, w) in row.iter().enumerate() {
                fc1_weight[h * self.inputs + i] = *w;
            }
        }
        Ok(Tensors {
            fc1_weight,
            fc1_bias: parts.b1.to_vec(),
            fc2_weight: parts.w2.to_vec(),
            fc2_bias: parts.b2.to_vec(),
        })
    }

    /// Refuses a θ of another length.
    pub(super) fn check_length(&self, theta: &[f64]) -> Result<(), MlpError> {
        let (expected, found) = (self.parameters(), theta.len());
        if expected == found { Ok(()) } else { Err(MlpError::Length { name: "theta", expected, found }) }
    }

    /// θ from tensors of the right lengths.
    fn join(&self, tensors: &Tensors) -> Vec<f64> {
        let mut theta = Vec::with_capacity(self.parameters());
        for i in 0..self.inputs {
            theta.extend((0..self.hidden).map(|h| tensors.fc1_weight[h * self.inputs + i]));
        }
        theta.extend_from_slice(&tensors.fc1_bias);
        theta.extend_from_slice(&tensors.fc2_weight);
        theta.extend_from_slice(&tensors.fc2_bias);
        theta
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { inputs: 2, hidden: 3, classes: 2 };

    #[test]
    fn the_papers_network_has_115_012_parameters() {
        assert_eq!(Shape { inputs: 10, hidden: 5000, classes: 12 }.parameters(), 115_012);
    }

    #[test]
    fn tensors_go_there_and_back() {
        let tensors = Tensors {
            // Unit h weighs input i by 10h + i.
            fc1_weight: vec![0.0, 1.0, 10.0, 11.0, 20.0, 21.0],
            fc1_bias: vec![30.0, 31.0, 32.0],
            fc2_weight: vec![40.0, 41.0, 42.0, 50.0, 51.0, 52.0],
            fc2_bias: vec![60.0, 61.0],
        };
        let theta = SHAPE.from_tensors(&tensors).expect("the right lengths");
        let laid_out =
            [0.0, 10.0, 20.0, 1.0, 11.0, 21.0, 30.0, 31.0, 32.0, 40.0, 41.0, 42.0, 50.0, 51.0, 52.0, 60.0, 61.0];
        assert_eq!(theta, laid_out);
        assert_eq!(SHAPE.to_tensors(&theta).expect("the right length"), tensors);
    }

    #[test]
    fn a_tensor_of_another_length_is_refused() {
        let mut tensors = SHAPE.to_tensors(&[0.0; 17]).expect("the right length");
        tensors.fc2_weight.push(0.0);
        let error = SHAPE.from_tensors(&tensors).expect_err("one too many");
        assert_eq!(error.to_string(), "fc2.weight must hold 6 numbers for this shape, but holds 7");
        assert!(SHAPE.to_tensors(&[0.0; 16]).is_err());
    }

    #[test]
    fn initial_parameters_are_drawn_in_pytorchs_order_within_pytorchs_bounds() {
        let mut next = 0.0;
        let theta = SHAPE.initial_parameters(|| {
            next += 0.05;
            next
        });
        let tensors = SHAPE.to_tensors(&theta).expect("the right length");
        assert_eq!(tensors.fc1_weight[1], (1.0 / 2.0_f64.sqrt()) * (2.0 * 0.1 - 1.0));
        assert!(theta[..9].iter().all(|w| w.abs() <= 1.0 / 2.0_f64.sqrt()));
        assert!(theta[9..].iter().all(|w| w.abs() <= 1.0 / 3.0_f64.sqrt()));
        assert!(tensors.fc1_weight.windows(2).all(|w| w[0] < w[1]));
    }
}
