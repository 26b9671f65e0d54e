//! A mapping's keys: required, optional, unknown, given twice, not in this version.

use std::collections::HashMap;

use super::{Entry, Node, Value};
use crate::error::Problems;

/// Said of what DESIGN names and this release does not have.
fn not_yet(what: &str) -> String {
    format!("{what} is not in this version ({})", env!("CARGO_PKG_VERSION"))
}

/// The keys of one mapping, known to be among those that may stand there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(crate) node: &'a Node,
}

impl<'a> Fields<'a> {
    /// The keys of `node`. `known` may stand there; `later` are known, but only to a later version. Every other key,
    /// and every key given twice, is a problem. `None` if `node` is no mapping; `example` then shows one.
    pub(crate) fn of(
        node: &'a Node,
        known: &[&str],
        later: &[&str],
        example: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        let Some(entries) = entries(node) else {
            problems.node(node, format!("{} stands here; a mapping is expected, like {example}", node.shown()));
            return None;
        };
        let mut first_with: HashMap<&str, &Entry> = HashMap::new();
        for entry in entries {
            let mut problem = |message: String| problems.at(entry.at, &entry.node.path, message);
            let first = *first_with.entry(&entry.key).or_insert(entry);
            if !std::ptr::eq(first, entry) {
                let line = first.at.map_or(String::new(), |(line, _)| format!("; the first is on line {line}"));
                problem(format!("given twice{line}"));
            } else if later.contains(&entry.key.as_str()) {
                problem(format!("{}; available: {}", not_yet(&entry.key), known.join(", ")));
            } else if !known.contains(&entry.key.as_str()) {
                let hint = nearest(&entry.key, known).map_or(String::new(), |near| format!("; did you mean {near}?"));
                problem(format!("unknown key{hint} (known here: {})", known.join(", ")));
            }
        }
        Some(Self { node })
    }

    /// The value of `key`, if it is given.
    pub(crate) fn optional(&self, key: &str) -> Option<&'a Node> {
        self.node.child(key)
    }

    /// The value of `key`; a problem if it is missing, with `what` it should be.
    pub(crate) fn required(&self, key: &str, what: &str, problems: &mut Problems) -> Option<&'a Node> {
        let found = self.optional(key);
        if found.is_none() {
            let path = if self.node.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.node.path) };
            problems.at(self.node.at, &path, format!("missing; {what}"));
        }
        found
    }
}

fn entries(node: &Node) -> Option<&[Entry]> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        _ => None,
    }
}

impl Node {
    /// The text here, if it is one of `known`; else a problem. `later` are the words of a later version.
    pub(crate) fn word<'k>(
        &self,
        what: &str,
        known: &[&'k str],
        later: &[&str],
        problems: &mut Problems,
    ) -> Option<&'k str> {
        let text = self.text().unwrap_or("");
        if let Some(word) = known.iter().find(|word| **word == text) {
            return Some(word);
        }
        let available = known.join(", ");
        problems.node(
            self,
            if later.contains(&text) {
                format!("{}; available: {available}", not_yet(text))
            } else {
                let hint = nearest(text, known).map_or(String::new(), |near| format!("; did you mean {near}?"));
                format!("{} is no {what}{hint} (available: {available})", self.shown())
            },
        );
        None
    }

    /// true or false; else a problem.
    pub(crate) fn flag(&self, problems: &mut Problems) -> Option<bool> {
        if let Value::Bool(value) = self.value {
            return Some(value);
        }
        problems.node(self, format!("{} is neither true nor false", self.shown()));
        None
    }

    /// The word under `kind` of this mapping; else a problem.
    pub(crate) fn kind<'k>(
        &self,
        what: &str,
        known: &[&'k str],
        later: &[&str],
        example: &str,
        problems: &mut Problems,
    ) -> Option<&'k str> {
        if entries(self).is_none() {
            problems.node(self, format!("{} stands here; a mapping is expected, like {example}", self.shown()));
            return None;
        }
        match self.child("kind") {
            Some(kind) => kind.word(what, known, later, problems),
            None => {
                let path = format!("{}.kind", self.path);
                problems.at(self.at, &path, format!("missing; it is one of {}", known.join(", ")));
                None
            }
        }
    }
}

/// The word nearest to `word` in edits, if it is near enough to be a slip of the hand.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let (distance, near) = known.iter().map(|near| (edits(word, near), *near)).min()?;
    (distance <= 1 + word.chars().count() / 4).then_some(near)
}

/// How many single characters to insert, delete or replace to make `b` of `a` (Levenshtein), case aside.
fn edits(a: &str, b: &str) -> usize {
    // Nothing longer than this is a slip of the hand for one of our keys; and it bounds the work.
    let a: Vec<char> = a.to_lowercase().chars().take(40).collect();
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_hand_are_understood() {
        let known = ["alpha", "beta", "eta", "batch_size", "around"];
        for (slip, meant) in
            [("etta", "eta"), ("batchsize", "batch_size"), ("Alpha", "alpha"), ("batch-size", "batch_size")]
        {
            assert_eq!(nearest(slip, &known), Some(meant));
        }
        assert_eq!(nearest("learning_rate", &known), None);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
