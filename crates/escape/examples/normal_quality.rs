//! Many normals of many trials against N(0, 1): moments, bins, Kolmogorov and Smirnov, tails, correlations.
//!
//! `normal_quality [MILLIONS [SEED]]`: so many million normals, 1000 if not said, of [`ROWS`] steps of each trial, on all
//! cores; the same numbers every time, on every machine.
//!
//! H0: independent N(0, 1). Every line has a z, whose law under H0 is N(0, 1) or no wider; a count whose law is not
//! nearly normal, and a p-value, are given as the z of the same p. It exits 1 if a |z| is above 6: two-sided 2·10⁻⁹ for
//! each line, 9·10⁻⁸ for all 43.
//!
//! 10⁹ normals have about two beyond 6 standard deviations. From there to the ends at 8.24 the tails are tested by setting
//! the words of a pair by hand: `the_ends_of_the_range` and `pairs_agree_with_the_platform` in `rng/lane_normal.rs`.

use std::process::ExitCode;
use std::time::Instant;

use rayon::prelude::*;
use statrs::function::{erf, gamma};
use taugrid_escape::rng::{Lanes, StreamKey, fill_normals};
use taugrid_escape::simd::{Isa, LANES};

const SEED: u64 = 20_211_107;
const CELL: u64 = 0x0123_4567_89ab_cdef;
/// Normals of each trial.
const ROWS: usize = 1024;
const MOMENTS: usize = 8;
/// The lags are of 1 to so many steps.
const LAGS: usize = 4;
/// Lanes so far apart: neighbours, and those at the other end of a register's half, quarter, eighth.
const DISTANCES: [usize; 4] = [1, 2, 4, 8];
/// Bins of equal width: so many to 1, from −`END` to `END`.
const FINENESS: usize = 1024;
const END: usize = 9;
const BINS: usize = 2 * END * FINENESS;
/// A count that is expected less often is not nearly normal, and a bin is too small for a chi-square.
const FEW: f64 = 1000.0;
const LIMIT: f64 = 6.0;

/// Σ xy and Σ (x² − 1)(y² − 1) over pairs.
#[derive(Clone, Copy, Default)]
struct Products {
    pairs: u64,
    plain: f64,
    squares: f64,
}

impl Products {
    fn add(&mut self, x: impl IntoIterator<Item = (f64, f64)>) {
        for (x, y) in x {
            self.pairs += 1;
            self.plain += x * y;
            self.squares += (x * x - 1.0) * (y * y - 1.0);
        }
    }

    fn join(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.plain += other.plain;
        self.squares += other.squares;
    }
}

/// What is kept of the normals.
struct Sums {
    count: u64,
    powers: [f64; MOMENTS],
    bins: Vec<u64>,
    largest: f32,
    zeros: u64,
    /// Rows 2k and 2k + 1.
    pairs: Products,
    /// Rows k and k + lag; for a lag of 1, of different pairs.
    lags: [Products; LAGS],
    lanes: [Products; DISTANCES.len()],
}

impl Sums {
    fn new() -> Self {
        Self {
            count: 0,
            powers: [0.0; MOMENTS],
            bins: vec![0; BINS],
            largest: 0.0,
            zeros: 0,
            pairs: Products::default(),
            lags: Default::default(),
            lanes: Default::default(),
        }
    }

    /// The first normals of sixteen trials.
    fn add(mut self, key: StreamKey, sixteen: u64) -> Self {
        let mut lanes = Lanes::unseeded();
        for lane in 0..LANES {
            lanes.seed(lane, key, sixteen * LANES as u64 + lane as u64);
        }
        let mut rows = vec![[0.0; LANES]; ROWS];
        fill_normals(Isa::current(), &mut lanes, &mut rows);

        self.count += (ROWS * LANES) as u64;
        for &x in rows.as_flattened() {
            self.largest = self.largest.max(x.abs());
            self.zeros += u64::from(x == 0.0);
            self.bins[((f64::from(x) + END as f64) * FINENESS as f64) as usize] += 1; // exact before the cut
        }
        let rows: Vec<[f64; LANES]> = rows.iter().map(|row| row.map(f64::from)).collect();
        for row in &rows {
            let mut power = [1.0; LANES];
            for sum in &mut self.powers {
                power.iter_mut().zip(row).for_each(|(power, x)| *power *= x);
                *sum += power.iter().sum::<f64>();
            }
        }
        let both = |x: &[f64; LANES], y: &[f64; LANES]| {
            let (x, y) = (*x, *y);
            (0..LANES).map(move |l| (x[l], y[l]))
        };
        for [x, y] in rows.as_chunks::<2>().0 {
            self.pairs.add(both(x, y));
        }
        for [x, y] in rows[1..].as_chunks::<2>().0 {
            self.lags[0].add(both(x, y));
        }
        for (lag, sums) in (1..).zip(&mut self.lags).skip(1) {
            for (x, y) in rows.iter().zip(&rows[lag..]) {
                sums.add(both(x, y));
            }
        }
        for (distance, sums) in DISTANCES.into_iter().zip(&mut self.lanes) {
            for row in &rows {
                sums.add(row.iter().copied().zip(row[distance..].iter().copied()));
            }
        }
        self
    }

    fn join(mut self, other: Self) -> Self {
        self.count += other.count;
        self.powers.iter_mut().zip(other.powers).for_each(|(a, b)| *a += b);
        self.bins.iter_mut().zip(other.bins).for_each(|(a, b)| *a += b);
        self.largest = self.largest.max(other.largest);
        self.zeros += other.zeros;
        self.pairs.join(other.pairs);
        self.lags.iter_mut().zip(other.lags).for_each(|(a, b)| a.join(b));
        self.lanes.iter_mut().zip(other.lanes).for_each(|(a, b)| a.join(b));
        self
    }
}

fn main() -> ExitCode {
    let arguments: Result<Vec<u64>, _> = std::env::args().skip(1).map(|text| text.parse()).collect();
    let (millions, seed) = match arguments.as_deref() {
        Ok([]) => (1000, SEED),
        Ok([millions @ 1..=u64::MAX]) => (*millions, SEED),
        Ok([millions @ 1..=u64::MAX, seed]) => (*millions, *seed),
        _ => {
            eprintln!("usage: normal_quality [MILLIONS [SEED]]");
            return ExitCode::from(2);
        }
    };
    let key = StreamKey::derive(seed, CELL);
    let began = Instant::now();
    let sixteens = (millions * 1_000_000).div_ceil((ROWS * LANES) as u64);
    let sums = (0..sixteens)
        .into_par_iter()
        .fold(Sums::new, |sums, sixteen| sums.add(key, sixteen))
        .reduce(Sums::new, Sums::join);
    println!(
        "{} normals, {ROWS} of each of {} trials; {}; {:.1} s",
        sums.count,
        sixteens * LANES as u64,
        Isa::current(),
        began.elapsed().as_secs_f64()
    );
    let table = table(&sums);
    let failed = table.iter().filter(|line| line.z.is_nan() || line.z.abs() > LIMIT).count();
    println!("{:34} {:>16} {:>16} {:>7}", "", "expected", "found", "z");
    for Line { name, expected, found, z } in &table {
        let verdict = if z.abs() <= LIMIT { "" } else { "  FAILED" };
        println!("{name:34} {} {} {z:+7.2}{verdict}", number(*expected), number(*found));
    }
    println!("exact zeros: {}", sums.zeros);
    println!("normals: {} passed, {failed} failed", table.len() - failed);
    ExitCode::from(u8::from(failed > 0))
}

struct Line {
    name: String,
    expected: f64,
    found: f64,
    z: f64,
}

fn table(sums: &Sums) -> Vec<Line> {
    let n = sums.count as f64;
    let mut table = Vec::new();
    let mut line = |name: String, expected: f64, found: f64, z: f64| table.push(Line { name, expected, found, z });

    // E xᵖ = (p − 1)!! for an even p, else 0.
    let moment = |p: usize| if p.is_multiple_of(2) { (1..p).step_by(2).product::<usize>() as f64 } else { 0.0 };
    for (p, sum) in (1..).zip(sums.powers) {
        let (mean, found) = (moment(p), sum / n);
        let variance = moment(2 * p) - mean * mean;
        line(format!("mean of x^{p}"), mean, found, (found - mean) / (variance / n).sqrt());
    }

    let probabilities: Vec<f64> = (0..BINS).map(|bin| between(edge(bin), edge(bin + 1))).collect();
    let (chi2, cells) = chi_square(&sums.bins, &probabilities, n);
    let freedom = (cells - 1) as f64;
    let p = (gamma::gamma_lr(freedom / 2.0, chi2 / 2.0), gamma::gamma_ur(freedom / 2.0, chi2 / 2.0));
    line(format!("chi-square of {cells} bins"), freedom, chi2, of_tails(p.0, p.1));

    // D at the edges of the bins is at most D, so p is at least the true one.
    let (mut below, mut distance) = (0, 0.0f64);
    for (bin, count) in sums.bins.iter().enumerate() {
        distance = distance.max((below as f64 / n - between(f64::NEG_INFINITY, edge(bin))).abs());
        below += count;
    }
    let scaled = distance * n.sqrt();
    let above = kolmogorov(scaled);
    // Kolmogorov's law has the mean √(π/2) ln 2.
    let mean = (std::f64::consts::FRAC_PI_2).sqrt() * std::f64::consts::LN_2;
    line("Kolmogorov-Smirnov, sqrt(n) D".to_owned(), mean, scaled, of_tails(1.0 - above, above));

    for k in 1..=7 {
        let tail = n * between(k as f64, f64::INFINITY);
        let left: u64 = sums.bins[..(END - k) * FINENESS].iter().sum();
        let right: u64 = sums.bins[(END + k) * FINENESS..].iter().sum();
        line(format!("x < -{k}"), tail, left as f64, of_count(left, tail, n));
        line(format!("x >= {k}"), tail, right as f64, of_count(right, tail, n));
    }

    // The largest of n: P(below m) = (1 − 2Q(m))ⁿ. Its median stands for what is expected.
    let largest = f64::from(sums.largest);
    let log = |m: f64| n * (-erf::erfc(m / std::f64::consts::SQRT_2)).ln_1p();
    let median = std::f64::consts::SQRT_2 * erf::erfc_inv(-(-std::f64::consts::LN_2 / n).exp_m1());
    line("largest |x|".to_owned(), median, largest, of_tails(log(largest).exp(), -log(largest).exp_m1()));

    // Var xy = 1, Var (x² − 1)(y² − 1) = 4.
    let mut correlation = |name: String, sums: Products| {
        let pairs = sums.pairs as f64;
        line(format!("corr. of x, {name}"), 0.0, sums.plain / pairs, sums.plain / pairs.sqrt());
        line(format!("corr. of x^2, {name}"), 0.0, sums.squares / (2.0 * pairs), sums.squares / (4.0 * pairs).sqrt());
    };
    correlation("the two of a pair".to_owned(), sums.pairs);
    for (lag, sums) in (1..).zip(sums.lags) {
        correlation(format!("lag {lag}{}", if lag == 1 { ", of two pairs" } else { "" }), sums);
    }
    for (distance, sums) in DISTANCES.into_iter().zip(sums.lanes) {
        correlation(format!("lanes {distance} apart"), sums);
    }
    table
}

fn edge(bin: usize) -> f64 {
    bin as f64 / FINENESS as f64 - END as f64
}

/// P(from ≤ x < to), without cancellation in either tail.
fn between(from: f64, to: f64) -> f64 {
    if from < 0.0 && to <= 0.0 {
        return between(-to, -from);
    }
    let above = |x: f64| 0.5 * erf::erfc(x / std::f64::consts::SQRT_2);
    above(from) - above(to)
}

/// Pearson's chi-square over the bins that are expected often enough, and the two tails beyond them; how many that is.
fn chi_square(counts: &[u64], probabilities: &[f64], n: f64) -> (f64, usize) {
    let term = |count: u64, p: f64| (count as f64 - n * p).powi(2) / (n * p);
    let often = |p: &f64| n * p >= FEW;
    let first = probabilities.iter().position(often).unwrap_or(0);
    let end = probabilities.iter().rposition(often).map_or(BINS, |last| last + 1);
    let tail = |bins: std::ops::Range<usize>, p: f64| term(counts[bins].iter().sum(), p);
    let tails =
        tail(0..first, between(f64::NEG_INFINITY, edge(first))) + tail(end..BINS, between(edge(end), f64::INFINITY));
    let middle: f64 = (first..end).map(|bin| term(counts[bin], probabilities[bin])).sum();
    (tails + middle, end - first + 2)
}

/// P(√n D > x) for a large n.
fn kolmogorov(x: f64) -> f64 {
    if x < 0.2 {
        return 1.0; // to twenty places
    }
    let term = |k: i32| f64::from(1 - 2 * ((k - 1) % 2)) * (-2.0 * f64::from(k * k) * x * x).exp();
    (2.0 * (1..=50).map(term).sum::<f64>()).clamp(0.0, 1.0)
}

/// The z of a count out of n that is expected `mean` times.
fn of_count(count: u64, mean: f64, n: f64) -> f64 {
    if mean >= FEW {
        return (count as f64 - mean) / (mean * (1.0 - mean / n)).sqrt();
    }
    // Poisson: P(at most the count) and P(at least the count).
    let at_most = gamma::gamma_ur(count as f64 + 1.0, mean);
    let at_least = if count == 0 { 1.0 } else { gamma::gamma_lr(count as f64, mean) };
    of_tails(at_most, at_least)
}

/// The z that has the same two-sided p as the smaller of two tails: negative where that is the lower.
fn of_tails(lower: f64, upper: f64) -> f64 {
    let z = |tail: f64| std::f64::consts::SQRT_2 * erf::erfc_inv((2.0 * tail).clamp(1e-300, 1.0));
    if lower < upper { 0.0 - z(lower) } else { z(upper) }
}

fn number(x: f64) -> String {
    match x.abs() {
        0.0 => format!("{:>16}", 0),
        1e5.. => format!("{x:>16.0}"),
        0.01.. => format!("{x:>16.6}"),
        _ => format!("{x:>16.3e}"),
    }
}
