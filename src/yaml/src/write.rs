//! A JSON value as block YAML. Every string that could be read as something else is quoted as in JSON, which YAML contains.

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
        value => {
            let _ = writeln!(text, " {}", scalar(value));
        }
    }
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
    fn it_reads_as_people_write_it() {
        let value = json!({"pods": [{"netns": "/run/netns/a", "rails": 8}]});
        assert_eq!(to_yaml(&value), "pods:\n  - netns: /run/netns/a\n    rails: 8\n");
    }
}
