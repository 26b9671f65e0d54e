//! Numbers of a sweep file: finite, and within what their quantity allows.

use super::{Node, Value};
use crate::error::Problems;

/// A real quantity, and what may stand for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Real {
    /// Reads on after "…; ", like "a learning rate is a finite number above 0".
    pub(crate) rule: &'static str,
    /// Whether 0 will do.
    pub(crate) zero: bool,
}

impl Real {
    /// The number at `node`, or a problem.
    pub(crate) fn read(self, node: &Node, problems: &mut Problems) -> Option<f64> {
        let complaint = match number(node) {
            Some(Number { real, .. }) => match self.complaint(real) {
                Some(complaint) => complaint,
                None => return Some(real),
            },
            None => "is not a number",
        };
        problems.node(node, format!("{} {complaint}; {}", node.shown(), self.rule));
        None
    }

    /// What is wrong with `value`, if anything.
    pub(crate) fn complaint(self, value: f64) -> Option<&'static str> {
        match value {
            value if !value.is_finite() => Some("is not finite"),
            value if self.zero && value < 0.0 => Some("is negative"),
            value if !self.zero && value <= 0.0 => Some("is not positive"),
            _ => None,
        }
    }

    /// The same, for a `value` that did not come from a sweep file, with the `path` where it would stand in one.
    pub(crate) fn complaint_of(self, path: &str, value: f64) -> Option<String> {
        self.complaint(value).map(|complaint| format!("{path}: {value} {complaint}"))
    }
}

/// The finite number of any sign at `node`, or a problem; `rule` is as in [`Real`].
pub(crate) fn finite(node: &Node, rule: &str, problems: &mut Problems) -> Option<f64> {
    let complaint = match number(node) {
        Some(Number { real, .. }) if real.is_finite() => return Some(real),
        Some(_) => "is not finite",
        None => "is not a number",
    };
    problems.node(node, format!("{} {complaint}; {rule}", node.shown()));
    None
}

/// A whole quantity, and what may stand for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole {
    /// Reads on after "…; ", like "a batch size is a whole number from 1".
    pub(crate) rule: &'static str,
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl Whole {
    /// What is wrong with a `value` that did not come from a sweep file, and would stand at `path` in one, if anything.
    pub(crate) fn complaint_of(self, path: &str, value: u64) -> Option<String> {
        let fine = (self.min..=self.max).contains(&value);
        (!fine).then(|| format!("{path}: {value} is out of bounds; {}", self.rule))
    }

    /// The number at `node`, or a problem.
    pub(crate) fn read(self, node: &Node, problems: &mut Problems) -> Option<u64> {
        let complaint = match number(node) {
            Some(Number { whole: Some(whole), .. }) => match u64::try_from(whole) {
                Ok(value) if value < self.min => format!("is below {}", self.min),
                Ok(value) if value <= self.max => return Some(value),
                Err(_) if whole < 0 => "is negative".into(),
                _ => format!("is above {}", self.max),
            },
            Some(Number { real, .. }) if !real.is_finite() => "is not finite".into(),
            Some(_) => "is not a whole number".into(),
            None => "is not a number".into(),
        };
        problems.node(node, format!("{} {complaint}; {}", node.shown(), self.rule));
        None
    }
}

struct Number {
    real: f64,
    /// The same, if it is whole and exactly known.
    whole: Option<i128>,
}

/// The number at `node`. YAML 1.2 takes `10_000_000` for text; so digits grouped by `_` are read here.
fn number(node: &Node) -> Option<Number> {
    match &node.value {
        Value::Integer(value) => Some(Number { real: *value as f64, whole: Some(*value) }),
        Value::Float(value) => Some(of_real(*value)),
        Value::Text(text) => {
            let text = without_grouping(text)?;
            match text.parse::<i128>() {
                Ok(value) => Some(Number { real: value as f64, whole: Some(value) }),
                Err(_) => text.parse().ok().map(of_real),
            }
        }
        _ => None,
    }
}

fn of_real(real: f64) -> Number {
    // The cast saturates, at bounds that no quantity reaches.
    let whole = (real.fract() == 0.0).then_some(real as i128);
    Number { real, whole }
}

/// `text` without the underscores between its digits, if digits, `+ - . e` and such underscores are all there is in it.
fn without_grouping(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit = |i: Option<usize>| i.and_then(|i| bytes.get(i)).is_some_and(u8::is_ascii_digit);
    let mut plain = String::new();
    for (i, character) in text.char_indices() {
        match character {
            '_' if digit(i.checked_sub(1)) && digit(Some(i + 1)) => {}
            '0'..='9' | '+' | '-' | '.' | 'e' | 'E' => plain.push(character),
            _ => return None,
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read<T>(text: &str, reader: impl Fn(&Node, &mut Problems) -> Option<T>) -> Result<T, String> {
        let mut problems = Problems::new(Path::new("t"));
        let node = super::super::parse(text, &mut problems).expect("YAML");
        reader(&node, &mut problems).ok_or_else(|| problems.into_error().problems[0].message.clone())
    }

    const ETA: Real = Real { rule: "R", zero: false };
    const STEPS: Whole = Whole { rule: "R", min: 1, max: 1 << 53 };

    #[test]
    fn numbers_are_read_however_they_are_written() {
        for (text, value) in [
            ("1", 1.0),
            ("1.0", 1.0),
            ("1e0", 1.0),
            ("1e-3", 1e-3),
            ("1E+3", 1e3),
            ("10_000_000", 1e7),
            ("1_0.2_5", 10.25),
            ("+.5", 0.5),
            ("'7'", 7.0),
            ("007", 7.0),
            ("0x10", 16.0),
        ] {
            assert_eq!(read(text, |n, p| ETA.read(n, p)), Ok(value), "{text}");
        }
        for (text, value) in [("1e6", 1_000_000), ("10_000_000", 10_000_000), ("3.0", 3), ("9007199254740992", 1 << 53)]
        {
            assert_eq!(read(text, |n, p| STEPS.read(n, p)), Ok(value), "{text}");
        }
        let seed = Whole { rule: "R", min: 0, max: u64::MAX };
        assert_eq!(read("18446744073709551615", |n, p| seed.read(n, p)), Ok(u64::MAX));
    }

    #[test]
    fn what_is_no_such_number_is_refused_with_its_rule() {
        for (text, message) in [
            (".nan", ".nan is not finite; R"),
            ("-.inf", "-.inf is not finite; R"),
            ("1e999", "\"1e999\" is not finite; R"),
            ("0", "0 is not positive; R"),
            ("-0.05", "-0.05 is not positive; R"),
            ("fast", "\"fast\" is not a number; R"),
            ("_1", "\"_1\" is not a number; R"),
            ("1__0", "\"1__0\" is not a number; R"),
            ("inf", "\"inf\" is not a number; R"),
            ("true", "true is not a number; R"),
            ("[]", "an empty list is not a number; R"),
            ("~", "nothing is not a number; R"),
        ] {
            assert_eq!(read(text, |n, p| ETA.read(n, p)), Err(message.to_owned()), "{text}");
        }
        for (text, message) in [
            ("1.5", "1.5 is not a whole number; R"),
            ("0", "0 is below 1; R"),
            ("-3", "-3 is negative; R"),
            ("1e17", "1e17 is above 9007199254740992; R"),
            ("9007199254740993", "9007199254740993 is above 9007199254740992; R"),
            ("1e41", "1e41 is above 9007199254740992; R"),
            ("-1e41", "-1e41 is negative; R"),
        ] {
            assert_eq!(read(text, |n, p| STEPS.read(n, p)), Err(message.to_owned()), "{text}");
        }
    }
}
