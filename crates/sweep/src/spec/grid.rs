//! The grid over (α, β, η, B): a full product, or one axis at a time around a point, as in the paper's Figure 5.

use std::collections::HashMap;

use super::range;
use crate::error::Problems;
use crate::yaml::{Fields, Node, Real, Value, Whole};

/// A sweep has at most this many cells.
pub(crate) const MAX_CELLS: u64 = 1_000_000;

/// One point of the grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// α, the surrogate of sharpness.
    pub alpha: f64,
    /// β, the surrogate of depth.
    pub beta: f64,
    /// η, the learning rate.
    pub eta: f64,
    /// B, the batch size.
    pub batch_size: u64,
}

/// The axes, each as listed, without a value given twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// If given, the axes are varied one at a time around this point; else all values meet all others.
    pub around: Option<Point>,
    /// The values of α.
    pub alpha: Vec<f64>,
    /// The values of β.
    pub beta: Vec<f64>,
    /// The values of η.
    pub eta: Vec<f64>,
    /// The values of B.
    pub batch_size: Vec<u64>,
}

impl Grid {
    /// Like "3 alpha × 1 beta × 5 eta × 2 batch_size".
    pub(crate) fn shape(&self) -> String {
        let [alpha, beta, eta] = [&self.alpha, &self.beta, &self.eta].map(Vec::len);
        let sign = if self.around.is_some() { "+" } else { "×" };
        format!("{alpha} alpha {sign} {beta} beta {sign} {eta} eta {sign} {} batch_size", self.batch_size.len())
    }

    /// How many points there are; computed without listing them.
    pub fn points_count(&self) -> u128 {
        let others = |values: &[f64], base: f64| values.iter().filter(|value| **value != base).count() as u128;
        match self.around {
            None => [self.alpha.len(), self.beta.len(), self.eta.len(), self.batch_size.len()]
                .into_iter()
                .map(|n| n as u128)
                .product(),
            Some(base) => {
                let batch_sizes = self.batch_size.iter().filter(|value| **value != base.batch_size).count() as u128;
                let [alpha, beta, eta] = [(&self.alpha, base.alpha), (&self.beta, base.beta), (&self.eta, base.eta)]
                    .map(|(v, b)| others(v, b));
                1 + alpha + beta + eta + batch_sizes
            }
        }
    }

    /// The points. A product: sorted by α, then β, η, B, each as listed. Around a point: that point first, then the other
    /// values of α, of β, of η and of B.
    pub fn points(&self) -> Vec<Point> {
        let mut points = Vec::new();
        match self.around {
            None => {
                for &alpha in &self.alpha {
                    for &beta in &self.beta {
                        for &eta in &self.eta {
                            points.extend(self.batch_size.iter().map(|&batch_size| Point {
                                alpha,
                                beta,
                                eta,
                                batch_size,
                            }));
                        }
                    }
                }
            }
            Some(base) => {
                points.push(base);
                points.extend(self.alpha.iter().map(|&alpha| Point { alpha, ..base }).filter(|point| *point != base));
                points.extend(self.beta.iter().map(|&beta| Point { beta, ..base }).filter(|point| *point != base));
                points.extend(self.eta.iter().map(|&eta| Point { eta, ..base }).filter(|point| *point != base));
                let with = |&batch_size: &u64| Point { batch_size, ..base };
                points.extend(self.batch_size.iter().map(with).filter(|point| *point != base));
            }
        }
        points
    }
}

/// A grid as read, with the node of each of its batch sizes, for checks against the data.
pub(crate) struct Axes<'a> {
    pub(crate) grid: Grid,
    pub(crate) batch_sizes: Vec<(u64, &'a Node)>,
}

const ALPHA: Real = Real { rule: "alpha is a finite number above 0", zero: false };
const BETA: Real = Real { rule: "beta is a finite number above 0", zero: false };
const ETA: Real = Real { rule: "a learning rate is a finite number above 0", zero: false };
const BATCH_SIZE: Whole =
    Whole { rule: "a batch size is a whole number from 1 to 1000000000000", min: 1, max: 1_000_000_000_000 };
const AXIS: &str = "a list, a number, or {from, to, points, spacing}";
const EXAMPLE: &str = "{alpha: [1, 2, 4], eta: [0.1, 0.2], batch_size: 1}";

/// The values of one axis, each with its node (the axis's own, for a range); without one where it was not given.
type Axis<'a, T> = Vec<(T, Option<&'a Node>)>;

/// The grid at `node`.
pub(crate) fn read<'a>(node: &'a Node, problems: &mut Problems) -> Option<Axes<'a>> {
    let known = ["alpha", "beta", "eta", "batch_size", "around"];
    let fields = Fields::of(node, &known, &[], EXAMPLE, problems)?;
    let around = fields.optional("around").map(|node| point(node, problems));
    // What an axis is when it is not listed. A faulty `around` still counts as given, so as not to hide other problems.
    let ones = Point { alpha: 1.0, beta: 1.0, eta: 1.0, batch_size: 1 };
    let base = around.map(|point| point.unwrap_or(ones));
    let alpha = axis(fields, "alpha", ALPHA, Some(base.unwrap_or(ones).alpha), problems);
    let beta = axis(fields, "beta", BETA, Some(base.unwrap_or(ones).beta), problems);
    let eta = axis(fields, "eta", ETA, base.map(|base| base.eta), problems);
    let batch_size = axis(fields, "batch_size", BATCH_SIZE, base.map(|base| base.batch_size), problems);

    let (alpha, beta, eta, batch_size) = (alpha?, beta?, eta?, batch_size?);
    let around = match around {
        Some(point) => Some(point?),
        None => None,
    };
    let grid =
        Grid { around, alpha: values(&alpha), beta: values(&beta), eta: values(&eta), batch_size: values(&batch_size) };
    let around_node = fields.optional("around").and_then(|around| around.child("batch_size"));
    let base = around.map(|around| (around.batch_size, around_node));
    let batch_sizes = batch_size.into_iter().chain(base).filter_map(|(value, node)| Some((value, node?))).collect();
    Some(Axes { grid, batch_sizes })
}

fn values<T: Copy>(axis: &Axis<'_, T>) -> Vec<T> {
    axis.iter().map(|(value, _)| *value).collect()
}

/// The point at `node`: one number a key.
fn point(node: &Node, problems: &mut Problems) -> Option<Point> {
    let example = "{eta: 0.1, batch_size: 8}";
    let fields = Fields::of(node, &["alpha", "beta", "eta", "batch_size"], &[], example, problems)?;
    let [alpha, beta] = [("alpha", ALPHA), ("beta", BETA)].map(|(key, rule)| match fields.optional(key) {
        Some(node) => rule.read(node, problems),
        None => Some(1.0),
    });
    let eta = fields.required("eta", ETA.rule, problems).and_then(|node| ETA.read(node, problems));
    let batch_size =
        fields.required("batch_size", BATCH_SIZE.rule, problems).and_then(|node| BATCH_SIZE.read(node, problems));
    Some(Point { alpha: alpha?, beta: beta?, eta: eta?, batch_size: batch_size? })
}

/// What the two kinds of axis, of reals and of whole numbers, do differently.
trait Quantity: Copy {
    type Value: Copy;
    fn rule(self) -> &'static str;
    fn read(self, node: &Node, problems: &mut Problems) -> Option<Self::Value>;
    fn to_real(value: Self::Value) -> f64;
    /// The value at a point of a range.
    fn of_real(real: f64) -> Self::Value;
    /// Equal for equal values.
    fn identity(value: Self::Value) -> u64;
    /// Whether neighbours in a range may fall on one value.
    const MERGES: bool;
}

impl Quantity for Real {
    type Value = f64;
    const MERGES: bool = false;
    fn rule(self) -> &'static str {
        self.rule
    }
    fn read(self, node: &Node, problems: &mut Problems) -> Option<f64> {
        Real::read(self, node, problems)
    }
    fn to_real(value: f64) -> f64 {
        value
    }
    fn of_real(real: f64) -> f64 {
        real
    }
    fn identity(value: f64) -> u64 {
        value.to_bits()
    }
}

impl Quantity for Whole {
    type Value = u64;
    const MERGES: bool = true;
    fn rule(self) -> &'static str {
        self.rule
    }
    fn read(self, node: &Node, problems: &mut Problems) -> Option<u64> {
        Whole::read(self, node, problems)
    }
    fn to_real(value: u64) -> f64 {
        value as f64
    }
    fn of_real(real: f64) -> u64 {
        real.round() as u64
    }
    fn identity(value: u64) -> u64 {
        value
    }
}

/// The axis `key`, or just `default` where it is not listed.
fn axis<'a, Q: Quantity>(
    fields: Fields<'a>,
    key: &str,
    quantity: Q,
    default: Option<Q::Value>,
    problems: &mut Problems,
) -> Option<Axis<'a, Q::Value>> {
    let node = match (fields.optional(key), default) {
        (None, Some(default)) => return Some(vec![(default, None)]),
        (None, None) => fields.required(key, &format!("{AXIS}; {}", quantity.rule()), problems)?,
        (Some(node), _) => node,
    };
    match &node.value {
        Value::List(items) if items.is_empty() => {
            problems.node(node, format!("an empty list; give at least one value: {AXIS}"));
            None
        }
        Value::List(items) => list(quantity, items, problems),
        Value::Map(_) => range(quantity, node, problems),
        _ => Some(vec![(quantity.read(node, problems)?, Some(node))]),
    }
}

fn list<'a, Q: Quantity>(quantity: Q, items: &'a [Node], problems: &mut Problems) -> Option<Axis<'a, Q::Value>> {
    let mut first_with: HashMap<u64, &Node> = HashMap::new();
    let mut whole = true;
    let mut axis = Vec::new();
    for item in items {
        let Some(value) = quantity.read(item, problems) else {
            whole = false;
            continue;
        };
        if let Some(first) = first_with.get(&Q::identity(value)) {
            problems.node(item, format!("{} is listed already, as {}", item.shown(), first.path));
        } else {
            first_with.insert(Q::identity(value), item);
        }
        axis.push((value, Some(item)));
    }
    whole.then_some(axis)
}

fn range<'a, Q: Quantity>(quantity: Q, node: &'a Node, problems: &mut Problems) -> Option<Axis<'a, Q::Value>> {
    let end = |node: &Node, problems: &mut Problems| quantity.read(node, problems).map(Q::to_real);
    let mut values: Vec<Q::Value> =
        range::read(node, quantity.rule(), problems, end)?.into_iter().map(Q::of_real).collect();
    let before = values.len();
    values.dedup_by_key(|value| Q::identity(*value));
    if values.len() < before && !Q::MERGES {
        problems.node(node, "from and to are too near each other for so many different values");
        return None;
    }
    Some(values.into_iter().map(|value| (value, Some(node))).collect())
}
