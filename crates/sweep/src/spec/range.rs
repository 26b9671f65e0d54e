//! `{from, to, points, spacing}`: a row of values, evenly spaced or evenly spaced in the logarithm.

use crate::error::Problems;
use crate::yaml::{Fields, Node, Whole};

/// How the values of a range are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spacing {
    /// Equal differences.
    Linear,
    /// Equal ratios.
    Log,
}

/// The values of a range: `points` of them, the first and the last exactly as given.
///
/// Those between are rounded to 12 significant digits. So 0.1 … 0.4 has 0.3 in it and not 0.30000000000000004; a range
/// made finer keeps the values it had (and its cells their keys); and none hangs on the last bit of a machine's `exp`.
pub(crate) fn values(from: f64, to: f64, points: usize, spacing: Spacing) -> Vec<f64> {
    let last = points.saturating_sub(1);
    let value = |i: usize| match i {
        0 => from,
        _ if i == last => to,
        _ => {
            let t = i as f64 / last as f64;
            rounded(match spacing {
                Spacing::Linear => from * (1.0 - t) + to * t,
                Spacing::Log => (from.ln() * (1.0 - t) + to.ln() * t).exp(),
            })
        }
    };
    (0..points).map(value).collect()
}

/// `value` to 12 significant digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

const POINTS: Whole =
    Whole { rule: "points is how many values the range has, both ends included: 2 to 1000000", min: 2, max: 1_000_000 };
const EXAMPLE: &str = "{from: 0.05, to: 0.2, points: 5, spacing: log}";

/// The range at `node`; `end` reads an end of it, `rule` says what an end is.
pub(crate) fn read(
    node: &Node,
    rule: &str,
    problems: &mut Problems,
    end: impl Fn(&Node, &mut Problems) -> Option<f64>,
) -> Option<Vec<f64>> {
    let fields = Fields::of(node, &["from", "to", "points", "spacing"], &[], EXAMPLE, problems)?;
    let mut ends =
        ["from", "to"].map(|key| fields.required(key, rule, problems).and_then(|node| end(node, problems))).into_iter();
    let points = fields.required("points", POINTS.rule, problems).and_then(|node| POINTS.read(node, problems));
    let what = "spacing is one of log, linear";
    let spacing = fields
        .required("spacing", what, problems)
        .and_then(|node| node.word("spacing", &["log", "linear"], &[], problems))
        .map(|word| if word == "log" { Spacing::Log } else { Spacing::Linear });
    let (from, to) = (ends.next()??, ends.next()??);
    if from == to {
        problems.node(node, format!("from and to are both {from}; give the single value {from} instead of a range"));
        return None;
    }
    Some(values(from, to, usize::try_from(points?).ok()?, spacing?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_both_ends_and_tidy_values_between() {
        assert_eq!(values(0.1, 0.4, 4, Spacing::Linear), [0.1, 0.2, 0.3, 0.4]);
        assert_eq!(values(1.0, 1000.0, 4, Spacing::Log), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(values(8.0, 1.0, 4, Spacing::Log), [8.0, 4.0, 2.0, 1.0]);
        assert_eq!(values(1.0, 4.0, 3, Spacing::Log), [1.0, 2.0, 4.0]);
    }

    #[test]
    fn a_finer_range_keeps_the_values_it_had() {
        for spacing in [Spacing::Linear, Spacing::Log] {
            let coarse = values(0.03, 0.7, 6, spacing);
            let fine = values(0.03, 0.7, 11, spacing);
            assert_eq!(coarse, fine.into_iter().step_by(2).collect::<Vec<_>>());
        }
    }
}
