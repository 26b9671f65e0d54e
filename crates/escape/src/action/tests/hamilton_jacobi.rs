//! Theorem 4, in both conventions.

use super::super::hamilton_jacobi::{central_gradient, hamilton_jacobi};
use super::super::quasipotential::quasipotential;
use super::super::resolution::Resolution;
use super::*;

#[test]
fn closed_forms_on_quadratics_solve_it() {
    let (h, c) = ([1.0, 0.3, 2.0], [0.5, 2.0, 0.1]);
    for metric in BOTH {
        for x in [[0.7, -0.4, 0.2], [-1.0, 3.0, 0.0]] {
            let gradient: Vec<f64> = (0..3).map(|i| 2.0 * metric.weight(c[i]) * h[i] * x[i]).collect();
            let terms = hamilton_jacobi(&quadratic(&h, &c), metric, &x, &gradient).expect("finite");
            assert!(terms.kinetic > 0.0 && terms.relative().abs() < 1e-14, "{terms:?}");
        }
    }
}

#[test]
fn closed_forms_solve_it_where_h_and_c_do_not_commute() {
    let (h, c, mirror) = (spectrum(5, 0.01), spectrum(5, 0.1), mirror(5));
    let x = [0.3, -0.2, 0.5, 0.1, -0.4];
    for metric in BOTH {
        let q = exact_form(&h, &c, &mirror, metric);
        let gradient: Vec<f64> = (0..5).map(|i| (0..5).map(|j| 2.0 * q[i * 5 + j] * x[j]).sum()).collect();
        let terms = hamilton_jacobi(&rotated(&h, &c, &mirror), metric, &x, &gradient).expect("finite");
        assert!(terms.relative().abs() < 1e-10, "{terms:?}");
    }
}

#[test]
fn one_conventions_solution_is_not_the_others() {
    // C = H = 4: V = x² solves it with C, and with C^½ the kinetic term is half the other.
    let bowl = quadratic(&[4.0], &[4.0]);
    let fw = hamilton_jacobi(&bowl, Metric::FreidlinWentzell, &[0.5], &[1.0]).expect("finite");
    assert!(fw.relative().abs() < 1e-15);
    let paper = hamilton_jacobi(&bowl, Metric::Paper, &[0.5], &[1.0]).expect("finite");
    assert_close(paper.kinetic, 0.5 * paper.drift, 1e-15, "paper");
}

#[test]
fn twice_the_loss_solves_it_where_c_is_the_identity() {
    let well = curved_double_well([1.0, 1.0], 3.0, 0.8);
    for x in [[0.3, -0.2], [1.2, 0.5], [-0.4, 1.0]] {
        let mut gradient = [0.0; 2];
        well.gradient(&x, &mut gradient);
        gradient.iter_mut().for_each(|g| *g *= 2.0);
        for metric in BOTH {
            let terms = hamilton_jacobi(&well, metric, &x, &gradient).expect("finite");
            assert!(terms.relative().abs() < 1e-14, "{terms:?}");
        }
        let slope = central_gradient(&x, 1e-4, |x| Ok(2.0 * well.loss(x))).expect("finite");
        let terms = hamilton_jacobi(&well, Metric::FreidlinWentzell, &x, &slope).expect("finite");
        assert!(terms.relative().abs() < 1e-6, "{terms:?}");
    }
}

#[test]
fn what_the_minimisation_finds_solves_it() {
    // Nothing is known in closed form here: C is no multiple of I, and L not quadratic.
    let well = curved_double_well([0.4, 2.0], 3.0, 0.8);
    for metric in BOTH {
        for x in [[0.3, -0.2], [-0.4, 1.0]] {
            let value = |x: &[f64]| Ok(quasipotential(&well, metric, x, Resolution::default())?.value);
            let momentum = quasipotential(&well, metric, &x, Resolution::default()).expect("a path").gradient;
            let slope = central_gradient(&x, 1e-2, value).expect("a path");
            for (gradient, tolerance) in [(&momentum, 1e-5), (&slope, 3e-3)] {
                let terms = hamilton_jacobi(&well, metric, &x, gradient).expect("finite");
                assert!(terms.relative().abs() < tolerance, "{metric:?}, {x:?}: {}", terms.relative());
            }
            for (p, s) in momentum.iter().zip(&slope) {
                assert!((p - s).abs() < 1e-2 * slope[0].hypot(slope[1]), "{metric:?}, {x:?}: {momentum:?}, {slope:?}");
            }
        }
    }
}
