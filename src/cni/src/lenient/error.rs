use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};
use serde_json::Value;

/// What is wrong with one value, and where it stands.
///
/// One pointer, because every field of every config has a `?` that copies what it may have to return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Complaint>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Complaint {
    path: String,
    value: Option<String>,
    problem: String,
    /// A field is missing in the object that is being read right now.
    missing_here: bool,
}

impl Error {
    fn new(problem: impl Into<String>) -> Self {
        Self(Box::new(Complaint { problem: problem.into(), ..Complaint::default() }))
    }

    /// Where the value stands, such as `runtimeConfig.ips[1]`; empty for the whole document.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The same error seen from one level further out, below `key`.
    #[must_use]
    pub fn below(mut self, key: &str) -> Self {
        self.0.missing_here = false;
        self.0.path = match self.0.path.as_str() {
            "" => key.to_owned(),
            inner if inner.starts_with('[') => format!("{key}{inner}"),
            inner => format!("{key}.{inner}"),
        };
        self
    }

    pub(super) fn at_index(self, index: usize) -> Self {
        self.below(&format!("[{index}]"))
    }

    /// Remembers the offending value; the innermost call counts.
    pub(super) fn with_value(mut self, value: &Value) -> Self {
        if self.0.path.is_empty() && self.0.value.is_none() {
            self.0.value = Some(excerpt(&value.to_string()));
        }
        self
    }

    /// A missing field is often there under another name, so the keys that mean nothing are worth showing.
    pub(super) fn with_unknown_keys<'a>(mut self, unknown: impl FnOnce() -> Vec<&'a str>) -> Self {
        if self.0.missing_here {
            let unknown = unknown();
            if !unknown.is_empty() {
                let unknown = excerpt(&format!("{unknown:?}"));
                self.0.problem =
                    format!("{}, and these keys beside it mean nothing: {unknown}", self.0.problem);
            }
        }
        self
    }
}

/// Long values, and secrets in them, do not belong in an event.
pub(crate) fn excerpt(text: &str) -> String {
    cut(text, 80).into_owned()
}

/// At most that many characters of it, and whether there are more.
pub(crate) fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Complaint { path, value, problem, .. } = &*self.0;
        match (path.as_str(), value) {
            ("", None) => f.write_str(problem),
            ("", Some(value)) => write!(f, "{value}: {problem}"),
            (path, None) => write!(f, "key \"{path}\" {problem}"),
            (path, Some(value)) => write!(f, "key \"{path}\" has the value {value}: {problem}"),
        }
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}", plain(&expected.to_string())))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}", plain(&expected.to_string())))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        let quoted: Vec<_> = expected.iter().map(|v| format!("\"{v}\"")).collect();
        Self::new(format!("expected {}", quoted.join(" or ")))
    }

    fn missing_field(field: &'static str) -> Self {
        let mut error = Self::new("is missing").below(field);
        error.0.missing_here = true;
        error
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new("is given twice, under two of its names").below(field)
    }
}

/// Serde's names of expected types in the words of somebody who writes JSON.
fn plain(expected: &str) -> &str {
    match expected {
        "u8" => "an integer from 0 to 255",
        "u16" => "an integer from 0 to 65535",
        "u32" => "an integer from 0 to 4294967295",
        "u64" | "usize" => "an integer that is not negative",
        "i8" => "an integer from -128 to 127",
        "i16" => "an integer from -32768 to 32767",
        "i32" => "an integer from -2147483648 to 2147483647",
        "i64" | "isize" => "an integer",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        other if other.starts_with("struct ") => "an object",
        other => other,
    }
}
