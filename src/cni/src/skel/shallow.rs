//! JSON that is nested too deep for a reader, which keeps the stack small by refusing it. An undo goes on without those depths.

use crate::Command;

/// Objects and arrays within each other, of those that a reader takes: 127.
const DEEPEST: usize = 100;

/// The document as it came; of DEL and GC with null in the place of what is nested deeper.
pub(super) fn without_depths(command: &str, document: Vec<u8>) -> Vec<u8> {
    let undoes = [Command::Del, Command::Gc].iter().any(|verb| verb.as_str() == command);
    if undoes && depth(&document) > DEEPEST { cut(&document) } else { document }
}

fn depth(document: &[u8]) -> usize {
    let mut place = Place::default();
    document.iter().map(|&byte| place.after(byte)).max().unwrap_or(0)
}

fn cut(document: &[u8]) -> Vec<u8> {
    let mut place = Place::default();
    let mut kept = Vec::with_capacity(document.len());
    for &byte in document {
        let before = place.depth;
        let depth = place.after(byte);
        match (before > DEEPEST, depth > DEEPEST) {
            (false, true) => kept.extend_from_slice(b"null"),
            (false, false) => kept.push(byte),
            (true, _) => {}
        }
    }
    kept
}

/// Where in a document a reader is.
#[derive(Default)]
struct Place {
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Place {
    /// The depth after one more byte.
    fn after(&mut self, byte: u8) -> usize {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_text => self.escaped = true,
            b'"' => self.in_text = !self.in_text,
            _ if self.in_text => {}
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.depth
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn nested(depth: usize) -> String {
        format!(r#"{{"name":"a[\"]{{","deep":{}1{},"after":[2]}}"#, "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn del_and_gc_go_on_without_what_is_nested_too_deep() {
        for verb in ["DEL", "GC"] {
            for depth in [200, 100_000] {
                let document = without_depths(verb, nested(depth).into_bytes());
                let read: Value = serde_json::from_slice(&document).unwrap();
                assert_eq!((&read["name"], &read["after"]), (&json!("a[\"]{"), &json!([2])));
            }
        }
    }

    #[test]
    fn all_else_stays_as_it_came() {
        for (verb, document) in [("DEL", nested(90)), ("ADD", nested(200)), ("DEL", "}}]{\"".to_owned())] {
            assert_eq!(without_depths(verb, document.clone().into_bytes()), document.into_bytes());
        }
    }
}
