//! A JSON value as block YAML. Every string that could be read as something else is quoted as in JSON, which YAML contains; one of
//! several lines, such as the config in a `NetworkAttachmentDefinition`, is a literal block, for people to read and copy.

use std::fmt::Write as _;

use serde_json::Value;

/// The document, ending in a newline.
pub fn to_yaml(value: &Value) -> String {
    let mut text = String::new();
    block(&mut text, value, 0);
    text.trim_start().to_owned()
}

/// A value after `key:` or at the top: scalars and empty collections on the same line, others below.
fn block(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            text.push('\n');
            for (key, value) in members {
                let _ = write!(text, "{:1$}{2}:", "", depth * 2, scalar(&Value::from(key.as_str())));
                block(text, value, depth + 1);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            for item in items {
                list_item(text, item, depth);
            }
        }
        // At the top there is nothing that its lines could be indented against.
        Value::String(lines) if depth > 0 && is_literal(lines) => literal(text, lines, depth),
        value => {
            let _ = writeln!(text, " {}", scalar(value));
        }
    }
}

fn literal(text: &mut String, lines: &str, depth: usize) {
    let (mark, lines) = lines.strip_suffix('\n').map_or(("|-", lines), |lines| ("|", lines));
    let _ = writeln!(text, " {mark}");
    for line in lines.split('\n') {
        let indent = if line.is_empty() { 0 } else { depth * 2 };
        let _ = writeln!(text, "{:indent$}{line}", "");
    }
}

/// Several lines of what is seen as what it is. The first line shows how deep all are, and a line break at the end is one.
fn is_literal(text: &str) -> bool {
    let is_plain = |c: char| c == '\n' || c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric();
    let lines = text.strip_suffix('\n').unwrap_or(text);
    lines.contains('\n')
        && !lines.starts_with(char::is_whitespace)
        && !lines.ends_with(char::is_whitespace)
        && lines.split('\n').all(|line| line.is_empty() || !line.trim().is_empty())
        && text.chars().all(is_plain)
}

/// `- ` takes the place of the first two columns of what follows.
fn list_item(text: &mut String, item: &Value, depth: usize) {
    let mut below = String::new();
    block(&mut below, item, depth + 1);
    let _ = write!(text, "{:1$}- {2}", "", depth * 2, below.trim_start());
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        value => value.to_string(),
    }
}

/// Letters first, and nothing that means something to YAML: such a text is a string unless it is one of the words.
fn is_plain(text: &str) -> bool {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(harmless)
        && !words.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_come_back_the_same() {
        let value = json!({
            "name": "rail1", "empty": {}, "none": [], "null": null, "word": "yes", "number": "12", "time": "12:30:00",
            "list": [1, "a b", {"x": 1, "y": [true, "- z"]}, ["nested", [2]]], "map": {"k: v": "#", "": "\n"},
        });
        assert_eq!(crate::documents(&to_yaml(&value)).unwrap(), [value]);
    }

    #[test]
    fn several_lines_are_a_block_and_come_back_the_same() {
        let config = "{\n  \"type\": \"rail\",\n\n  \"n\": 1\n}";
        let value =
            json!({"spec": {"config": config, "text": "a: b\n# c\n"}, "list": ["x\ny", {"z": "- 1\n2"}]});
        let yaml = to_yaml(&value);
        assert!(
            yaml.contains("  config: |-\n    {\n      \"type\": \"rail\",\n\n      \"n\": 1\n    }\n"),
            "{yaml}"
        );
        assert!(yaml.contains("  text: |\n    a: b\n    # c\n"), "{yaml}");
        assert!(yaml.contains("  - |-\n    x\n    y\n"), "{yaml}");
        assert_eq!(crate::documents(&yaml).unwrap(), [value]);
    }

    /// What a block would change, or not show, stays quoted.
    #[test]
    fn other_lines_are_quoted_and_come_back_the_same() {
        for text in [
            "\n",
            "\na",
            " a\nb",
            "a\n\n",
            "a\n\n\n",
            "a\tb\nc",
            "a\r\nb",
            "a\u{85}b\nc",
            "a\n\u{202e}b",
            "a\u{feff}\nb",
            "one",
            "a\n ",
            "a \nb",
            "a\n \nb",
            "a\n\u{2028}",
            "\u{1b}[2J\nx",
            "---\na",
            "a\n...\n",
            "名前\n字",
        ] {
            for value in
                [json!(text), json!({"k": text, "l": [text, [text]]}), json!([[text], {"m": {"n": text}}])]
            {
                let yaml = to_yaml(&value);
                assert_eq!(crate::documents(&yaml).unwrap(), [value], "{yaml}");
            }
        }
    }

    #[test]
    fn it_reads_as_people_write_it() {
        let value = json!({"pods": [{"netns": "/run/netns/a", "rails": 8}]});
        assert_eq!(to_yaml(&value), "pods:\n  - netns: /run/netns/a\n    rails: 8\n");
    }
}
