//! Gauss–Legendre nodes, on one interval or on many panels.

/// Nodes of a panel of [`panels`].
const PANEL: usize = 16;

/// Nodes and weights of a quadrature rule.
#[derive(Debug, Clone, Default)]
pub(super) struct Rule {
    pub(super) nodes: Vec<f64>,
    pub(super) weights: Vec<f64>,
}

impl Rule {
    /// (node, weight), in the order of the nodes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.nodes.iter().copied().zip(self.weights.iter().copied())
    }

    /// This rule of (−1, 1) carried to (`from`, `to`).
    pub(super) fn on(&self, from: f64, to: f64) -> impl Iterator<Item = (f64, f64)> + '_ {
        let half = 0.5 * (to - from);
        self.iter().map(move |(x, w)| (from + half * (1.0 + x), half * w))
    }
}

/// The n-point rule on (−1, 1), ascending, exact for polynomials of degree 2n − 1, to a few ulps.
pub(super) fn gauss_legendre(n: usize) -> Rule {
    let mut rule = Rule { nodes: vec![0.0; n], weights: vec![0.0; n] };
    for i in 0..n.div_ceil(2) {
        let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        let mut slope = 1.0;
        // Newton's steps from that guess double the digits: three of them are enough for any n.
        for _ in 0..6 {
            let (mut p, mut before) = (x, 1.0);
            for k in 2..=n {
                let k = k as f64;
                (p, before) = (((2.0 * k - 1.0) * x * p - (k - 1.0) * before) / k, p);
            }
            slope = n as f64 * (x * p - before) / (x * x - 1.0);
            x -= p / slope;
        }
        if 2 * i + 1 == n {
            x = 0.0;
        }
        let weight = 2.0 / ((1.0 - x * x) * slope * slope);
        (rule.nodes[i], rule.weights[i]) = (-x, weight);
        (rule.nodes[n - 1 - i], rule.weights[n - 1 - i]) = (x, weight);
    }
    rule
}

/// Equal panels of sixteen nodes on (`from`, `to`), each at most `width` wide; `None` if that takes more than `most`
/// nodes.
pub(super) fn panels(from: f64, to: f64, width: f64, most: usize) -> Option<Rule> {
    let count = ((to - from) / width).ceil().max(1.0);
    if width.is_nan() || count * PANEL as f64 > most as f64 {
        return None;
    }
    let base = gauss_legendre(PANEL);
    let step = (to - from) / count;
    let mut rule = Rule::default();
    for i in 0..count as usize {
        let left = from + step * i as f64;
        for (x, w) in base.on(left, left + step) {
            rule.nodes.push(x);
            rule.weights.push(w);
        }
    }
    Some(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_up_to_twice_the_nodes_are_exact() {
        for n in [1usize, 2, 3, 16, 33, 120] {
            let rule = gauss_legendre(n);
            for power in [0, 1, 2 * n - 2, 2 * n - 1] {
                let sum: f64 = rule.iter().map(|(x, w)| w * x.powi(power as i32)).sum();
                let exact = if power % 2 == 0 { 2.0 / (power as f64 + 1.0) } else { 0.0 };
                assert!((sum - exact).abs() < 1e-14, "{n} nodes, degree {power}: {sum} against {exact}");
            }
            assert!(rule.nodes.is_sorted());
        }
    }

    #[test]
    fn panels_cover_their_interval_and_refuse_too_many() {
        let rule = panels(-1.0, 2.0, 0.7, 80).expect("five panels");
        let integral: f64 = rule.iter().map(|(x, w)| w * (3.0 * x).cos()).sum();
        assert!((integral - (6f64.sin() + 3f64.sin()) / 3.0).abs() < 1e-14);
        assert_eq!(rule.nodes.len(), 80);
        assert!(panels(-1.0, 2.0, 0.7, 79).is_none());
        assert!(panels(0.0, 1.0, 0.0, 1000).is_none());
        assert!(panels(0.0, 1.0, f64::NAN, 1000).is_none());
    }
}
