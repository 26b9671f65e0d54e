//! One trial's stream: words, uniforms, normals, drawn in order.

use std::convert::Infallible;

use rand::TryRng;

use super::{normal, philox, stable};

/// The key of a family of streams, one stream an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamKey(pub(super) [u32; 2]);

impl StreamKey {
    /// The family for `purpose` under the sweep's seed; a cell's purpose is its key. Derived through Philox itself, so
    /// near-by seeds and purposes give unrelated keys.
    pub fn derive(seed: u64, purpose: u64) -> Self {
        const TAG: [u32; 2] = [0x7461_7567, super::VERSION]; // "taug"
        let words = philox::block([purpose as u32, (purpose >> 32) as u32, TAG[0], TAG[1]], halves(seed));
        Self([words[0], words[1]])
    }
}

/// Normals are made so many at a time.
const NORMALS: usize = 16;

/// A trial's random numbers: one sequence of words, and beside it one of normals, each drawn in order. Cheap to make,
/// and all it holds follows from how many of each were drawn: a checkpoint needs two integers.
#[derive(Debug, Clone)]
pub struct Stream {
    key: [u32; 2],
    index: [u32; 2],
    /// Words drawn.
    words: u64,
    /// The second word of the last block.
    spare: u64,
    /// Normals made.
    normals: u64,
    made: [f64; NORMALS],
    /// How many of `made` are drawn.
    drawn: usize,
}

/// Blocks from here on are for normals, those before for words.
const FIRST_NORMAL_BLOCK: u64 = 1 << 63;

impl Stream {
    /// Stream `index` of the family, at its beginning.
    pub fn new(key: StreamKey, index: u64) -> Self {
        Self { key: key.0, index: halves(index), words: 0, spare: 0, normals: 0, made: [0.0; NORMALS], drawn: NORMALS }
    }

    /// How many words and normals were drawn: all there is to a checkpoint.
    pub fn drawn(&self) -> [u64; 2] {
        [self.words, self.normals - (NORMALS - self.drawn) as u64]
    }

    /// Stream `index` of the family, once so many words and normals were drawn.
    pub fn resumed(key: StreamKey, index: u64, [words, normals]: [u64; 2]) -> Self {
        let mut stream = Self { words, ..Self::new(key, index) };
        if words % 2 == 1 {
            (_, stream.spare) = stream.block(words / 2);
        }
        let rest = normals % NORMALS as u64;
        stream.normals = normals - rest;
        if rest > 0 {
            stream.make_normals();
            stream.drawn = rest as usize;
        }
        stream
    }

    /// The next 64-bit word.
    #[inline]
    pub fn word(&mut self) -> u64 {
        let odd = self.words % 2 == 1;
        self.words += 1;
        if odd {
            return self.spare;
        }
        let (first, second) = self.block(self.words / 2);
        self.spare = second;
        first
    }

    /// The next number uniform on [0, 1), in steps of 2⁻⁵³.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        (self.word() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// The next integer uniform on 0..n: one word each, with a bias below n / 2⁶⁴.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(n)) >> 64) as u64
    }

    /// The next standard normal.
    #[inline]
    pub fn normal(&mut self) -> f64 {
        if self.drawn == NORMALS {
            self.make_normals();
        }
        let normal = self.made[self.drawn];
        self.drawn += 1;
        normal
    }

    /// The next symmetric stable variate of index a, 1 ≤ a ≤ 2, in the scale in which a = 2 is N(0, 1). Three words.
    pub fn stable(&mut self, a: f64) -> f64 {
        let (w, u) = (self.positive(), self.positive());
        let negative = self.word() & 1 == 1;
        stable::variate(a, w, u, negative)
    }

    /// The next √A, A > 0 stable of index a/2: what makes Gaussians stable of index a, all coordinates alike. Two words.
    pub fn stable_amplitude(&mut self, a: f64) -> f64 {
        let (w, u) = (self.positive(), self.positive());
        stable::amplitude(a, w, u)
    }

    /// Uniform on (0, 1], in steps of 2⁻⁶⁴ towards 0.
    fn positive(&mut self) -> f64 {
        (self.word() as f64 + 0.5) * (0.5f64).powi(64)
    }

    /// Makes the next normals: two for each block, block after block.
    #[inline(never)]
    fn make_normals(&mut self) {
        let first = FIRST_NORMAL_BLOCK + self.normals / 2;
        let mut words = [(0, 0); NORMALS / 2];
        for (offset, words) in words.iter_mut().enumerate() {
            *words = self.block(first + offset as u64);
        }
        for (pair, (radius, angle)) in self.made.chunks_exact_mut(2).zip(words) {
            (pair[0], pair[1]) = normal::pair(radius, angle);
        }
        self.normals += NORMALS as u64;
        self.drawn = 0;
    }

    #[inline]
    fn block(&self, number: u64) -> (u64, u64) {
        let [low, high] = halves(number);
        let w = philox::block([low, high, self.index[0], self.index[1]], self.key);
        (join(w[0], w[1]), join(w[2], w[3]))
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.word() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.word())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.word().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

fn join(low: u32, high: u32) -> u64 {
    u64::from(low) | (u64::from(high) << 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_a_function_of_its_key_and_index() {
        let draw = |seed, purpose, index| {
            let mut stream = Stream::new(StreamKey::derive(seed, purpose), index);
            [stream.normal(), stream.normal(), stream.uniform(), stream.below(1000) as f64, stream.normal()]
        };
        assert_eq!(draw(1, 2, 3), draw(1, 2, 3));
        for other in [draw(2, 2, 3), draw(1, 3, 3), draw(1, 2, 4)] {
            assert_ne!(draw(1, 2, 3), other);
        }
    }

    #[test]
    fn a_stream_goes_on_where_it_was() {
        let key = StreamKey::derive(1, 2);
        let mut stream = Stream::new(key, 3);
        for n in 0..100 {
            if n % 3 == 0 {
                stream.word();
            }
            stream.normal();
            let mut other = Stream::resumed(key, 3, stream.drawn());
            let mut here = stream.clone();
            for _ in 0..40 {
                assert_eq!((here.word(), here.normal()), (other.word(), other.normal()), "after {n}");
            }
        }
    }

    /// Pins the streams for ever: a change here is a new `rng::VERSION`.
    #[test]
    fn golden_values() {
        let mut stream = Stream::new(StreamKey::derive(20_211_107, 0x0123_4567_89ab_cdef), 7);
        let bits: Vec<u64> = (0..4).map(|_| stream.normal().to_bits()).collect();
        assert_eq!(bits, GOLDEN, "{bits:#018x?}");
    }
    const GOLDEN: [u64; 4] =
        [0x3ff0_f51d_2638_e709, 0x3fe1_59bc_c3a5_b795, 0xbfb5_9f9e_8adc_3f25, 0x3fa6_5bd0_1f7b_7838];

    /// H0: independent N(0, 1). n = 10⁷. The first four moments, the lag-one correlation and the counts beyond 1…5 s.d.
    /// each lie within 5.5 of their standard errors (two-sided 4e-8 each, 4e-7 in all).
    #[test]
    fn normals_have_the_moments_and_tails_of_normals() {
        const N: usize = 10_000_000;
        let key = StreamKey::derive(3, 14);
        let mut sums = [0.0f64; 4];
        let mut lagged = 0.0;
        let mut beyond = [0u64; 6];
        for trial in 0..1000 {
            let mut stream = Stream::new(key, trial);
            let mut previous = 0.0;
            for _ in 0..N / 1000 {
                let x = stream.normal();
                for (power, sum) in sums.iter_mut().enumerate() {
                    *sum += x.powi(power as i32 + 1);
                }
                lagged += x * previous;
                previous = x;
                for (s, count) in beyond.iter_mut().enumerate().skip(1) {
                    *count += u64::from(x.abs() > s as f64);
                }
            }
        }
        let n = N as f64;
        // Var of x, x², x³, x⁴ is 1, 2, 15, 96.
        for (power, (mean, variance)) in [(0.0, 1.0), (1.0, 2.0), (0.0, 15.0), (3.0, 96.0f64)].into_iter().enumerate() {
            let z = (sums[power] / n - mean) / (variance / n).sqrt();
            assert!(z.abs() < 5.5, "moment {}: z = {z}", power + 1);
        }
        assert!((lagged / n * n.sqrt()).abs() < 5.5, "lag-one correlation {}", lagged / n);
        let tails = [
            1.0,
            3.173_105_078_629_141e-1,
            4.550_026_389_635_842e-2,
            2.699_796_063_260_207e-3,
            6.334_248_366_623_996e-5,
            5.733_031_437_583_892e-7,
        ];
        for s in 1..6 {
            let z = (beyond[s] as f64 - n * tails[s]) / (n * tails[s] * (1.0 - tails[s])).sqrt();
            assert!(z.abs() < 5.5, "beyond {s} s.d.: {} against {}", beyond[s], n * tails[s]);
        }
    }

    /// H0: uniform on 0..7. n = 700,000. Pearson's chi-square with 6 degrees of freedom exceeds 40 with probability 5e-7.
    #[test]
    fn below_is_uniform() {
        let mut stream = Stream::new(StreamKey::derive(5, 6), 0);
        let mut counts = [0u32; 7];
        for _ in 0..700_000 {
            counts[stream.below(7) as usize] += 1;
        }
        let chi2: f64 = counts.iter().map(|&c| (f64::from(c) - 1e5).powi(2) / 1e5).sum();
        assert!(chi2 < 40.0, "{counts:?}: {chi2}");
    }
}
