//! Mean times to absorption of a Markov chain, without a subtraction.
//!
//! Where an exit takes 10²² steps, I − P is singular to double precision, and a general solver returns noise. The
//! elimination of Grassmann, Taksar and Heyman (Oper. Res. 33 (1985) 1107) takes states out one by one, and what
//! remains is again a chain: whoever went to the state taken out goes on to where *it* goes when it leaves. Its
//! diagonal, the probability of leaving, is the sum of the ways out and of the absorption, never 1 − P_ii. All numbers
//! are sums, products and quotients of numbers ≥ 0, so that the result has the relative accuracy of the transition
//! probabilities and of the absorption (O'Cinneide, Numer. Math. 65 (1993) 109), whatever its size.

/// States taken out together, so that every row is gone through once for all of them.
const BLOCK: usize = 32;
/// Probabilities kept at most: 64 MB of them.
const MOST_ENTRIES: f64 = 8e6;
/// Multiplications at most: a second or so.
const MOST_WORK: f64 = 3e9;
/// Columns gone through at a time, so that the states taken out stay in cache over them.
const TILE: usize = 256;

/// One state of the chain.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// The state that `to[0]` leads to.
    pub(super) first: usize,
    /// Probabilities of the states from `first` on; 0 for those beyond.
    pub(super) to: Vec<f64>,
    /// The probability of absorption, computed directly and not as a complement.
    pub(super) exit: f64,
}

/// Rows of one block, all over the same columns.
struct Band {
    first: usize,
    last: usize,
}

/// The mean number of steps to absorption from every state, those that start the walk included (≥ 1).
///
/// What a row lacks to a sum of 1 counts as staying: P_ii itself is not read. The rows are kept over the columns they
/// have (a band, if the states are in the order of a line), and nothing is filled in outside of it. Where a state never
/// gets out, the result is not finite. States n, band b: n·b² multiplications; `None` if they are more than
/// [`MOST_WORK`].
pub(super) fn mean_steps(states: Vec<State>) -> Option<Vec<f64>> {
    let n = states.len();
    let bands = bands(&states);
    let (entries, work) = size(&bands);
    if entries > MOST_ENTRIES || work > MOST_WORK {
        return None;
    }
    let mut exit: Vec<f64> = states.iter().map(|state| state.exit).collect();
    let mut steps = vec![1.0; n];
    let mut leave = vec![0.0; n];
    let mut rows: Vec<Vec<f64>> = states
        .into_iter()
        .enumerate()
        .map(|(i, state)| {
            let Band { first, last } = bands[i / BLOCK];
            let mut row = vec![0.0; last - first];
            if !state.to.is_empty() {
                row[state.first - first..][..state.to.len()].copy_from_slice(&state.to);
            }
            row
        })
        .collect();

    for block in (0..bands.len()).rev() {
        let Band { first, .. } = bands[block];
        let (start, end) = (block * BLOCK, n.min((block + 1) * BLOCK));
        // Within the block.
        for k in (start..end).rev() {
            let (before, pivot) = rows.split_at_mut(k);
            let pivot = &pivot[0][..=k - first];
            leave[k] = exit[k] + pivot[..k - first].iter().sum::<f64>();
            for (i, row) in before.iter_mut().enumerate().skip(start) {
                take_out(k, pivot, leave[k], &mut row[..=k - first], i, &mut exit, &mut steps);
            }
        }
        // Every row above that leads into the block: first the shares that go to each of its states ...
        let (above, block_rows) = rows.split_at_mut(start);
        let reaching: Vec<usize> = (0..start).filter(|&i| bands[i / BLOCK].last > start).collect();
        for &i in &reaching {
            let into = &mut above[i][start - bands[i / BLOCK].first..];
            for k in (start..end).rev() {
                let pivot = &block_rows[k - start][start - first..=k - first];
                take_out(k, pivot, leave[k], &mut into[..=k - start], i, &mut exit, &mut steps);
            }
        }
        // ... then, from there, to the states before it.
        for tile in (first..start).step_by(TILE) {
            let width = TILE.min(start - tile);
            for &i in &reaching {
                let from = bands[i / BLOCK].first;
                let (target, shares) = above[i].split_at_mut(start - from);
                let target = &mut target[tile - from..][..width];
                let columns = |k: usize| &block_rows[k][tile - first..][..width];
                scatter(target, &shares[..end - start], columns);
            }
        }
    }

    // Backwards: what a state waits, and what the states before it wait.
    let mut mean = vec![0.0; n];
    for k in 0..n {
        let first = bands[k / BLOCK].first;
        let on: f64 = rows[k][..k - first].iter().zip(&mean[first..k]).map(|(p, m)| p * m).sum();
        mean[k] = (steps[k] + on) / leave[k];
    }
    Some(mean)
}

/// Takes state k, whose row ends with its own column, out of row i, which ends there too; its last element becomes the
/// share of the visits of k.
fn take_out(k: usize, pivot: &[f64], leave: f64, row: &mut [f64], i: usize, exit: &mut [f64], steps: &mut [f64]) {
    let last = row.len() - 1;
    if row[last] == 0.0 {
        return;
    }
    let share = row[last] / leave;
    row[last] = share;
    exit[i] += share * exit[k];
    steps[i] += share * steps[k];
    for (to, p) in row[..last].iter_mut().zip(pivot) {
        *to += share * p;
    }
}

/// target += Σ_k shares[k] · columns(k), four at a time.
fn scatter<'a>(target: &mut [f64], shares: &[f64], columns: impl Fn(usize) -> &'a [f64]) {
    for (group, four) in shares.chunks(4).enumerate() {
        if four.iter().all(|&share| share == 0.0) {
            continue;
        }
        let k = 4 * group;
        if let &[a, b, c, d] = four {
            let rows = columns(k).iter().zip(columns(k + 1)).zip(columns(k + 2)).zip(columns(k + 3));
            for (to, (((p, q), r), s)) in target.iter_mut().zip(rows) {
                *to += (a * p + b * q) + (c * r + d * s);
            }
        } else {
            for (k, share) in (k..).zip(four) {
                for (to, p) in target.iter_mut().zip(columns(k)) {
                    *to += share * p;
                }
            }
        }
    }
}

/// The columns of each block of rows: whole blocks, its own among them, and growing with the rows, since a row inherits
/// those before the states it leads to.
fn bands(states: &[State]) -> Vec<Band> {
    let n = states.len();
    let mut bands: Vec<Band> = states
        .chunks(BLOCK)
        .enumerate()
        .map(|(block, rows)| {
            let (mut first, mut last) = (block * BLOCK, n.min((block + 1) * BLOCK));
            for row in rows.iter().filter(|row| !row.to.is_empty()) {
                first = first.min(row.first / BLOCK * BLOCK);
                last = last.max(n.min((row.first + row.to.len()).next_multiple_of(BLOCK)));
            }
            Band { first, last }
        })
        .collect();
    for block in (1..bands.len()).rev() {
        bands[block - 1].first = bands[block - 1].first.min(bands[block].first);
    }
    bands
}

/// Entries to be kept, and multiplications.
fn size(bands: &[Band]) -> (f64, f64) {
    let block = BLOCK as f64;
    let mut size = (0.0, 0.0);
    for (k, band) in bands.iter().enumerate() {
        size.0 += block * (band.last - band.first) as f64;
        let reaching = bands[..=k].iter().filter(|above| above.last > k * BLOCK).count() as f64;
        size.1 += block * block * reaching * (k * BLOCK + BLOCK / 2 - band.first) as f64;
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A walk on 0 … n−1 that goes up with probability p and down with q, absorbed above n − 1 alone.
    fn ladder(n: usize, p: f64, q: f64) -> Vec<State> {
        (0..n)
            .map(|i| {
                let mut to = vec![q, 0.0, p];
                let first = if i == 0 {
                    to.remove(0);
                    0
                } else {
                    i - 1
                };
                if i == n - 1 {
                    to.pop();
                }
                State { first, to, exit: if i == n - 1 { p } else { 0.0 } }
            })
            .collect()
    }

    #[test]
    fn a_ladder_against_the_stream_takes_its_known_time_to_the_last_digits() {
        // From rung i the next one takes Σ_{j≤i} (q/p)^j/p steps.
        for n in [1usize, 5, 31, 32, 33, 64, 100, 333] {
            let (p, q) = (0.2, 0.5);
            let (mut rung, mut exact) = (0.0, vec![0.0; n + 1]);
            let climb: Vec<f64> = (0..n)
                .map(|_| {
                    rung = 1.0 / p + q / p * rung;
                    rung
                })
                .collect();
            for i in (0..n).rev() {
                exact[i] = exact[i + 1] + climb[i];
            }
            for (i, (mean, exact)) in mean_steps(ladder(n, p, q)).unwrap().into_iter().zip(exact).enumerate() {
                assert!((mean / exact - 1.0).abs() < 1e-13, "rung {i} of {n}: {mean:e} against {exact:e}");
            }
        }
    }

    #[test]
    fn a_full_matrix_solves_its_equations() {
        for n in [3usize, 40, 129, 300] {
            let states: Vec<State> = (0..n)
                .map(|i| {
                    let to: Vec<f64> = (0..n).map(|j| 1.0 / (1 + (7 * i + 13 * j) % 19) as f64).collect();
                    let exit = 0.01 * (1 + i % 5) as f64;
                    let sum: f64 = to.iter().sum::<f64>() + exit;
                    State { first: 0, to: to.iter().map(|p| p / sum).collect(), exit: exit / sum }
                })
                .collect();
            let mean = mean_steps(states.clone()).unwrap();
            for (i, state) in states.iter().enumerate() {
                let next: f64 = state.to.iter().zip(&mean).map(|(p, m)| p * m).sum();
                assert!((mean[i] / (1.0 + next) - 1.0).abs() < 1e-12, "state {i} of {n}");
            }
        }
    }

    #[test]
    fn more_work_than_a_second_s_is_refused() {
        let far = |first| State { first, to: vec![1e-4; 2200], exit: 0.5 };
        assert!(mean_steps(vec![far(0); 2200]).is_none());
    }

    #[test]
    fn a_state_without_a_way_out_never_gets_out() {
        let trap = State { first: 0, to: vec![1.0], exit: 0.0 };
        assert!(!mean_steps(vec![trap]).unwrap()[0].is_finite());
    }
}
