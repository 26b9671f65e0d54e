//! The table of runs that a person sees at the end of `taugrid train`.

use taugrid_sweep::TrainingPoint;

use crate::numbers::{count, parameter, significant};

const HEADINGS: [&str; 9] =
    ["B", "η", "steps", "loss", "accuracy", "largest λmax", "last λmax", "largest φ (%)", "last φ (%)"];

/// The runs as plain text, one line each, with what each ended at and the largest of either measure of sharpness; ends in a
/// newline.
pub fn training_table(points: &[TrainingPoint]) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(points.chunk_by(|a, b| a.run == b.run).filter_map(line));
    let width = |k: usize| lines.iter().map(|line| line[k].chars().count()).max().unwrap_or(0);
    let widths: [usize; HEADINGS.len()] = std::array::from_fn(width);
    lines.insert(1, widths.map(|width| "─".repeat(width)));
    let set = |line: &[String; HEADINGS.len()]| {
        let entries = line.iter().zip(widths).map(|(entry, width)| format!("{entry:>width$}"));
        entries.collect::<Vec<_>>().join("  ") + "\n"
    };
    lines.iter().map(set).collect()
}

fn line(run: &[TrainingPoint]) -> Option<[String; HEADINGS.len()]> {
    let last = run.last()?;
    let largest = |of: fn(&TrainingPoint) -> f64| significant(run.iter().map(of).fold(f64::NEG_INFINITY, f64::max), 4);
    Some([
        last.batch_size.to_string(),
        parameter(last.learning_rate),
        count(last.step),
        significant(last.profile.loss, 4),
        format!("{:.3}", last.profile.accuracy),
        largest(|point| point.profile.lambda_max),
        significant(last.profile.lambda_max, 4),
        largest(|point| point.profile.keskar.value),
        significant(last.profile.keskar.value, 4),
    ])
}

#[cfg(all(test, feature = "figures"))]
mod tests {
    use super::*;
    use crate::figure1::tests::points;

    #[test]
    fn a_line_a_run() {
        let table = training_table(&points(&[2, 200], 10));
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4, "{table}");
        assert!(lines[0].trim_start().starts_with('B') && lines[0].ends_with("last φ (%)"), "{table}");
        assert!(lines[3].starts_with("200  0.1") && lines[3].contains("0.500"), "{table}");
        assert_eq!(training_table(&[]).lines().count(), 2);
    }
}
