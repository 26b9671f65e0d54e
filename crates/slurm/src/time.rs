//! Lengths of time as sbatch takes them and squeue prints them.

use std::time::Duration;

/// A time limit as `sbatch --time` takes it: `minutes`, `MM:SS`, `HH:MM:SS`, `D-HH`, `D-HH:MM`, `D-HH:MM:SS`. `None` if it
/// is none, or unlimited.
pub fn parse_limit(text: &str) -> Option<Duration> {
    let (days, time) = match text.split_once('-') {
        Some((days, time)) => (Some(number(days)?), time),
        None => (None, text),
    };
    let parts: Vec<u64> = time.split(':').map(number).collect::<Option<_>>()?;
    let [hours, minutes, seconds] = match (days, &parts[..]) {
        (_, &[hours, minutes, seconds]) => [hours, minutes, seconds],
        (Some(_), &[hours]) => [hours, 0, 0],
        (Some(_), &[hours, minutes]) => [hours, minutes, 0],
        (None, &[minutes]) => [0, minutes, 0],
        (None, &[minutes, seconds]) => [0, minutes, seconds],
        _ => return None,
    };
    seconds_of(days.unwrap_or(0), hours, minutes, seconds)
}

/// Time used as squeue's `%M` prints it: `[[D-]HH:]MM:SS`. `None` for anything else, `INVALID` and `UNLIMITED` among it.
pub fn parse_used(text: &str) -> Option<Duration> {
    text.contains(':').then(|| parse_limit(text))?
}

fn number(text: &str) -> Option<u64> {
    // `u64::from_str` takes a sign.
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn seconds_of(days: u64, hours: u64, minutes: u64, seconds: u64) -> Option<Duration> {
    let terms = [(days, 86_400), (hours, 3600), (minutes, 60), (seconds, 1)];
    let sum = terms.into_iter().try_fold(0u64, |sum, (number, unit)| sum.checked_add(number.checked_mul(unit)?));
    sum.map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_six_forms() {
        for (text, seconds) in [
            ("90", 5400),
            ("90:30", 5430),
            ("1:30:00", 5400),
            ("2-3", 183_600),
            ("2-3:30", 185_400),
            ("2-03:30:10", 185_410),
        ] {
            assert_eq!(parse_limit(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_used("0:05"), Some(Duration::from_secs(5)));
    }

    #[test]
    fn nothing_else() {
        for text in ["", "UNLIMITED", "INVALID", "-1", "1-", "1:2:3:4", "+5", "1h", "99999999999999999999-0", "1--2"] {
            assert_eq!(parse_limit(text), None, "{text}");
        }
        assert_eq!(parse_used("5"), None);
    }
}
