//! A line of text with what mathematics needs: italics, raised and lowered parts; and how wide it comes out.

/// Upright or italic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slant {
    Upright,
    Italic,
}

/// Regular or semi-bold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    SemiBold,
}

/// On the line, or smaller and above or below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shift {
    None,
    Up,
    Down,
}

impl Shift {
    /// Size relative to the line's.
    pub(crate) fn scale(self) -> f64 {
        if self == Shift::None { 1.0 } else { 0.72 }
    }
}

/// A part of a line in one style.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) text: String,
    pub(crate) slant: Slant,
    pub(crate) weight: Weight,
    pub(crate) shift: Shift,
    /// A colour of its own.
    pub(crate) color: Option<String>,
}

/// A line of text, made part by part: `Text::default().italic("α").up("−1/2")`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text {
    runs: Vec<Run>,
}

impl Text {
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::default().roman(text)
    }

    pub(crate) fn roman(self, text: impl Into<String>) -> Self {
        self.with(text, Slant::Upright, Weight::Regular, Shift::None)
    }

    pub(crate) fn italic(self, text: impl Into<String>) -> Self {
        self.with(text, Slant::Italic, Weight::Regular, Shift::None)
    }

    pub(crate) fn bold(self, text: impl Into<String>) -> Self {
        self.with(text, Slant::Upright, Weight::SemiBold, Shift::None)
    }

    pub(crate) fn up(self, text: impl Into<String>) -> Self {
        self.with(text, Slant::Upright, Weight::Regular, Shift::Up)
    }

    pub(crate) fn down(self, text: impl Into<String>) -> Self {
        self.with(text, Slant::Upright, Weight::Regular, Shift::Down)
    }

    pub(crate) fn then(mut self, other: Text) -> Self {
        self.runs.extend(other.runs);
        self
    }

    /// The same in one colour.
    pub(crate) fn colored(mut self, color: &str) -> Self {
        for run in &mut self.runs {
            run.color = Some(color.to_owned());
        }
        self
    }

    fn with(mut self, text: impl Into<String>, slant: Slant, weight: Weight, shift: Shift) -> Self {
        self.runs.push(Run { text: text.into(), slant, weight, shift, color: None });
        self
    }

    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Its width in px at this font size, in Inter; other fonts differ by some per cent.
    pub(crate) fn width(&self, size: f64) -> f64 {
        let em: f64 = self.runs.iter().map(|run| run.shift.scale() * run.text.chars().map(advance).sum::<f64>()).sum();
        em * size
    }
}

/// Breaks `text` at spaces into lines of at most `width` px at this font size.
pub(crate) fn wrap(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if Text::plain(format!("{line} {word}")).width(size) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Advance widths of Inter Regular for ASCII 32 to 126, in thousandths of an em.
const ADVANCES: [u16; 95] = [
    281, 278, 403, 631, 638, 812, 639, 222, 362, 362, 500, 659, 280, 460, 276, 357, 625, 464, 605, 636, 642, 608, 624,
    571, 616, 624, 276, 280, 659, 659, 659, 507, 936, 676, 651, 727, 719, 598, 587, 743, 740, 264, 543, 652, 562, 889,
    753, 761, 635, 761, 639, 638, 642, 741, 676, 949, 642, 665, 625, 362, 357, 362, 469, 452, 497, 564, 621, 558, 621,
    582, 361, 609, 591, 237, 237, 544, 237, 869, 585, 597, 609, 609, 372, 523, 364, 581, 557, 812, 540, 557, 541, 362,
    327, 362, 659,
];

fn advance(c: char) -> f64 {
    let thousandths = (c as usize).checked_sub(32).and_then(|i| ADVANCES.get(i)).copied();
    f64::from(thousandths.unwrap_or(640)) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_at_spaces() {
        let lines = wrap("one two three four", 10.0, Text::plain("one two three").width(10.0));
        assert_eq!(lines, ["one two three", "four"]);
        assert!(wrap("", 10.0, 50.0).is_empty());
    }

    #[test]
    fn raised_text_is_narrower() {
        assert!(Text::default().up("22").width(10.0) < Text::plain("22").width(10.0));
    }
}
