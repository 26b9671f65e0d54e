//! Test data: a small generator of its own, so that no test of the statistics rests on the core's random streams.

/// SplitMix64 (Steele, Lea & Flood 2014).
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform on (0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// An exponential time with the given mean, seen on whole steps: ⌈T⌉ ≥ 1.
    pub(crate) fn exponential_steps(&mut self, mean: f64) -> u64 {
        (-self.uniform().ln() * mean).ceil() as u64
    }
}
