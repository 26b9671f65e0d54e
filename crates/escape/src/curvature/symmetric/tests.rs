use super::*;

/// Numbers in [−½, ½) without a pattern.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state ^ (state >> 29)) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        })
        .collect()
}

fn symmetric(n: usize, seed: u64) -> Vec<f64> {
    let x = numbers(n * n, seed);
    (0..n * n).map(|k| x[(k / n).max(k % n) * n + (k / n).min(k % n)]).collect()
}

/// ‖AV − VΛ‖ and ‖VᵀV − I‖, the largest entries, and the order and the signs.
fn check(matrix: &[f64], n: usize) -> Eigen {
    let eigen = eigen(matrix, n).expect("finite");
    assert_eq!((eigen.values.len(), eigen.vectors.len()), (n, n * n));
    assert!(eigen.values.is_sorted(), "{:?}", eigen.values);
    let size = matrix.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
    let tolerance = 4e-15 * (n as f64).sqrt();
    for k in 0..n {
        let v = eigen.vector(k);
        for (row, v_row) in matrix.chunks_exact(n).zip(v) {
            let misfit = (dot(row, v) - eigen.values[k] * v_row).abs();
            assert!(misfit <= tolerance * size * (n as f64).sqrt(), "n = {n}, vector {k}: {misfit:e}");
        }
        for j in 0..=k {
            let inner = dot(v, eigen.vector(j)) - if j == k { 1.0 } else { 0.0 };
            assert!(inner.abs() <= tolerance, "n = {n}, vectors {k} and {j}: {inner:e}");
        }
        let largest = v.iter().fold(0.0_f64, |largest, x| if x.abs() > largest.abs() { *x } else { largest });
        assert!(largest > 0.0);
    }
    eigen
}

#[test]
fn matrices_without_a_pattern_are_decomposed() {
    for n in [1, 2, 3, 7, 8, 9, 40, 100, 300] {
        let matrix = symmetric(n, n as u64);
        let eigen = check(&matrix, n);
        let trace: f64 = (0..n).map(|k| matrix[k * n + k]).sum();
        assert!((eigen.values.iter().sum::<f64>() - trace).abs() < 1e-12 * n as f64);
    }
    assert!(eigen(&[], 0).expect("nothing").values.is_empty());
}

#[test]
fn small_ones_are_as_by_hand() {
    let one = eigen(&[-3.5], 1).expect("finite");
    assert_eq!((one.values, one.vectors), (vec![-3.5], vec![1.0]));
    // The upper triangle is not read.
    let two = eigen(&[2.0, f64::NAN, 1.0, 2.0], 2).expect("finite");
    let half = 0.5_f64.sqrt();
    assert!((two.values[0] - 1.0).abs() < 1e-15 && (two.values[1] - 3.0).abs() < 1e-15, "{two:?}");
    for (found, expected) in two.vectors.iter().map(|x| x.abs()).zip([half; 4]) {
        assert!((found - expected).abs() < 1e-15, "{two:?}");
    }
    assert!(two.vector(0)[0] * two.vector(0)[1] < 0.0 && two.vector(1)[0] * two.vector(1)[1] > 0.0);
}

#[test]
fn the_discrete_laplacian_has_its_known_spectrum() {
    let n = 200;
    let mut matrix = vec![0.0; n * n];
    for k in 0..n {
        matrix[k * n + k] = 2.0;
        if k > 0 {
            matrix[k * n + k - 1] = -1.0;
            matrix[(k - 1) * n + k] = -1.0;
        }
    }
    let dense = check(&matrix, n);
    let tridiagonal = tridiagonal_eigen(&vec![2.0; n], &vec![-1.0; n - 1]).expect("finite");
    for (k, (a, b)) in dense.values.iter().zip(&tridiagonal.values).enumerate() {
        let sine = (std::f64::consts::PI * (k + 1) as f64 / (2.0 * (n + 1) as f64)).sin();
        let expected = 4.0 * sine * sine;
        assert!((a - expected).abs() < 1e-14 && (b - expected).abs() < 1e-14, "{k}: {a}, {b} against {expected}");
    }
}

#[test]
fn equal_eigenvalues_have_orthogonal_vectors() {
    // A reflection of a diagonal with three values: many times 0, 1 and −2.
    let n = 150;
    let diagonal: Vec<f64> = (0..n).map(|k| [0.0, 1.0, -2.0][k % 3]).collect();
    let v = numbers(n, 5);
    let half_square = 0.5 * dot(&v, &v);
    let reflect = |x: &mut [f64]| {
        let along = dot(x, &v) / half_square;
        x.iter_mut().zip(&v).for_each(|(x, v)| *x -= along * v);
    };
    let mut matrix = vec![0.0; n * n];
    for (k, row) in matrix.chunks_exact_mut(n).enumerate() {
        row[k] = 1.0;
        reflect(row);
        row.iter_mut().zip(&diagonal).for_each(|(x, h)| *x *= h);
        reflect(row);
    }
    let eigen = check(&matrix, n);
    for (k, value) in eigen.values.iter().enumerate() {
        let expected = [-2.0, 0.0, 1.0][k / 50];
        assert!((value - expected).abs() < 1e-13, "{k}: {value}");
    }
    for same in [0.0, 3.0] {
        let mut diagonal = vec![0.0; 120 * 120];
        (0..120).for_each(|k| diagonal[k * 121] = same);
        assert_eq!(check(&diagonal, 120).values, [same; 120]);
    }
}

#[test]
fn graded_tiny_and_huge_matrices_are_no_harder() {
    for scale in [1e-290, 1e-150, 1e150, 1e300] {
        let matrix: Vec<f64> = symmetric(20, 3).iter().map(|x| x * scale).collect();
        let (scaled, plain) = (eigen(&matrix, 20).expect("finite"), eigen(&symmetric(20, 3), 20).expect("finite"));
        for (a, b) in scaled.values.iter().zip(&plain.values) {
            assert!((a / scale - b).abs() < 1e-14, "{scale:e}: {a} against {b}");
        }
    }
    // Rank one, and rows over many scales.
    let x: Vec<f64> = (0..60).map(|k| 10.0_f64.powi(-k)).collect();
    let matrix: Vec<f64> = x.iter().flat_map(|a| x.iter().map(move |b| a * b)).collect();
    let eigen = check(&matrix, 60);
    assert!((eigen.values[59] - dot(&x, &x)).abs() < 1e-14 && eigen.values[58].abs() < 1e-15);
}

#[test]
fn any_pool_gives_the_same_bits() {
    let matrix = symmetric(150, 11);
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("threads");
    let three = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
    let expected = alone.install(|| eigen(&matrix, 150)).expect("finite");
    assert!(three.install(|| eigen(&matrix, 150)).expect("finite") == expected);
    // And every build, every machine.
    let bits = expected
        .values
        .iter()
        .chain(&expected.vectors)
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, x| (hash ^ x.to_bits()).wrapping_mul(0x0000_0100_0000_01B3));
    assert_eq!(bits, 0x06ED_BF9C_781E_4B4B, "{bits:#x}");
}

#[test]
fn what_is_no_matrix_is_refused() {
    assert_eq!(eigen(&[1.0; 5], 2).expect_err("five"), EigenError::Length { expected: 4, found: 5 });
    let error = eigen(&[1.0, 0.0, f64::NAN, 1.0], 2).expect_err("not finite");
    assert_eq!(error, EigenError::NotFinite { row: 1, column: 0 });
    assert!(tridiagonal_eigen(&[1.0; 3], &[1.0; 3]).is_err());
    assert!(tridiagonal_eigen(&[1.0; 3], &[1.0, f64::INFINITY]).is_err());
}

#[test]
#[ignore = "a measurement, a minute long"]
fn timing() {
    for n in [1212, 4096] {
        let matrix = symmetric(n, 1);
        let start = std::time::Instant::now();
        let found = eigen(&matrix, n).expect("finite");
        println!("n = {n}: {:?}, {}", start.elapsed(), found.values[n - 1]);
    }
}
