//! From a YAML text to a tree of [`Node`]s.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::marks::{Mark, outline};
use super::{Entry, Node, Value};
use crate::error::Problems;

/// By aliases, a text may have so many values more than it has bytes. A short text could stand for gigabytes.
const MOST_BY_ALIASES: usize = 100_000;

/// The tree of `text`, or `None` and a problem if it is no YAML.
pub(crate) fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    // Without aliases no text has more values than bytes.
    let left = Cell::new(text.len() + MOST_BY_ALIASES);
    let seed = RawSeed { left: &left };
    let raw = match seed.deserialize(serde_yaml::Deserializer::from_str(text)) {
        Ok(raw) => raw,
        Err(error) => {
            let at = error.location().map(|place| (place.line(), place.column()));
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or(&message);
            let line = at.and_then(|(line, _)| text.lines().nth(line.checked_sub(1)?)).unwrap_or("");
            let hint =
                if line.trim_start_matches(' ').starts_with('\t') { "; indent with spaces, not with tabs" } else { "" };
            problems.at(at, "", format!("not YAML: {message}{hint}"));
            return None;
        }
    };
    Some(raw.placed(String::new(), Some(&outline(text)), None))
}

/// What `serde_yaml` sees. Its own `Value` would drop what is needed here: keys given twice.
enum Raw {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Raw>),
    Map(Vec<(Raw, Raw)>),
}

impl Raw {
    /// The node of this value, with the places of `mark`; what has none stands where its parent stands.
    fn placed(self, path: String, mark: Option<&Mark>, parent: Option<(usize, usize)>) -> Node {
        let at = mark.and_then(|mark| mark.at).or(parent);
        let below = |i: usize, count: usize| {
            mark.filter(|mark| mark.children.len() == count).and_then(|mark| mark.children.get(i))
        };
        let value = match self {
            Raw::Null => Value::Null,
            Raw::Bool(value) => Value::Bool(value),
            Raw::Integer(value) => Value::Integer(value),
            Raw::Float(value) => Value::Float(value),
            Raw::Text(value) => Value::Text(value),
            Raw::List(items) => {
                let count = items.len();
                let item = |(i, raw): (usize, Raw)| raw.placed(format!("{path}[{i}]"), below(i, count), at);
                Value::List(items.into_iter().enumerate().map(item).collect())
            }
            Raw::Map(entries) => {
                let count = 2 * entries.len();
                let entry = |(i, (key, raw)): (usize, (Raw, Raw))| {
                    let key = key.into_key();
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    let key_at = below(2 * i, count).and_then(|mark| mark.at).or(at);
                    Entry { key, at: key_at, node: raw.placed(path, below(2 * i + 1, count), key_at) }
                };
                Value::Map(entries.into_iter().enumerate().map(entry).collect())
            }
        };
        Node { path, at, written: mark.and_then(|mark| mark.written.clone()), value }
    }

    fn into_key(self) -> String {
        match self {
            Raw::Null => "null".into(),
            Raw::Bool(value) => value.to_string(),
            Raw::Integer(value) => value.to_string(),
            Raw::Float(value) => value.to_string(),
            Raw::Text(value) => value,
            Raw::List(_) => "[…]".into(),
            Raw::Map(_) => "{…}".into(),
        }
    }
}

/// Reads a value, as long as there may be one more.
#[derive(Clone, Copy)]
struct RawSeed<'a> {
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for RawSeed<'_> {
    type Value = Raw;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.ok_or_else(|| D::Error::custom("its aliases stand for too many values; write them out"))?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RawSeed<'_> {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Integer(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(i128::try_from(value).map_or(Raw::Float(value as f64), Raw::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_entry_seed(self, self)? {
            list.push(entry);
        }
        Ok(Raw::Map(list))
    }

    /// A tagged value (`!thing 1`): the tag says nothing to us, so the value alone is read.
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Raw, A::Error> {
        let (_, content): (String, _) = tagged.variant()?;
        content.newtype_variant_seed(self)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn tree(text: &str) -> Node {
        let mut problems = Problems::new(Path::new("t.yaml"));
        parse(text, &mut problems).unwrap_or_else(|| panic!("{}", problems.into_error()))
    }

    #[test]
    fn paths_and_places_survive_aliases_tags_and_duplicates() {
        let root = tree("a: &x [1, 2]\nb: *x\na: 3\nc: !odd {d: .nan}\n1: ~\n");
        let Value::Map(entries) = &root.value else { panic!("{root:?}") };
        let keys: Vec<_> = entries.iter().map(|e| (e.key.as_str(), e.at, e.node.at)).collect();
        assert_eq!(keys[1], ("b", Some((2, 1)), Some((2, 4))));
        assert_eq!(keys[2], ("a", Some((3, 1)), Some((3, 4))));
        let Value::List(items) = &entries[1].node.value else { panic!("{root:?}") };
        assert_eq!((items[1].path.as_str(), items[1].at), ("b[1]", Some((2, 4))));
        let d = root.child("c").and_then(|c| c.child("d")).expect("there");
        assert_eq!((d.path.as_str(), d.shown()), ("c.d", ".nan".to_owned()));
        assert_eq!(entries[4].key, "1");
    }

    #[test]
    fn what_is_no_yaml_is_a_problem_with_a_line() {
        for text in ["a: [1\nb: 2\n", "a: b: c\n", "\t- 1", "a: 1\n---\nb: 2\n", "*x"] {
            let mut problems = Problems::new(Path::new("t.yaml"));
            assert!(parse(text, &mut problems).is_none(), "{text:?}");
            assert!(problems.into_error().to_string().contains("not YAML: "), "{text:?}");
        }
    }

    #[test]
    fn a_bomb_of_aliases_is_refused_quickly() {
        let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (from, to) in "abcdefgh".chars().zip("bcdefghi".chars()) {
            text += &format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 9].join(", "));
        }
        let mut problems = Problems::new(Path::new("t.yaml"));
        assert!(parse(&text, &mut problems).is_none());
        // One that the YAML parser itself lets pass.
        let text = format!("a: &a [{}]\nb: [{}]", "1,".repeat(1000), "*a,".repeat(1000));
        let mut problems = Problems::new(Path::new("t.yaml"));
        assert!(parse(&text, &mut problems).is_none());
        let message = problems.into_error().to_string();
        assert!(message.contains("write them out"), "{message}");
        assert!(matches!(tree("a: &a [1, 2]\nb: [*a, *a]").child("b").expect("there").value, Value::List(_)));
    }
}
