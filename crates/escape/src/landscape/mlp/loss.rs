//! What the network's outputs are held against their labels by.

/// ℓ, the loss of one example with outputs f ∈ R^C and label y.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// (1/C) Σ_c (f_c − \[c = y\])²: PyTorch's `MSELoss` against one-hot targets.
    MeanSquared,
    /// −log softmax(f)_y = log Σ_c exp f_c − f_y, the logarithm to base e: PyTorch's `CrossEntropyLoss`.
    CrossEntropy,
}
