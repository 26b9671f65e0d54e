//! Lengths of time as people and schedulers write them.

use std::time::Duration;

/// The forms that [`parse`] takes, for messages.
pub const FORMS: &str = "seconds (5400), units (90m, 2h30m, 1d12h), or Slurm's forms ([D-]HH:MM:SS, MM:SS)";

/// Reads a length of time: whole seconds, numbers with the units d, h, m and s in this order, or Slurm's `[D-]HH:MM:SS`
/// and `MM:SS`.
///
/// # Errors
/// A message that names the forms.
pub fn parse(text: &str) -> Result<Duration, String> {
    let trimmed = text.trim();
    let seconds = if trimmed.contains(':') { clock(trimmed) } else { plain(trimmed).or_else(|| units(trimmed)) };
    seconds.map(Duration::from_secs).ok_or_else(|| format!("`{text}` is no length of time: write {FORMS}"))
}

fn plain(text: &str) -> Option<u64> {
    // `u64::from_str` takes a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn clock(text: &str) -> Option<u64> {
    let (days, time) = match text.split_once('-') {
        Some((days, time)) => (Some(plain(days)?), time),
        None => (None, text),
    };
    let parts: Vec<u64> = time.split(':').map(plain).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match (days, &parts[..]) {
        (_, &[hours, minutes, seconds]) => (hours, minutes, seconds),
        (None, &[minutes, seconds]) => (0, minutes, seconds),
        _ => return None,
    };
    // Only the first part may be as large as it likes.
    let is_clock = seconds < 60 && (parts.len() == 2 || minutes < 60) && (days.is_none() || hours < 24);
    is_clock.then(|| sum([(days.unwrap_or(0), 86_400), (hours, 3600), (minutes, 60), (seconds, 1)]))?
}

fn units(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut terms = Vec::new();
    for (unit, seconds) in [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)] {
        if let Some((number, after)) = rest.split_once(unit) {
            terms.push((plain(number)?, seconds));
            rest = after;
        }
    }
    (rest.is_empty() && !terms.is_empty()).then(|| sum(terms))?
}

fn sum(terms: impl IntoIterator<Item = (u64, u64)>) -> Option<u64> {
    terms.into_iter().try_fold(0u64, |sum, (number, seconds)| sum.checked_add(number.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_people_and_of_slurm() {
        for (text, seconds) in [
            ("0", 0),
            ("5400", 5400),
            ("90m", 5400),
            ("2h30m", 9000),
            ("1d12h", 129_600),
            ("1h1s", 3601),
            ("45s", 45),
            ("90:00", 5400),
            ("1:30:00", 5400),
            ("48:00:00", 172_800),
            ("1-00:00:10", 86_410),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_told_the_forms() {
        for text in [
            "",
            "h",
            "+5",
            "-5",
            "1.5h",
            "5 h",
            "30m2h",
            "2h30",
            "1:2:3:4",
            "1:",
            ":30",
            "1:60",
            "1-2:30",
            "1-24:00:00",
            "1h:30",
            "x",
            "99999999999999999999",
            "9999999999999999999d",
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains("2h30m") && error.contains("[D-]HH:MM:SS"), "{error}");
        }
    }
}
