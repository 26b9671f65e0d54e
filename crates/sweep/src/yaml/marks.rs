//! Where everything stands in a YAML text: its outline, with lines and columns instead of values.

use saphyr_parser::{Event, Parser};

/// The place of one node and of those inside it.
#[derive(Debug, Default)]
pub(crate) struct Mark {
    /// (line, column), both from 1.
    pub(crate) at: Option<(usize, usize)>,
    /// The scalar as written.
    pub(crate) written: Option<String>,
    /// The items of a list, or key, value, key, value … of a mapping. Empty for scalars, and for aliases, whose
    /// content stands elsewhere.
    pub(crate) children: Vec<Mark>,
}

/// The outline of the first document in `text`; what cannot be outlined is left out, and then has no place.
pub(crate) fn outline(text: &str) -> Mark {
    // The innermost open collection is last; the first is the document itself.
    let mut open = vec![Mark::default()];
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        let at = Some((span.start.line(), span.start.col() + 1));
        let leaf = match event {
            Event::Scalar(written, ..) => Mark { at, written: Some(written.into_owned()), children: Vec::new() },
            Event::Alias(_) => Mark { at, ..Mark::default() },
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                open.push(Mark { at, ..Mark::default() });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(closed) => closed,
                None => break,
            },
            Event::DocumentEnd | Event::StreamEnd => break,
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => continue,
        };
        match open.last_mut() {
            Some(parent) => parent.children.push(leaf),
            None => break,
        }
    }
    open.into_iter().next().and_then(|document| document.children.into_iter().next()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_knows_its_place() {
        let root = outline("# a comment\ngrid:\n  eta: [0.1,\n    -2]\nname: 'é x'\n");
        assert_eq!(root.at, Some((2, 1)));
        let eta = &root.children[1].children[1];
        assert_eq!((eta.at, eta.children.len()), (Some((3, 8)), 2));
        assert_eq!((eta.children[1].at, eta.children[1].written.as_deref()), (Some((4, 5)), Some("-2")));
        assert_eq!(root.children[3].at, Some((5, 7)));
    }
}
