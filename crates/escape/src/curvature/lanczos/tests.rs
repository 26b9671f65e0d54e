use super::*;

/// A start vector without a pattern.
fn start(dim: usize) -> Vec<f64> {
    let mut state = 1_u64;
    (0..dim)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        })
        .collect()
}

fn of_diagonal(eigenvalues: &[f64], tolerance: f64, max_iterations: usize) -> ExtremeEigenvalue {
    let apply = |v: &[f64], out: &mut [f64]| {
        out.iter_mut().zip(v).zip(eigenvalues).for_each(|((out, v), h)| *out = h * v);
    };
    let dim = eigenvalues.len();
    largest_eigenvalue(dim, apply, &start(dim), tolerance, max_iterations).expect("finite")
}

#[test]
fn the_largest_algebraic_eigenvalue_is_found_although_a_negative_one_is_larger_in_size() {
    let eigenvalues: Vec<f64> = (0..300).map(|i| 3.0 - 0.1 * f64::from(i)).collect();
    let found = of_diagonal(&eigenvalues, 1e-10, 300);
    println!("{found:?}");
    assert!((found.value - 3.0).abs() <= 1e-12, "{found:?}");
    assert!(found.residual <= 3e-10);
    assert!(found.iterations < 150, "{found:?}");
}

#[test]
fn all_eigenvalues_may_be_negative() {
    let found = of_diagonal(&[-5.0, -1.5, -9.0, -2.0], 1e-12, 50);
    assert!((found.value + 1.5).abs() < 1e-13, "{found:?}");
}

#[test]
fn the_residual_bounds_the_error_at_every_iteration() {
    // A long bulk and one outlier, as of a Hessian.
    let mut eigenvalues: Vec<f64> = (0..2000).map(|i| 1.0 / (1.0 + f64::from(i))).collect();
    eigenvalues[1000] = 1.3;
    for iterations in 1..40 {
        let found = of_diagonal(&eigenvalues, 0.0, iterations);
        let error = eigenvalues.iter().map(|h| (h - found.value).abs()).fold(f64::MAX, f64::min);
        assert!(error <= found.residual + 1e-14, "{iterations}: error {error}, {found:?}");
        assert!(found.value <= 1.3 + 1e-14);
    }
    assert!((of_diagonal(&eigenvalues, 1e-10, 100).value - 1.3).abs() < 1e-13);
}

#[test]
fn one_dimension_and_invariant_spaces_end_early() {
    assert_eq!(of_diagonal(&[-7.25], 1e-10, 50), ExtremeEigenvalue { value: -7.25, iterations: 1, residual: 0.0 });
    let zero = of_diagonal(&[0.0; 5], 1e-10, 50);
    assert_eq!((zero.value, zero.iterations), (0.0, 1));
    let same = of_diagonal(&[2.5; 40], 1e-10, 50);
    assert!((same.value - 2.5).abs() < 1e-14 && same.iterations == 1, "{same:?}");
    // Three distinct eigenvalues: three iterations, even where no tolerance is granted.
    let mut three = vec![1.0; 30];
    three[3..9].fill(4.0);
    three[9..20].fill(-6.0);
    let found = of_diagonal(&three, 0.0, 50);
    assert!((found.value - 4.0).abs() < 1e-13 && found.iterations <= 4, "{found:?}");
    // Fewer dimensions than iterations.
    let few = of_diagonal(&[1.0, 2.0, 3.0], 0.0, 50);
    assert!((few.value - 3.0).abs() < 1e-13 && few.iterations == 3, "{few:?}");
}

#[test]
fn the_discrete_laplacian_has_its_known_top_eigenvalue() {
    let n = 60;
    let apply = |v: &[f64], out: &mut [f64]| {
        for i in 0..n {
            let left = if i > 0 { v[i - 1] } else { 0.0 };
            let right = if i + 1 < n { v[i + 1] } else { 0.0 };
            out[i] = 2.0 * v[i] - left - right;
        }
    };
    let found = largest_eigenvalue(n, apply, &start(n), 1e-12, n).expect("finite");
    let angle = std::f64::consts::PI * n as f64 / (2.0 * (n as f64 + 1.0));
    let expected = 4.0 * angle.sin() * angle.sin();
    assert!((found.value - expected).abs() < 1e-12, "{found:?} against {expected}");
}

#[test]
fn tiny_and_huge_matrices_are_no_harder() {
    for scale in [1e-140, 1e140] {
        let found = of_diagonal(&[scale, 2.0 * scale, -5.0 * scale], 1e-12, 50);
        assert!((found.value / scale - 2.0).abs() < 1e-12, "{found:?}");
    }
}

#[test]
fn what_cannot_work_is_refused() {
    let identity = |v: &[f64], out: &mut [f64]| out.copy_from_slice(v);
    let refused = |dim, start: &[f64], iterations| {
        largest_eigenvalue(dim, identity, start, 1e-10, iterations).expect_err("must be refused")
    };
    assert_eq!(refused(0, &[], 5), EigenvalueError::Length { expected: 0, found: 0 });
    assert_eq!(refused(2, &[1.0], 5), EigenvalueError::Length { expected: 2, found: 1 });
    assert_eq!(refused(2, &[0.0, 0.0], 5), EigenvalueError::Start);
    assert_eq!(refused(1, &[f64::NAN], 5), EigenvalueError::Start);
    assert_eq!(refused(1, &[1.0], 0), EigenvalueError::NoIterations);
    let broken = |_: &[f64], out: &mut [f64]| out.fill(f64::NAN);
    let error = largest_eigenvalue(2, broken, &[1.0, 1.0], 1e-10, 5).expect_err("not finite");
    assert_eq!(error, EigenvalueError::NotFinite { iteration: 1 });
}

/// A long bulk beside 0, three outliers above, one below.
fn spectrum_of_a_hessian() -> Vec<f64> {
    let mut eigenvalues: Vec<f64> = (0..2000).map(|i| 1.0 / (1.0 + f64::from(i))).collect();
    (eigenvalues[10], eigenvalues[200], eigenvalues[1000], eigenvalues[1500]) = (1.2, 2.3, 1.5, -0.25);
    eigenvalues
}

fn diagonal(eigenvalues: &[f64]) -> impl FnMut(&[f64], &mut [f64]) + '_ {
    move |v, out| out.iter_mut().zip(v).zip(eigenvalues).for_each(|((out, v), h)| *out = h * v)
}

#[test]
fn the_smallest_is_the_largest_of_the_negated() {
    let eigenvalues = spectrum_of_a_hessian();
    let found = smallest_eigenvalue(2000, diagonal(&eigenvalues), &start(2000), 1e-10, 200).expect("finite");
    assert!((found.value + 0.25).abs() < 1e-13 && found.residual <= 1e-10 * 0.25, "{found:?}");
}

#[test]
fn both_ends_come_from_one_basis_with_a_bounded_number_of_further_products() {
    let eigenvalues = spectrum_of_a_hessian();
    let extent = Extent { tolerance: 1e-10, max_iterations: 200, smallest_tolerance: 1e-8, smallest_share: 1.0 };
    let alone = largest_eigenvalue(2000, diagonal(&eigenvalues), &start(2000), 1e-10, 200).expect("finite");
    for share in [0.0, 0.25, 1.0] {
        let extent = Extent { smallest_share: share, ..extent };
        let mut products = 0;
        let mut inner = diagonal(&eigenvalues);
        let apply = |v: &[f64], out: &mut [f64]| {
            products += 1;
            inner(v, out);
        };
        let (largest, smallest) = extreme_eigenvalues(2000, apply, &start(2000), extent).expect("finite");
        assert_eq!(largest, alone, "the same to the last bit");
        assert_eq!(smallest.iterations, products);
        assert!(products as f64 <= (1.0 + share) * alone.iterations as f64, "{products} of {alone:?}");
        assert!(smallest.value >= -0.25 - 1e-14 && smallest.value + 0.25 <= smallest.residual, "{smallest:?}");
    }
    let (_, smallest) = extreme_eigenvalues(2000, diagonal(&eigenvalues), &start(2000), extent).expect("finite");
    assert!((smallest.value + 0.25).abs() < 1e-12, "{smallest:?}");
    // Spaces that end early.
    let same = extreme_eigenvalues(40, diagonal(&[2.5; 40]), &start(40), extent).expect("finite");
    assert!((same.0.value - 2.5).abs() < 1e-14 && (same.1.value - 2.5).abs() < 1e-14, "{same:?}");
    let few = extreme_eigenvalues(3, diagonal(&[1.0, 2.0, 3.0]), &start(3), extent).expect("finite");
    assert!((few.0.value - 3.0).abs() < 1e-13 && (few.1.value - 1.0).abs() < 1e-13, "{few:?}");
    let one = extreme_eigenvalues(1, diagonal(&[-1.0]), &[2.0], extent).expect("finite");
    assert_eq!((one.0.value, one.1.value), (-1.0, -1.0));
}

#[test]
fn the_top_of_the_spectrum_has_its_vectors_and_residuals() {
    let eigenvalues = spectrum_of_a_hessian();
    let found = top_eigenvalues(2000, diagonal(&eigenvalues), &start(2000), 4, 1e-10, 300).expect("finite");
    assert!(found.iterations < 100, "{}", found.iterations);
    for (k, (expected, at)) in [(2.3, 200), (1.5, 1000), (1.2, 10), (1.0, 0)].into_iter().enumerate() {
        let vector = &found.vectors[k * 2000..(k + 1) * 2000];
        assert!((found.values[k] - expected).abs() < 1e-13, "{:?}", found.values);
        assert!(found.residuals[k] <= 2.3e-10, "{:?}", found.residuals);
        assert!((vector[at].abs() - 1.0).abs() < 1e-12 && (norm(vector) - 1.0).abs() < 1e-13);
        let rest: Vec<f64> = vector.iter().zip(&eigenvalues).map(|(x, h)| (h - found.values[k]) * x).collect();
        assert!(norm(&rest) <= 2.4e-10, "{:e}", norm(&rest));
    }
    // What a matrix with three distinct eigenvalues has to give.
    let mut three = vec![1.0; 30];
    three[3..9].fill(4.0);
    three[9..20].fill(-6.0);
    let found = top_eigenvalues(30, diagonal(&three), &start(30), 5, 1e-10, 50).expect("finite");
    assert!(found.values.len() <= 4 && found.residuals.len() == found.values.len(), "{found:?}");
    assert!((found.values[0] - 4.0).abs() < 1e-13, "{found:?}");
    let none = top_eigenvalues(30, diagonal(&three), &start(30), 0, 1e-10, 50).expect("finite");
    assert!(none.values.is_empty() && none.iterations == 1);
}
