//! The directions in which the search along ∂D begins.

/// Where a search along the boundary began: on the ray from θ* in this direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Along a coordinate axis, an eigenvector of C.
    Axis {
        /// Which coordinate.
        coordinate: usize,
        /// In the direction in which it grows.
        positive: bool,
    },
    /// Along the caller's direction of this index.
    Given(usize),
    /// Along the random direction of this index.
    Random(usize),
}

/// All starts with their directions: ± every axis if `axes`, those given, `random` of the seed's.
pub(super) fn starts(dim: usize, axes: bool, given: &[Vec<f64>], random: usize, seed: u64) -> Vec<(Start, Vec<f64>)> {
    let mut all = vec![];
    for coordinate in 0..if axes { dim } else { 0 } {
        for positive in [true, false] {
            let mut direction = vec![0.0; dim];
            direction[coordinate] = if positive { 1.0 } else { -1.0 };
            all.push((Start::Axis { coordinate, positive }, direction));
        }
    }
    all.extend(given.iter().enumerate().map(|(i, direction)| (Start::Given(i), direction.clone())));
    let mut state = seed;
    for i in 0..random {
        let direction = (0..dim).map(|_| roughly_normal(&mut state)).collect();
        all.push((Start::Random(i), direction));
    }
    all
}

/// Twelve uniforms less 6: of variance 1 and near enough to normal for a direction, without a logarithm whose last bit
/// would differ from machine to machine.
fn roughly_normal(state: &mut u64) -> f64 {
    (0..12).map(|_| (split_mix(state) >> 11) as f64 / (1u64 << 53) as f64).sum::<f64>() - 6.0
}

/// SplitMix64 (Steele, Lea & Flood 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
