//! Numbers as a person reads them. Plain text; [`crate::figure5`] typesets powers of ten itself.

/// `digits` significant digits (≤ 15), plain between 0.001 and 10⁶ and with an exponent elsewhere: `0.0123`, `1.20e7`.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let places = digits.saturating_sub(1);
    let scientific = format!("{value:.places$e}");
    // After rounding: 9.996 is of the order of 10.
    let order: i32 = scientific.split_once('e').and_then(|(_, order)| order.parse().ok()).unwrap_or(0);
    if (-3..6).contains(&order) {
        let decimals = (places as i32 - order).max(0) as usize;
        format!("{value:.decimals$}")
    } else {
        scientific
    }
}

/// The shortest text of a value that someone wrote in a sweep file or that a range computed: up to six significant
/// digits, no trailing zeros: `0.05`, `1e-7`, `0.0707107`.
pub(crate) fn parameter(value: f64) -> String {
    trimmed(value, 6)
}

/// Up to `digits` significant digits, no trailing zeros.
pub(crate) fn trimmed(value: f64, digits: usize) -> String {
    let text = significant(value, digits);
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text.as_str(), None),
    };
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    match exponent {
        Some(exponent) => format!("{mantissa}e{exponent}"),
        None => mantissa.to_owned(),
    }
}

/// A count: all its digits up to 10⁶, then three of them.
pub(crate) fn count(value: u64) -> String {
    if value < 1_000_000 { value.to_string() } else { significant(value as f64, 3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn significant_digits() {
        for (value, text) in [
            (559.874, "559.9"),
            (0.012345, "0.01235"),
            (9.99996, "10.00"),
            (123_456.0, "123456"),
            (999_999.9, "1.000e6"),
            (1.2e22, "1.200e22"),
            (0.00099996, "0.001000"),
            (3.2e-5, "3.200e-5"),
            (0.0, "0"),
        ] {
            assert_eq!(significant(value, 4), text);
        }
    }

    #[test]
    fn parameters() {
        for (value, text) in [
            (0.05, "0.05"),
            (1.0, "1"),
            (100.0, "100"),
            (0.070710678, "0.0707107"),
            (1e-7, "1e-7"),
            (2.5e8, "2.5e8"),
            (1e6, "1e6"),
            (120000.0, "120000"),
        ] {
            assert_eq!(parameter(value), text);
        }
    }
}
