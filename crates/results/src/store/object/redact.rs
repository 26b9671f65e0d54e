//! Texts of others without what must not be read: credentials in URLs and the values of secret variables.

use std::borrow::Cow;

/// Parts of the names of variables whose values are secret.
const SECRET: [&str; 5] = ["KEY", "SECRET", "TOKEN", "PASSWORD", "CREDENTIAL"];
const VENDORS: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];

/// `text` without the values of secret variables of the environment, and without the queries of URLs.
pub(super) fn redact(text: &str) -> String {
    let values = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        let secret = VENDORS.iter().any(|vendor| name.starts_with(vendor)) && SECRET.iter().any(|s| name.contains(s));
        secret.then(|| value.into_string().ok()).flatten()
    });
    redact_values(text, values)
}

fn redact_values(text: &str, values: impl Iterator<Item = String>) -> String {
    let mut text = Cow::Borrowed(text);
    // A value of a few letters is no secret, and would tear words apart.
    for value in values.filter(|value| value.len() >= 4) {
        if text.contains(&value) {
            text = text.replace(&value, "***").into();
        }
    }
    without_queries(&text)
}

/// Cuts `user:password@` and `?query` out of whatever looks like a URL.
fn without_queries(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ')' | '(' | '<' | '>' | ',');
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        clean.push_str(before);
        let (url, after) = url.split_at(url.find(ends).unwrap_or(url.len()));
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let (authority, tail) = path.split_at(path.find('/').unwrap_or(path.len()));
        clean.push_str(authority.rsplit('@').next().unwrap_or_default());
        clean.push_str(tail);
        if path.len() < url.len() {
            clean.push_str("?***");
        }
        rest = after;
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_cut_out_and_the_rest_stays() {
        let text =
            "Error performing PUT https://id:hush@host:9000/b/x?sig=hush&y=1 (key hush-hush) in 3s <a>hush-hush</a>";
        let clean = redact_values(text, ["hush-hush".to_owned(), "in".to_owned()].into_iter());
        assert_eq!(clean, "Error performing PUT https://host:9000/b/x?*** (key ***) in 3s <a>***</a>");
        let plain = "no such thing: trials/part-1";
        assert_eq!(redact_values(plain, std::iter::empty()), plain);
    }
}
