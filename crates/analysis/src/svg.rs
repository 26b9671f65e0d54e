//! A small writer of SVG: lines, paths and text, nothing else. Coordinates are in px, y downward, and are written with
//! two decimals, so the same figure is the same bytes.

use std::fmt::Write as _;

use crate::typeset::{Shift, Slant, Text, Weight};

/// Fonts a viewer may have, best first; the first one is the one the PNG is made with.
pub(crate) const FONT_FAMILY: &str = "Inter, 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif";

/// How a line is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stroke<'a> {
    pub(crate) color: &'a str,
    pub(crate) width: f64,
    /// An SVG dash array; empty for a solid line.
    pub(crate) dash: &'a str,
}

impl<'a> Stroke<'a> {
    pub(crate) fn solid(color: &'a str, width: f64) -> Self {
        Self { color, width, dash: "" }
    }

    fn attributes(&self) -> String {
        let mut text = format!(r#"stroke="{}" stroke-width="{}""#, self.color, number(self.width));
        if !self.dash.is_empty() {
            // Writing to a String cannot fail, here and below.
            let _ = write!(text, r#" stroke-dasharray="{}""#, self.dash);
        }
        text
    }
}

/// Which point of a text its position is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Size and colour of a text, and where it is held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextStyle<'a> {
    pub(crate) size: f64,
    pub(crate) color: &'a str,
    pub(crate) anchor: Anchor,
}

/// A drawing under way.
#[derive(Debug, Default)]
pub(crate) struct Svg {
    body: String,
}

impl Svg {
    /// The finished document on white; `label` is what a screen reader says.
    pub(crate) fn finish(self, width: f64, height: f64, label: &str) -> String {
        let (width, height) = (number(width), number(height));
        format!(
            concat!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" "#,
                r#"font-family="{font}" role="img">"#,
                "\n<title>{label}</title>\n",
                r##"<rect width="{w}" height="{h}" fill="#ffffff"/>"##,
                "\n{body}</svg>\n"
            ),
            w = width,
            h = height,
            font = FONT_FAMILY,
            label = escape(label),
            body = self.body
        )
    }

    pub(crate) fn open_group(&mut self, id: &str) {
        let _ = writeln!(self.body, r#"<g id="{}">"#, escape(id));
    }

    pub(crate) fn close_group(&mut self) {
        self.body.push_str("</g>\n");
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke<'_>) {
        self.path(&[from, to], stroke);
    }

    /// An open polyline.
    pub(crate) fn path(&mut self, points: &[(f64, f64)], stroke: Stroke<'_>) {
        let attributes = stroke.attributes();
        let _ = writeln!(
            self.body,
            r#"<path d="{}" fill="none" {attributes} stroke-linejoin="round" stroke-linecap="butt"/>"#,
            outline(points)
        );
    }

    /// A closed polygon.
    pub(crate) fn polygon(&mut self, points: &[(f64, f64)], fill: &str, stroke: Stroke<'_>) {
        let attributes = stroke.attributes();
        let _ = writeln!(
            self.body,
            r#"<path d="{}Z" fill="{fill}" {attributes} stroke-linejoin="round"/>"#,
            outline(points)
        );
    }

    pub(crate) fn circle(&mut self, (x, y): (f64, f64), radius: f64, fill: &str, stroke: Stroke<'_>) {
        let (x, y, radius) = (number(x), number(y), number(radius));
        let _ =
            writeln!(self.body, r#"<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}" {}/>"#, stroke.attributes());
    }

    /// One line of text with its baseline at `at`.
    pub(crate) fn text(&mut self, at: (f64, f64), text: &Text, style: TextStyle<'_>) {
        self.placed_text(&format!(r#"x="{}" y="{}""#, number(at.0), number(at.1)), text, style);
    }

    /// One line of text that runs upward, its baseline through `at`.
    pub(crate) fn upward_text(&mut self, at: (f64, f64), text: &Text, style: TextStyle<'_>) {
        let place = format!(r#"transform="translate({} {}) rotate(-90)""#, number(at.0), number(at.1));
        self.placed_text(&place, text, style);
    }

    fn placed_text(&mut self, place: &str, text: &Text, style: TextStyle<'_>) {
        let anchor = match style.anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let (size, color) = (number(style.size), style.color);
        let _ = write!(self.body, r#"<text {place} font-size="{size}" fill="{color}"{anchor} xml:space="preserve">"#);
        // tspans shift the baseline for what follows them, so each one undoes the last.
        let mut lowered = 0.0;
        for run in text.runs() {
            let target = match run.shift {
                Shift::None => 0.0,
                Shift::Up => -0.36 * style.size,
                Shift::Down => 0.22 * style.size,
            };
            let mut attributes = String::new();
            if target != lowered {
                let _ = write!(attributes, r#" dy="{}""#, number(target - lowered));
                lowered = target;
            }
            if run.shift != Shift::None {
                let _ = write!(attributes, r#" font-size="{}""#, number(run.shift.scale() * style.size));
            }
            if run.slant == Slant::Italic {
                attributes.push_str(r#" font-style="italic""#);
            }
            if run.weight == Weight::SemiBold {
                attributes.push_str(r#" font-weight="600""#);
            }
            if let Some(color) = &run.color {
                let _ = write!(attributes, r#" fill="{color}""#);
            }
            let content = escape(&run.text);
            let _ = if attributes.is_empty() {
                write!(self.body, "{content}")
            } else {
                write!(self.body, "<tspan{attributes}>{content}</tspan>")
            };
        }
        self.body.push_str("</text>\n");
    }
}

fn outline(points: &[(f64, f64)]) -> String {
    let mut text = String::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        let _ = write!(text, "{}{} {}", if i == 0 { "M" } else { "L" }, number(x), number(y));
    }
    text
}

/// Two decimals, without zeros at the end and without a minus at 0.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML 1.0 has no way to write them.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(1.0), "1");
        assert_eq!(number(-0.001), "0");
        assert_eq!(number(100.0), "100");
        assert_eq!(number(2.456), "2.46");
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escape("a<b & \"c\"\u{1}"), "a&lt;b &amp; &quot;c&quot; ");
    }
}
