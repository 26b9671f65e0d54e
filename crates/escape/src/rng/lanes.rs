//! Sixteen generators side by side: xoshiro128++ of Blackman and Vigna ("Scrambled linear pseudorandom number
//! generators", ACM TOMS 47, 2021), one a lane, each seeded through Philox with 128 bits of its own.
//!
//! A lane is a trial where trials fill the lanes ([`Lanes::seed`]), or one of sixteen parts of a single trial's numbers
//! ([`Lanes::of_trial`]). Two of n streams of length l overlap with a probability below n² l / 2¹²⁸: below 10⁻⁵ for
//! 10¹² trials of 10⁹ steps each.

use super::philox;
use super::stream::StreamKey;
use crate::simd::{Isa, Kernel, LANES, Simd};

/// The states of sixteen generators: word w of lane l is `words[w][l]`. All there is to a checkpoint of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lanes {
    words: [[u32; LANES]; 4],
}

/// Which part of a trial's numbers a lane is: 0 for a trial in one lane, 1 to 16 for a trial over all of them.
type Part = u32;

impl Lanes {
    /// Sixteen lanes, each to be seeded before it is used.
    pub fn unseeded() -> Self {
        Self { words: [[1; LANES]; 4] }
    }

    /// The lanes of one trial, which has all sixteen to itself.
    pub fn of_trial(key: StreamKey, trial: u64) -> Self {
        let mut lanes = Self::unseeded();
        for lane in 0..LANES {
            lanes.set(lane, key.state(trial, lane as Part + 1));
        }
        lanes
    }

    /// Puts `trial` into a lane, at the beginning of its stream.
    #[inline]
    pub fn seed(&mut self, lane: usize, key: StreamKey, trial: u64) {
        self.set(lane, key.state(trial, 0));
    }

    /// The state of one generator: with [`Lanes::set`] it goes on elsewhere.
    pub(crate) fn get(&self, lane: usize) -> [u32; 4] {
        self.words.map(|words| words[lane])
    }

    /// Puts a generator's state into a lane.
    #[inline]
    pub(crate) fn set(&mut self, lane: usize, state: [u32; 4]) {
        for (words, word) in self.words.iter_mut().zip(state) {
            words[lane] = word;
        }
    }

    /// The next words of every lane, row after row.
    pub fn fill_words(&mut self, isa: Isa, rows: &mut [[u32; LANES]]) {
        isa.run(Fill { lanes: self, rows });
    }

    /// Into registers.
    #[inline(always)]
    pub(crate) fn load<S: Simd>(&self, s: S) -> Generators<S> {
        Generators(self.words.each_ref().map(|words| s.load_u(words)))
    }
}

struct Fill<'a> {
    lanes: &'a mut Lanes,
    rows: &'a mut [[u32; LANES]],
}

impl Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut generators = self.lanes.load(s);
        for row in self.rows {
            s.store_u(generators.next(s), row);
        }
        generators.store(s, self.lanes);
    }
}

/// [`Lanes`] in registers.
pub(crate) struct Generators<S: Simd>([S::U; 4]);

impl<S: Simd> Generators<S> {
    /// The next word of every lane.
    #[inline(always)]
    pub(crate) fn next(&mut self, s: S) -> S::U {
        let [s0, s1, s2, s3] = self.0;
        let word = s.add_u(s.rotl::<7, 25>(s.add_u(s0, s3)), s0);
        self.0 =
            [s.xor3(s0, s3, s1), s.xor3(s1, s2, s0), s.xor3(s2, s0, s.shl::<9>(s1)), s.rotl::<11, 21>(s.xor(s3, s1))];
        word
    }

    /// Back to memory.
    #[inline(always)]
    pub(crate) fn store(&self, s: S, lanes: &mut Lanes) {
        for (words, state) in lanes.words.iter_mut().zip(self.0) {
            s.store_u(state, words);
        }
    }
}

impl StreamKey {
    /// The first state of xoshiro128++ for a part of a trial: never all zeros, which it could not leave.
    #[inline]
    fn state(self, trial: u64, part: Part) -> [u32; 4] {
        const TAG: u32 = 0x6c61_6e65; // "lane"
        let state = philox::block([trial as u32, (trial >> 32) as u32, part, TAG], self.0);
        if state == [0; 4] { [1; 4] } else { state }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    /// The first words from the state 1, 2, 3, 4, as the authors' C program gives them.
    #[test]
    fn known_answers() {
        let expected = [641, 1_573_767, 3_222_811_527, 3_517_856_514, 836_907_274, 4_247_214_768, 3_867_114_732];
        for isa in Isa::available() {
            let mut lanes = Lanes { words: [[1; LANES], [2; LANES], [3; LANES], [4; LANES]] };
            // In two goes: the state goes to memory and back.
            let mut words = [[0; LANES]; 7];
            lanes.fill_words(isa, &mut words[..3]);
            lanes.fill_words(isa, &mut words[3..]);
            assert!(words.iter().zip(expected).all(|(words, expected)| *words == [expected; LANES]), "{isa}");
        }
    }

    #[test]
    fn lanes_are_streams_of_their_own() {
        let key = StreamKey::derive(1, 2);
        let mut all = std::collections::BTreeSet::new();
        let mut lanes = Lanes::unseeded();
        for lane in 0..LANES {
            lanes.seed(lane, key, 7 + lane as u64);
        }
        for lanes in [lanes, Lanes::of_trial(key, 7), Lanes::of_trial(key, 8)] {
            for lane in 0..LANES {
                assert!(all.insert(lanes.words.map(|words| words[lane])), "lane {lane} is that of another trial");
            }
        }
    }
}
