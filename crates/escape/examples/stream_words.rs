//! Random words on standard output, without end: what `tests/random/check` feeds to TestU01.
//!
//! `stream_words SOURCE [ORDER]`. Words are 32 bits each, in the byte order of the machine. It ends when nobody reads on.
//!
//! | source | word after word |
//! | --- | --- |
//! | `trial` | one trial in one lane |
//! | `trials` | a word of each of sixteen consecutive trials, then the next of each: what a kernel consumes |
//! | `lanes` | the same of the sixteen lanes of a trial that has all of them |
//! | `starts` | a word of each of 4096 consecutive trials, 64 times; then the next 4096 trials |
//! | `cells` | the same of 4096 cells, trial 0 of each |
//! | `seeds` | the same of 4096 seeds |
//! | `weyl` | n·0x9e3779b9: not random, and any battery must say so |
//!
//! | order | bits of a word |
//! | --- | --- |
//! | `plain` | as drawn |
//! | `reversed` | the lowest bit becomes the highest: batteries look at the high bits most |
//! | `swapped` | the lowest byte becomes the highest |

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use taugrid_escape::rng::{Lanes, StreamKey};
use taugrid_escape::simd::{Isa, LANES};

const SEED: u64 = 20_211_107;
const CELL: u64 = 0x0123_4567_89ab_cdef;
/// Streams side by side, and words of each, where it is their beginnings that are tested.
const STREAMS: usize = 4096;
const WORDS: usize = 64;

type Row = [u32; LANES];
/// Appends the next words.
type Source = Box<dyn FnMut(&mut Vec<u32>)>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (source, order) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [source] => (source, "plain"),
        [source, order] => (source, order),
        _ => return usage(),
    };
    let order = match order {
        "plain" => |word: u32| word,
        "reversed" => u32::reverse_bits,
        "swapped" => u32::swap_bytes,
        _ => return usage(),
    };
    let key = StreamKey::derive(SEED, CELL);
    let next: Source = match source {
        "trial" => Box::new(one_trial(key)),
        "trials" => Box::new(rows(consecutive(key))),
        "lanes" => Box::new(rows(Lanes::of_trial(key, 0))),
        "starts" => Box::new(beginnings(move |n| (key, n))),
        "cells" => Box::new(beginnings(|n| (StreamKey::derive(SEED, n), 0))),
        "seeds" => Box::new(beginnings(|n| (StreamKey::derive(n, CELL), 0))),
        "weyl" => Box::new(weyl()),
        _ => return usage(),
    };
    match write(next, order) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("stream_words: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: stream_words trial|trials|lanes|starts|cells|seeds|weyl [plain|reversed|swapped]");
    ExitCode::from(2)
}

/// Writes block after block until nobody reads on.
fn write(mut next: Source, order: fn(u32) -> u32) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let (mut words, mut bytes) = (Vec::new(), Vec::new());
    loop {
        words.clear();
        next(&mut words);
        bytes.clear();
        bytes.extend(words.iter().flat_map(|&word| order(word).to_ne_bytes()));
        out.write_all(&bytes)?;
    }
}

fn consecutive(key: StreamKey) -> Lanes {
    let mut lanes = Lanes::unseeded();
    for lane in 0..LANES {
        lanes.seed(lane, key, lane as u64);
    }
    lanes
}

fn one_trial(key: StreamKey) -> impl FnMut(&mut Vec<u32>) {
    let mut lanes = consecutive(key);
    let mut rows = vec![[0; LANES]; 1 << 16];
    move |words| {
        lanes.fill_words(Isa::current(), &mut rows);
        words.extend(rows.iter().map(|row| row[0]));
    }
}

fn rows(mut lanes: Lanes) -> impl FnMut(&mut Vec<u32>) {
    let mut rows = vec![[0; LANES]; 1 << 12];
    move |words| {
        lanes.fill_words(Isa::current(), &mut rows);
        words.extend_from_slice(rows.as_flattened());
    }
}

/// The beginnings of the streams (key, trial) that `stream` gives for 0, 1, 2, …
fn beginnings(mut stream: impl FnMut(u64) -> (StreamKey, u64)) -> impl FnMut(&mut Vec<u32>) {
    let mut first = 0;
    let mut sixteens = vec![[[0; LANES]; WORDS]; STREAMS / LANES];
    move |words| {
        for rows in &mut sixteens {
            let mut lanes = Lanes::unseeded();
            for lane in 0..LANES {
                let (key, trial) = stream(first + lane as u64);
                lanes.seed(lane, key, trial);
            }
            lanes.fill_words(Isa::current(), rows);
            first += LANES as u64;
        }
        for step in 0..WORDS {
            let row = |rows: &[Row; WORDS]| rows[step];
            words.extend(sixteens.iter().flat_map(row));
        }
    }
}

fn weyl() -> impl FnMut(&mut Vec<u32>) {
    let mut word = 0u32;
    move |words| {
        words.extend((0..1 << 16).map(|_| {
            word = word.wrapping_add(0x9e37_79b9);
            word
        }));
    }
}
