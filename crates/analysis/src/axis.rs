//! Axes: where ticks go and what they say.

use crate::typeset::Text;

/// Labels wanted on an axis, at most about this many.
const MAX_LABELS: usize = 7;

/// A map from values to px along one direction, with its ticks.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    logarithmic: bool,
    /// The ends in the axis' own coordinate: the value, or its logarithm.
    low: f64,
    high: f64,
    pub(crate) ticks: Vec<Tick>,
}

/// What limits the labels of a horizontal axis: they stand side by side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Of the axis, in px.
    pub(crate) length: f64,
    /// In px.
    pub(crate) font_size: f64,
    /// Whether the values are whole numbers, with no ticks between them.
    pub(crate) whole: bool,
}

/// A mark on an axis; a minor one has no label.
#[derive(Debug, Clone)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: Option<Text>,
}

impl Axis {
    /// A linear axis over `[low, high]`, with `margin` (a share of the length) left free at both ends.
    pub(crate) fn linear(low: f64, high: f64, margin: f64, room: Room) -> Self {
        let (low, high) = widen(low, high, margin, margin, 0.5 * low.abs().max(f64::MIN_POSITIVE));
        let crowded = |ticks: &[Tick]| {
            let widest =
                ticks.iter().filter_map(|t| t.label.as_ref()).map(|l| l.width(room.font_size)).fold(0.0, f64::max);
            let closest = ticks.windows(2).map(|pair| pair[1].value - pair[0].value).fold(f64::INFINITY, f64::min);
            closest / (high - low) * room.length < widest + 0.9 * room.font_size || (room.whole && closest < 1.0)
        };
        let mut ticks = linear_ticks(low, high, 5);
        for wanted in [4, 3, 2, 1] {
            if crowded(&ticks) {
                ticks = linear_ticks(low, high, wanted);
            }
        }
        Self { logarithmic: false, low, high, ticks }
    }

    /// A logarithmic axis over `[low, high]`, both > 0.
    pub(crate) fn logarithmic(low: f64, high: f64, margin_low: f64, margin_high: f64) -> Self {
        let (low, high) = widen(low.log10(), high.log10(), margin_low, margin_high, 0.15);
        let ticks = log_ticks(low, high);
        Self { logarithmic: true, low, high, ticks }
    }

    /// Where `value` lies between the ends, from 0 to 1.
    pub(crate) fn position(&self, value: f64) -> f64 {
        let coordinate = if self.logarithmic { value.log10() } else { value };
        (coordinate - self.low) / (self.high - self.low)
    }
}

/// Adds margins; an empty range gets `least` on both sides.
fn widen(low: f64, high: f64, margin_low: f64, margin_high: f64, least: f64) -> (f64, f64) {
    let (low, high) = if high - low > 1e-9 * least { (low, high) } else { (low - least, high + least) };
    let data = (high - low) / (1.0 - margin_low - margin_high);
    (low - margin_low * data, high + margin_high * data)
}

/// Ticks at 1, 2 or 5 times a power of ten, about `wanted` of them.
fn linear_ticks(low: f64, high: f64, wanted: usize) -> Vec<Tick> {
    let raw = (high - low) / wanted as f64;
    let order = raw.log10().floor() as i32;
    let unit = 10f64.powi(order);
    let (factor, order) = match raw / unit {
        r if r < 1.5 => (1.0, order),
        r if r < 3.5 => (2.0, order),
        r if r < 7.5 => (5.0, order),
        _ => (1.0, order + 1),
    };
    let step = factor * 10f64.powi(order);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    let largest = (step * first.unsigned_abs().max(last.unsigned_abs()) as f64).log10();
    // Plain numbers where they are short, otherwise a common power of ten in each label.
    let plain = largest < 5.0 && order >= -4;
    (first..=last)
        .map(|i| {
            let label = if i == 0 {
                Text::plain("0")
            } else if plain {
                fixed(i as f64 * step, (-order).max(0) as usize)
            } else {
                let power = largest.floor() as i32;
                let decimals = (power - order).max(0) as usize;
                times_power(&minus(format!("{:.decimals$}", i as f64 * factor * 10f64.powi(order - power))), power)
            };
            Tick { value: i as f64 * step, label: Some(label) }
        })
        .collect()
}

/// Ticks over 10^low … 10^high: powers of ten where there are two or more of them, multiples by 1, 2 and 5 where there
/// are not, and evenly spaced values where even these are too few.
fn log_ticks(low: f64, high: f64) -> Vec<Tick> {
    let first = low.ceil() as i32;
    let last = high.floor() as i32;
    let powers = (last - first + 1).max(0) as usize;
    if powers >= 2 {
        const STRIDES: [usize; 10] = [1, 2, 3, 4, 5, 10, 20, 30, 50, 100];
        let stride = STRIDES.into_iter().find(|stride| powers.div_ceil(*stride) <= MAX_LABELS).unwrap_or(200);
        return power_ticks(low, high, first, last, stride as i32);
    }
    let inside = |value: &f64| (low..=high).contains(&value.log10());
    let coarse: Vec<f64> = (low.floor() as i32..=last.max(low.floor() as i32))
        .flat_map(|k| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(k)))
        .filter(inside)
        .collect();
    if coarse.len() < 3 {
        return linear_ticks(10f64.powf(low), 10f64.powf(high), 5);
    }
    let plain = coarse.iter().all(|value| (0.01..1e5).contains(value));
    let mut ticks: Vec<Tick> = coarse
        .iter()
        .map(|&value| {
            // The power below `value`, safe against log10(1000) coming out a hair short of 3.
            let power = (value.log10() + 1e-9).floor() as i32;
            let label = if plain {
                fixed(value, (-power).max(0) as usize)
            } else {
                times_power(&format!("{:.0}", value / 10f64.powi(power)), power)
            };
            Tick { value, label: Some(label) }
        })
        .collect();
    ticks.extend(minor_ticks(low, high).filter(|minor| coarse.iter().all(|c| (c - minor.value).abs() > 1e-9 * c)));
    ticks
}

/// Labels at every `stride`-th power; minor ticks at the multiples, or at the powers that have no label.
fn power_ticks(low: f64, high: f64, first: i32, last: i32, stride: i32) -> Vec<Tick> {
    let mut ticks: Vec<Tick> = (first..=last)
        .map(|k| {
            let label = (k.rem_euclid(stride) == 0).then(|| Text::plain("10").up(minus(k.to_string())));
            Tick { value: 10f64.powi(k), label }
        })
        .collect();
    if stride == 1 {
        ticks.extend(minor_ticks(low, high));
    }
    ticks
}

/// 2 … 9 times each power of ten.
fn minor_ticks(low: f64, high: f64) -> impl Iterator<Item = Tick> {
    (low.floor() as i32..=high.floor() as i32)
        .flat_map(|k| (2..10).map(move |m| f64::from(m) * 10f64.powi(k)))
        .filter(move |value| (low..=high).contains(&value.log10()))
        .map(|value| Tick { value, label: None })
}

fn fixed(value: f64, decimals: usize) -> Text {
    Text::plain(minus(format!("{value:.decimals$}")))
}

fn times_power(mantissa: &str, power: i32) -> Text {
    Text::plain(format!("{mantissa}×10")).up(minus(power.to_string()))
}

/// A hyphen becomes a minus sign.
pub(crate) fn minus(text: String) -> String {
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room { length: 190.0, font_size: 11.0, whole: false };

    fn labels(axis: &Axis) -> Vec<String> {
        let text = |label: &Text| label.runs().iter().map(|run| run.text.as_str()).collect::<Vec<_>>().join("^");
        axis.ticks.iter().filter_map(|tick| tick.label.as_ref().map(text)).collect()
    }

    #[test]
    fn powers_of_ten() {
        assert_eq!(labels(&Axis::logarithmic(30.0, 2e5, 0.0, 0.0)), ["10^2", "10^3", "10^4", "10^5"]);
    }

    #[test]
    fn many_decades_have_few_labels() {
        let axis = Axis::logarithmic(10.0, 1e22, 0.05, 0.05);
        assert_eq!(labels(&axis), ["10^0", "10^4", "10^8", "10^12", "10^16", "10^20"]);
        // The powers without a label have a mark.
        assert_eq!(axis.ticks.len(), 24);
    }

    #[test]
    fn less_than_a_decade() {
        assert_eq!(labels(&Axis::logarithmic(150.0, 590.0, 0.0, 0.0)), ["200", "300", "400", "500"]);
        assert_eq!(labels(&Axis::logarithmic(30.0, 300.0, 0.0, 0.0)), ["50", "100", "200"]);
        assert_eq!(labels(&Axis::logarithmic(3e7, 3e8, 0.0, 0.0)), ["5×10^7", "1×10^8", "2×10^8"]);
    }

    #[test]
    fn a_sliver() {
        let shown = labels(&Axis::logarithmic(1.01e6, 1.06e6, 0.0, 0.0));
        assert_eq!(shown, ["1.01×10^6", "1.02×10^6", "1.03×10^6", "1.04×10^6", "1.05×10^6", "1.06×10^6"]);
    }

    #[test]
    fn linear() {
        assert_eq!(labels(&Axis::linear(0.5, 1.0, 0.05, ROOM)), ["0.5", "0.6", "0.7", "0.8", "0.9", "1.0"]);
        assert_eq!(labels(&Axis::linear(1.0, 2.0, 0.05, Room { whole: true, ..ROOM })), ["1", "2"]);
        assert_eq!(labels(&Axis::linear(-1.0, 1.0, 0.0, ROOM)), ["−1.0", "−0.5", "0", "0.5", "1.0"]);
    }

    #[test]
    fn one_value_has_an_axis() {
        let axis = Axis::linear(2.0, 2.0, 0.05, ROOM);
        assert!((axis.position(2.0) - 0.5).abs() < 1e-12);
        assert!(axis.ticks.len() >= 3);
        assert!((Axis::logarithmic(5.0, 5.0, 0.1, 0.1).position(5.0) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn every_axis_has_labels_inside() {
        for low in [1e-9, 0.3, 0.999, 1.0, 7.0, 99.5, 1e6, 4e21] {
            for factor in [1.0001, 1.02, 1.3, 2.0, 3.0, 8.0, 12.0, 400.0, 1e5, 1e13, 1e40] {
                for axis in
                    [Axis::logarithmic(low, low * factor, 0.06, 0.06), Axis::linear(low, low * factor, 0.06, ROOM)]
                {
                    let shown = labels(&axis);
                    assert!((1..=9).contains(&shown.len()), "{low} … {}: {shown:?}", low * factor);
                    assert!(axis.ticks.iter().all(|tick| (-1e-9..=1.0 + 1e-9).contains(&axis.position(tick.value))));
                }
            }
        }
    }
}
