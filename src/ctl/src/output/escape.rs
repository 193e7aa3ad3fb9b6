//! Characters that a terminal obeys, or that make text look like another: written as JSON writes them, `\\u001b`. No JSON and no
//! quoted YAML has one outside of a string, so there the text means the same as before. A TAB harms nobody, and other programs
//! (ip(8), kubectl) print it: it becomes a space, which no column of ours is moved by.

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::OnceLock;

/// Around what is ours, such as a colour: no foreign text holds it, for nobody else knows this process's number.
fn boundary() -> &'static str {
    static BOUNDARY: OnceLock<String> = OnceLock::new();
    BOUNDARY.get_or_init(|| format!("<{:016x}>", RandomState::new().build_hasher().finish()))
}

/// What passes through [`lines`] as it is.
pub(super) fn ours(text: &str) -> String {
    format!("{0}{text}{0}", boundary())
}

/// The text without such characters, but for line breaks; what is [`ours`] is left.
pub(super) fn lines(text: &str) -> String {
    each(text, |c| c != '\n' && is_obeyed(c), false)
}

/// The same of what is one line: line breaks are such characters, too. What is [`ours`] stays marked.
pub(super) fn line(text: &str) -> String {
    each(text, is_obeyed, true)
}

fn each(text: &str, is_escaped: impl Fn(char) -> bool, keep_marks: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (number, part) in text.split(boundary()).enumerate() {
        if number % 2 == 1 {
            escaped.push_str(&if keep_marks { ours(part) } else { part.to_owned() });
            continue;
        }
        for c in part.chars() {
            if c == '\t' {
                escaped.push(' ');
            } else if is_escaped(c) {
                // Writing to a String cannot fail; all of them have four digits.
                let _ = write!(escaped, "\\u{:04x}", u32::from(c));
            } else {
                escaped.push(c);
            }
        }
    }
    escaped
}

/// C0, DEL and C1; what is not seen, or turns the direction of what follows (Unicode, bidirectional and general format
/// characters); and line breaks of other kinds.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use yaml::to_yaml;

    proptest! {
        #[test]
        fn nothing_that_a_terminal_obeys_is_left(text in "[\u{0}-\u{ff}\u{61c}\u{2000}-\u{206f}\u{feff}]{0,20}|\\PC{0,20}") {
            prop_assert!(!lines(&text).contains(|c| c != '\n' && is_obeyed(c)));
            prop_assert!(!line(&text).contains(is_obeyed));
        }

        #[test]
        fn programs_read_what_was_written(text in "[\u{0}-\u{ff}\u{200e}\u{202a}-\u{202e}\u{2066}\u{feff}\"\\\\]{0,20}") {
            let value = json!({ text.clone(): [text.clone(), { "name": text }] });
            let json = lines(&format!("{value:#}"));
            prop_assert!(!json.contains(|c| c != '\n' && is_obeyed(c)));
            prop_assert_eq!(&serde_json::from_str::<Value>(&json).unwrap(), &value);
            let yaml = lines(&to_yaml(&value));
            prop_assert!(!yaml.contains(|c| c != '\n' && is_obeyed(c)));
            prop_assert_eq!(yaml::documents(&yaml).unwrap(), [value]);
        }
    }

    #[test]
    fn what_people_write_is_left() {
        for text in ["net1 172.16.1.10/24", "fünf", "✓ 名前", "a\\u001b"] {
            assert_eq!((lines(text), line(text)), (text.to_owned(), text.to_owned()));
        }
        assert_eq!(line("a\nb"), "a\\u000ab");
        assert_eq!(
            (lines("0:\tfrom all"), line("0:\tfrom all")),
            ("0: from all".into(), "0: from all".into())
        );
    }
}
