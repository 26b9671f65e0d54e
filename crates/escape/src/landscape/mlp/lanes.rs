//! Eight lanes: the one order in which sums over hidden units, and long dot products, are taken.
//!
//! Element k of a sum goes to lane k mod 8, each lane adds its elements in order, and [`total`] adds the lanes up.
//! SSE2, AVX2, AVX-512 and NEON all do this in a few instructions, and all get the same bits.

/// The number of lanes: one AVX-512 register of f64.
pub(crate) const LANES: usize = 8;

/// Eight consecutive hidden units, or eight partial sums.
pub(crate) type Lanes = [f64; LANES];

/// The sum of the eight lanes: halves folded onto each other, 8 → 4 → 2 → 1.
#[inline(always)]
pub(crate) fn total(x: &Lanes) -> f64 {
    ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]))
}

/// acc ← acc + s·x, lane by lane.
#[inline(always)]
pub(crate) fn add_scaled(acc: &mut Lanes, s: f64, x: &Lanes) {
    for l in 0..LANES {
        acc[l] += s * x[l];
    }
}

/// acc ← acc + x·y, lane by lane.
#[inline(always)]
pub(crate) fn add_product(acc: &mut Lanes, x: &Lanes, y: &Lanes) {
    for l in 0..LANES {
        acc[l] += x[l] * y[l];
    }
}

/// acc ← acc + x, lane by lane.
#[inline(always)]
pub(crate) fn add(acc: &mut Lanes, x: &Lanes) {
    for l in 0..LANES {
        acc[l] += x[l];
    }
}

/// x · y, in lanes. Both have the same length.
pub(crate) fn dot(x: &[f64], y: &[f64]) -> f64 {
    debug_assert_eq!(x.len(), y.len());
    let (xs, x_rest) = x.as_chunks::<LANES>();
    let (ys, y_rest) = y.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (x, y) in xs.iter().zip(ys) {
        add_product(&mut sums, x, y);
    }
    for ((sum, x), y) in sums.iter_mut().zip(x_rest).zip(y_rest) {
        *sum += x * y;
    }
    total(&sums)
}

/// ‖x‖, Euclidean.
pub(crate) fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_product_adds_every_element_once() {
        for n in 0..40_u32 {
            let x: Vec<f64> = (0..n).map(|k| f64::from(k + 1)).collect();
            let y: Vec<f64> = (0..n).map(|k| f64::from(k * k)).collect();
            let expected: u32 = (0..n).map(|k| (k + 1) * k * k).sum();
            assert_eq!(dot(&x, &y), f64::from(expected), "n = {n}");
        }
    }
}
