//! YAML documents as JSON values (core schema, YAML 1.2.2 section 10.3), so that one decoder with good paths serves both.
//! Anchors, tags of one's own and keys that are no strings have no place in a config and are refused.

mod write;

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Number, Value};

pub use write::to_yaml;

const DEEPEST: usize = 32;

/// Why a text is not a list of documents; lines count from 1.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says what the fields are")]
pub enum YamlError {
    /// The text is not YAML.
    #[error("{0}")]
    Syntax(String),
    /// YAML that JSON has no form for.
    #[error("line {line}: {what}")]
    Unsupported { line: usize, what: Cow<'static, str> },
}

/// The documents of a text, in order, empty ones left out. JSON is YAML, too.
pub fn documents(text: &str) -> Result<Vec<Value>, YamlError> {
    let mut reader = Reader { text, parser: Parser::new_from_str(text), depth: 0 };
    let mut documents = Vec::new();
    while let Some((event, span)) = reader.next()? {
        if matches!(
            event,
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd
        ) {
            continue;
        }
        let document = reader.value(event, span)?;
        if !document.is_null() {
            documents.push(document);
        }
    }
    Ok(documents)
}

struct Reader<'i> {
    text: &'i str,
    parser: Parser<'i, StrInput<'i>>,
    depth: usize,
}

impl<'i> Reader<'i> {
    fn next(&mut self) -> Result<Option<(Event<'i>, Span)>, YamlError> {
        self.parser.next_event().transpose().map_err(|error| YamlError::Syntax(self.told(&error)))
    }

    /// With the line alone, by which people look. Guides leave out with dots, which are no key; the parser finds that later.
    fn told(&self, error: &ScanError) -> String {
        let line = error.marker().line();
        let before = self.text.lines().take(line).position(|line| line.trim() == "...");
        match before {
            Some(place) => format!(
                "line {}: `...` is no YAML: take it out, or write what it stands for (line {line}: {})",
                place + 1,
                error.info()
            ),
            None => format!("line {line}: {}", error.info()),
        }
    }

    /// The event that must follow; the parser ends every collection that it began.
    fn follow(&mut self) -> Result<(Event<'i>, Span), YamlError> {
        self.next()?.ok_or_else(|| YamlError::Syntax("the text ends within a document".to_owned()))
    }

    fn value(&mut self, event: Event<'i>, span: Span) -> Result<Value, YamlError> {
        match event {
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                Err(unsupported(span, "an anchor; write the value out in each place"))
            }
            Event::Scalar(text, style, _, tag) => scalar(text, style, tag.as_deref(), span),
            Event::SequenceStart(..) => self.nested(span, Self::sequence),
            Event::MappingStart(..) => self.nested(span, Self::mapping),
            _ => Err(unsupported(span, "an alias; write the value out in each place")),
        }
    }

    fn nested(
        &mut self,
        span: Span,
        read: impl FnOnce(&mut Self) -> Result<Value, YamlError>,
    ) -> Result<Value, YamlError> {
        if self.depth == DEEPEST {
            return Err(unsupported(span, format!("more than {DEEPEST} levels")));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn sequence(&mut self) -> Result<Value, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.follow()? {
                (Event::SequenceEnd, _) => return Ok(Value::Array(items)),
                (event, span) => items.push(self.value(event, span)?),
            }
        }
    }

    fn mapping(&mut self) -> Result<Value, YamlError> {
        let mut members = Map::new();
        loop {
            let (event, span) = self.follow()?;
            let key = match event {
                Event::MappingEnd => return Ok(Value::Object(members)),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(unsupported(span, "a key that is no string")),
            };
            if members.contains_key(&key) {
                return Err(unsupported(span, format!("the key {key:?} a second time")));
            }
            let (event, span) = self.follow()?;
            let value = self.value(event, span)?;
            members.insert(key, value);
        }
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<Value, YamlError> {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(Value::String(text.into_owned())),
        Some(tag) => Err(unsupported(span, format!("the tag {}{}", tag.handle, tag.suffix))),
        None if style == ScalarStyle::Plain => Ok(plain(text)),
        None => Ok(Value::String(text.into_owned())),
    }
}

fn plain(text: Cow<'_, str>) -> Value {
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        number if looks_like_a_number(number) => {
            parse_number(number).unwrap_or_else(|| Value::String(text.into_owned()))
        }
        _ => Value::String(text.into_owned()),
    }
}

fn looks_like_a_number(text: &str) -> bool {
    text.trim_start_matches(['-', '+', '.']).starts_with(|c: char| c.is_ascii_digit())
}

fn parse_number(text: &str) -> Option<Value> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let integer = text.parse::<u64>().map(Value::from).or_else(|_| text.parse::<i64>().map(Value::from));
    integer.ok().or_else(|| Number::from_f64(text.parse().ok()?).map(Value::Number))
}

fn unsupported(span: Span, what: impl Into<Cow<'static, str>>) -> YamlError {
    YamlError::Unsupported { line: span.start.line(), what: what.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn several_documents_and_the_types_of_scalars() {
        let text = "a: 1\nb: [x, '2', -3, 1.5]\n---\n---\n# nothing but this\n---\nc: {d: true, e: ~, f: 10.0.0.1, g: \"\"}\n";
        let expected = [
            json!({"a": 1, "b": ["x", "2", -3, 1.5]}),
            json!({"c": {"d": true, "e": null, "f": "10.0.0.1", "g": ""}}),
        ];
        assert_eq!(documents(text).unwrap(), expected);
    }

    #[test]
    fn json_is_yaml() {
        assert_eq!(documents(r#"{"a": [1, "b"], "c": null}"#).unwrap(), [json!({"a": [1, "b"], "c": null})]);
    }

    #[test]
    fn what_json_cannot_say_is_refused_with_its_line() {
        let message = |text: &str| documents(text).unwrap_err().to_string();
        assert_eq!(message("a: &x 1\n"), "line 1: an anchor; write the value out in each place");
        assert_eq!(message("a: 1\na: 2\n"), r#"line 2: the key "a" a second time"#);
        assert_eq!(message("a: !mine 1\n"), "line 1: the tag !mine");
        assert_eq!(message("[a]: 1\n"), "line 1: a key that is no string");
        assert_eq!(message(&"[".repeat(33)), "line 1: more than 32 levels");
    }

    #[test]
    fn an_error_has_its_line_and_dots_of_a_guide_are_told() {
        let message = |text: &str| documents(text).unwrap_err().to_string();
        let broken = message("a: 1\nb: [1, 2\nc: 3\n");
        assert!(broken.starts_with("line 3: ") && !broken.contains("byte"), "{broken}");
        let dots = message("kind: X\nspec:\n  a: 1\n  ...\nb: 2\n");
        assert!(dots.starts_with("line 4: `...` is no YAML: take it out"), "{dots}");
    }

    #[test]
    fn broken_text_is_an_error_and_no_panic() {
        for text in ["a: [", "a: 'b", "\ta: 1", "a:\n - b\n c", "%YAML 9", "\u{0}", "- a: b\n  - c"] {
            let _ = documents(text);
        }
        assert!(documents("a: [1, 2\nb: 3").is_err());
    }
}
