//! A trial's words and normals, in order, where a trial has sixteen generators to itself: for chains, whose states are too
//! long for sixteen of them to share a vector.

use super::{Lanes, Stability, StreamKey, lane_normal, lane_stable};
use crate::simd::{Isa, LANES};

/// Rows made at a time.
pub(crate) const ROWS: usize = 4;

/// The random numbers of one trial: integers, normals or stable variates. Each call for variates begins anew with
/// whatever the sixteen generators make next; integers are made many at a time, and those made are used first.
#[derive(Debug, Clone)]
pub struct TrialStream {
    isa: Isa,
    lanes: Lanes,
    words: [[u32; LANES]; ROWS],
    /// Words drawn of those made.
    drawn: usize,
}

impl TrialStream {
    /// The stream of `trial`, at its beginning.
    pub fn new(key: StreamKey, trial: u64, isa: Isa) -> Self {
        Self { isa, lanes: Lanes::of_trial(key, trial), words: [[0; LANES]; ROWS], drawn: ROWS * LANES }
    }

    /// The generators, the words made, and how many of those are drawn: all there is to a checkpoint.
    pub(crate) fn parts(&self) -> (&Lanes, &[u32], usize) {
        (&self.lanes, self.words.as_flattened(), self.drawn)
    }

    /// The stream with these [`parts`](Self::parts); `None` if no stream has them.
    pub(crate) fn from_parts(lanes: Lanes, words: &[u32; ROWS * LANES], drawn: usize, isa: Isa) -> Option<Self> {
        let mut stream = Self { isa, lanes, words: [[0; LANES]; ROWS], drawn };
        stream.words.as_flattened_mut().copy_from_slice(words);
        (drawn <= ROWS * LANES && drawn.is_multiple_of(2)).then_some(stream)
    }

    /// The next 64-bit word, of two of 32.
    #[inline]
    pub fn word(&mut self) -> u64 {
        if self.drawn == ROWS * LANES {
            self.lanes.fill_words(self.isa, &mut self.words);
            self.drawn = 0;
        }
        let words = self.words.as_flattened();
        let word = u64::from(words[self.drawn]) | u64::from(words[self.drawn + 1]) << 32;
        self.drawn += 2;
        word
    }

    /// The next integer uniform on 0..n: one word each, with a bias below n / 2⁶⁴.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(n)) >> 64) as u64
    }

    /// Fills `out` with the next standard normals, at the resolution of f32. What is left of the last thirty-two is
    /// dropped: each call begins anew.
    pub fn normals(&mut self, out: &mut [f32]) {
        let (rows, rest) = out.as_chunks_mut::<LANES>();
        let (pairs, odd) = rows.split_at_mut(rows.len() & !1);
        lane_normal::fill_normals(self.isa, &mut self.lanes, pairs);
        if odd.is_empty() && rest.is_empty() {
            return;
        }
        let mut last = [[0.0; LANES]; 2];
        lane_normal::fill_normals(self.isa, &mut self.lanes, &mut last);
        let mut last = last.into_iter().flatten();
        odd.as_flattened_mut().iter_mut().chain(rest).zip(&mut last).for_each(|(out, normal)| *out = normal);
    }

    /// The next √A, A > 0 stable of index a/2: what makes Gaussians stable of index a, all coordinates alike.
    pub fn amplitude(&mut self, stability: Stability) -> f32 {
        let mut row = [[0.0; LANES]];
        lane_stable::fill_amplitudes(self.isa, stability, &mut self.lanes, &mut row);
        row[0][0]
    }

    /// Fills `out` with the next symmetric stable variates, independent, in the scale in which a = 2 is N(0, 1).
    pub fn stables(&mut self, stability: Stability, out: &mut [f32]) {
        for part in out.chunks_mut(LANES) {
            let mut row = [[0.0; LANES]];
            lane_stable::fill_variates(self.isa, stability, &mut self.lanes, &mut row);
            part.copy_from_slice(&row[0][..part.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_normals_are_those_of_the_lanes() {
        let key = StreamKey::derive(1, 2);
        for isa in Isa::available() {
            let mut rows = [[0; LANES]; 2 * ROWS];
            Lanes::of_trial(key, 3).fill_words(isa, &mut rows);
            let expected = rows.as_flattened().chunks(2).map(|w| u64::from(w[0]) | u64::from(w[1]) << 32);
            let mut stream = TrialStream::new(key, 3, isa);
            assert!(expected.into_iter().all(|word| word == stream.word()), "{isa}");

            let mut rows = [[0.0; LANES]; 4];
            lane_normal::fill_normals(isa, &mut Lanes::of_trial(key, 3), &mut rows);
            let mut normals = vec![0.0; 51];
            TrialStream::new(key, 3, isa).normals(&mut normals);
            assert_eq!(normals, rows.as_flattened()[..51], "{isa}");
        }
    }

    /// H0: uniform on 0..7. n = 700,000. Pearson's chi-square with 6 degrees of freedom exceeds 40 with probability 5e-7.
    #[test]
    fn below_is_uniform() {
        let mut stream = TrialStream::new(StreamKey::derive(5, 6), 0, Isa::current());
        let mut counts = [0u32; 7];
        for _ in 0..700_000 {
            counts[stream.below(7) as usize] += 1;
        }
        let chi2: f64 = counts.iter().map(|&c| (f64::from(c) - 1e5).powi(2) / 1e5).sum();
        assert!(chi2 < 40.0, "{counts:?}: {chi2}");
    }
}
