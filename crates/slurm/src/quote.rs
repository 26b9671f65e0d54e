//! Words as they stand in a job script.

/// Characters that neither a shell nor sbatch makes anything of.
const PLAIN: &str = "_-+=:,./@%^";

/// A word for bash, and for an `#SBATCH` line, which reads quotes as a shell does. Words with a single quote or a line break
/// are refused before (`Order::problems`).
pub fn word(text: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || PLAIN.contains(character);
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { format!("'{text}'") }
}

/// A path in a file name of sbatch's, where `%` begins a pattern.
pub fn pattern(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_must_be_quoted_is() {
        assert_eq!(word("/shared/results/a-1.b"), "/shared/results/a-1.b");
        assert_eq!(word("a b"), "'a b'");
        assert_eq!(word("$(rm -rf ~)"), "'$(rm -rf ~)'");
        assert_eq!(word("~/x"), "'~/x'");
        assert_eq!(word(""), "''");
        assert_eq!(pattern("/a%j"), "/a%%j");
    }
}
