//! The sweep file as a tree whose every node knows its path, its line and its column.
//!
//! `serde_yaml` reads the values (what is a number, what is text); `saphyr-parser` says where each of them stands.
//! Nothing here knows what a sweep is.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`tree`] | text → tree of [`Node`]s |
//! | [`marks`] | where everything stands in the text |
//! | [`fields`] | a mapping's keys: required, optional, unknown, given twice |
//! | [`number`] | finite, positive, whole numbers within bounds |

mod fields;
mod marks;
pub(crate) mod number;
mod tree;

pub(crate) use fields::Fields;
pub(crate) use number::{Real, Whole};
pub(crate) use tree::parse;

/// One value of the file.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Like `grid.eta[1]`; empty for the root.
    pub(crate) path: String,
    /// (line, column), both from 1.
    pub(crate) at: Option<(usize, usize)>,
    /// The scalar as the user wrote it.
    pub(crate) written: Option<String>,
    pub(crate) value: Value,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; keys given twice are still twice here.
    Map(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) at: Option<(usize, usize)>,
    pub(crate) node: Node,
}

impl Node {
    /// What stands here, to be quoted in a message: the value as written, or what it is.
    pub(crate) fn shown(&self) -> String {
        match (&self.value, &self.written) {
            (Value::List(items), _) if items.is_empty() => "an empty list".into(),
            (Value::List(_), _) => "a list".into(),
            (Value::Map(_), _) => "a mapping".into(),
            (Value::Null, _) => "nothing".into(),
            (Value::Text(text), _) => format!("{:?}", shortened(text)),
            (_, Some(written)) => shortened(written),
            (Value::Bool(value), None) => value.to_string(),
            (Value::Integer(value), None) => value.to_string(),
            (Value::Float(value), None) => value.to_string(),
        }
    }

    /// The text that stands here, if it is text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The `key` of this mapping (its first one, should it be given twice).
    pub(crate) fn child(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            _ => None,
        }
    }
}

/// At most 40 characters of `text`.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
