//! The paper's Figure 1 (left): the sharpness along training by SGD.
//!
//! | what | how |
//! | --- | --- |
//! | panel a | φ, Metric 2.1 of Keskar et al., which is what the paper shows |
//! | panel b | λmax of the Hessian, which is what its theory speaks of |
//! | axis | epochs |
//! | line | a run: a batch size and a learning rate |
//!
//! A y axis is logarithmic where its values are positive and range over more than a factor of five. The same points give
//! the same bytes.

use taugrid_sweep::TrainingPoint;

use crate::axis::{Axis, Room};
use crate::figure::Figure;
use crate::frame::{Frame, TICK_SIZE, grid_and_ticks};
use crate::look::{self, COLORS, INK, Look, SHAPES, SOFT_INK};
use crate::numbers::parameter;
use crate::svg::{Anchor, Stroke, Svg, TextStyle};
use crate::typeset::{Text, wrap};

const WIDTH: f64 = 920.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 16.0;
const GAP: f64 = 84.0;
const PANEL_WIDTH: f64 = (WIDTH - LEFT - RIGHT - GAP) / 2.0;
const PANEL_HEIGHT: f64 = 250.0;
/// Height of a line of the legend.
const LINE: f64 = 16.0;
/// Runs with more points than this have a line alone.
const MAX_MARKED: usize = 30;

/// A measure of sharpness, and a panel of the figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Keskar,
    LambdaMax,
}

impl Measure {
    fn of(self, point: &TrainingPoint) -> f64 {
        match self {
            Self::Keskar => point.profile.keskar.value,
            Self::LambdaMax => point.profile.lambda_max,
        }
    }

    fn symbol(self) -> Text {
        match self {
            Self::Keskar => Text::default().italic("φ").roman("  (%)"),
            Self::LambdaMax => Text::default().italic("λ").down("max"),
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Keskar => "sharpness: Metric 2.1 of Keskar et al.",
            Self::LambdaMax => "sharpness: largest eigenvalue of the Hessian",
        }
    }
}

/// Draws `points`, of one training, under `title`.
pub fn figure1(points: &[TrainingPoint], title: &str) -> Figure {
    let runs: Vec<&[TrainingPoint]> = points.chunk_by(|a, b| a.run == b.run).collect();
    let mut svg = Svg::default();
    let bold = TextStyle { size: 15.0, color: INK, anchor: Anchor::Start };
    svg.text((LEFT, 26.0), &Text::default().bold(title), bold);
    let top = legend(&mut svg, (LEFT, 48.0), &runs) + 32.0;
    let last = points.iter().map(|point| point.epoch).max().unwrap_or(1).max(1);
    let room = Room { length: PANEL_WIDTH, font_size: TICK_SIZE, whole: true };
    let x = Axis::linear(0.0, last as f64, 0.02, room);
    for (index, measure) in [Measure::Keskar, Measure::LambdaMax].into_iter().enumerate() {
        let left = LEFT + index as f64 * (PANEL_WIDTH + GAP);
        let frame = Frame { left, top, width: PANEL_WIDTH, height: PANEL_HEIGHT };
        panel(&mut svg, frame, measure, &x, &runs, char::from(b'a' + index as u8));
    }
    let end = caption(&mut svg, (LEFT, top + PANEL_HEIGHT + 60.0), points);
    Figure::new(svg.finish(WIDTH, end + 16.0, &format!("Sharpness along training: {title}")))
}

/// The runs side by side, in as many lines as they need; returns the last one's baseline.
fn legend(svg: &mut Svg, at: (f64, f64), runs: &[&[TrainingPoint]]) -> f64 {
    let style = TextStyle { size: 12.0, color: INK, anchor: Anchor::Start };
    let (mut x, mut y) = at;
    for (index, run) in runs.iter().enumerate() {
        let Some(first) = run.first() else { continue };
        let label = Text::default().italic("B").roman(format!(" = {},  ", first.batch_size));
        let label = label.italic("η").roman(format!(" = {}", parameter(first.learning_rate)));
        let needed = 24.0 + label.width(style.size);
        if x > at.0 && x + needed > WIDTH - RIGHT {
            (x, y) = (at.0, y + LINE);
        }
        let look = look_of(index, runs.len());
        let middle = y - 4.0;
        svg.line((x, middle), (x + 18.0, middle), Stroke::solid(&look.color, 1.4));
        if are_marked(runs) {
            look::marker(svg, (x + 9.0, middle), &look, 2.6, false);
        }
        svg.text((x + 24.0, y), &label, style);
        x += needed + 22.0;
    }
    y
}

fn look_of(run: usize, runs: usize) -> Look {
    match runs <= COLORS.len() {
        true => look::look(run),
        false => Look { color: look::value_color(run, runs), shape: SHAPES[run % SHAPES.len()], dash: "" },
    }
}

fn are_marked(runs: &[&[TrainingPoint]]) -> bool {
    runs.iter().all(|run| run.len() <= MAX_MARKED)
}

fn panel(svg: &mut Svg, frame: Frame, measure: Measure, x: &Axis, runs: &[&[TrainingPoint]], letter: char) {
    let y = y_axis(runs, measure);
    svg.open_group(&format!("panel-{letter}"));
    grid_and_ticks(svg, frame, Some(x), &y, true);
    for (index, run) in runs.iter().enumerate() {
        let look = look_of(index, runs.len());
        let place = |point: &TrainingPoint| {
            let (across, up) = (x.position(point.epoch as f64), y.position(measure.of(point)));
            (frame.left + across * frame.width, frame.bottom() - up * frame.height)
        };
        let line: Vec<(f64, f64)> = run.iter().map(place).collect();
        svg.path(&line, Stroke::solid(&look.color, 1.2));
        if are_marked(runs) {
            line.iter().for_each(|&at| look::marker(svg, at, &look, 2.2, false));
        }
    }
    let title = Text::default().bold(format!("{letter}")).roman(format!("  {}", measure.meaning()));
    let start = TextStyle { size: 12.0, color: INK, anchor: Anchor::Start };
    svg.text((frame.left, frame.top - 8.0), &title, start);
    let label = TextStyle { size: 13.0, color: INK, anchor: Anchor::Middle };
    svg.text((frame.center(), frame.bottom() + 34.0), &Text::plain("epoch"), label);
    svg.upward_text((frame.left - 56.0, frame.top + frame.height / 2.0), &measure.symbol(), label);
    svg.close_group();
}

fn y_axis(runs: &[&[TrainingPoint]], measure: Measure) -> Axis {
    let values = || runs.iter().flat_map(|run| run.iter()).map(|point| measure.of(point));
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let room = Room { length: PANEL_HEIGHT, font_size: TICK_SIZE, whole: false };
    match (low, high) {
        _ if low > high => Axis::linear(0.0, 1.0, 0.0, room),
        _ if low > 0.0 && high > 5.0 * low => Axis::logarithmic(low, high, 0.05, 0.05),
        _ => Axis::linear(low, high, 0.05, room),
    }
}

/// Sets the caption; returns the baseline of its last line.
fn caption(svg: &mut Svg, (left, top): (f64, f64), points: &[TrainingPoint]) -> f64 {
    let epsilon = points.first().map_or(String::new(), |point| format!(", ε = {}", parameter(point.epsilon)));
    let sentences = format!(
        "φ = 100 · (max f(θ + y) − f(θ)) / (1 + f(θ)) over the box of half-widths ε(|θ| + 1){epsilon}; the maximum is a local one, \
         the best of several searches. Both measures are of the loss over all examples."
    );
    let style = TextStyle { size: 10.5, color: SOFT_INK, anchor: Anchor::Start };
    let mut y = top;
    for (i, line) in wrap(&sentences, style.size, WIDTH - LEFT - RIGHT).iter().enumerate() {
        y = top + i as f64 * 14.0;
        svg.text((left, y), &Text::plain(line.as_str()), style);
    }
    y
}

#[cfg(test)]
pub(crate) mod tests {
    use taugrid_escape::sharpness::{Keskar, Profile};

    use super::*;

    /// Runs whose sharpness falls, the faster the smaller the batch.
    pub(crate) fn points(batch_sizes: &[u64], epochs: u64) -> Vec<TrainingPoint> {
        let point = |(run, batch_size): (usize, u64), epoch: u64| {
            let wave = (epoch as f64 * 1.7 + run as f64).sin();
            let value = (2.0 - epoch as f64 / (10.0 * batch_size as f64) + 0.2 * wave).exp();
            let profile = Profile {
                loss: 0.05,
                gradient_norm: 0.01,
                accuracy: 0.5,
                lambda_max: 3.0 * value,
                lambda_max_residual: 0.0,
                keskar: Keskar { value, rise: value / 100.0, gradients: 40 },
            };
            let (run, learning_rate, epsilon) = (run as u64, 0.1, 5e-4);
            TrainingPoint { run, batch_size, learning_rate, epoch, step: epoch, epsilon, profile }
        };
        let runs = batch_sizes.iter().copied().enumerate();
        runs.flat_map(|run| (0..=epochs).map(move |epoch| point(run, epoch))).collect()
    }

    /// `TAUGRID_FIGURES=/tmp/figs cargo test -p taugrid-analysis figure1` writes them to be looked at.
    #[test]
    fn samples_are_drawn() {
        let mut zero = points(&[10], 3);
        zero.iter_mut().for_each(|point| point.profile.keskar.value = 0.0);
        let many: Vec<u64> = (1..=9).collect();
        for (name, points) in [
            ("training", points(&[2, 20, 200], 100)),
            ("training-short", points(&[2, 20], 12)),
            ("training-many", points(&many, 50)),
            ("training-one-point", points(&[2], 0)),
            ("training-zero", zero),
            ("training-empty", Vec::new()),
        ] {
            let figure = figure1(&points, name);
            assert!(!figure.svg().contains("NaN") && !figure.svg().contains("inf"), "{name}");
            assert_eq!(figure, figure1(&points, name));
            let png = figure.png().unwrap();
            assert!(png.starts_with(b"\x89PNG"), "{name}");
            if let Some(folder) = std::env::var_os("TAUGRID_FIGURES") {
                let folder = std::path::PathBuf::from(folder);
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
            }
        }
    }

    #[test]
    fn text_stays_text_and_every_run_has_its_line() {
        let figure = figure1(&points(&[2, 20, 200], 40), "a <b> & c");
        assert!(figure.svg().contains("a &lt;b&gt; &amp; c") && figure.svg().contains("Keskar"));
        for color in &COLORS[..3] {
            // In the legend and in either panel.
            assert_eq!(figure.svg().matches(color).count(), 3, "{color}");
        }
    }
}
