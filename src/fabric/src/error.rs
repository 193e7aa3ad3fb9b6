//! What is wrong with a fabric, by field.

use std::fmt;

/// One thing that is wrong: the field, what stands there, and what to do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}{}: {problem}", .value.as_deref().map(|value| format!(" {value:?}")).unwrap_or_default())]
pub struct Error {
    /// Its path, `spec.rails[2].interface`.
    pub field: String,
    /// What stands there, if anything does.
    pub value: Option<String>,
    /// What is wrong with it, and the cure.
    pub problem: String,
}

/// All that is wrong, never none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct Errors(pub Vec<Error>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Collects errors, so that one reading tells all of them.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Error>);

impl Problems {
    /// Of a field below `spec`.
    pub(crate) fn add(&mut self, field: impl Into<String>, value: Option<&str>, problem: impl Into<String>) {
        self.add_at(format!("spec.{}", field.into()), value, problem);
    }

    /// Of any field of the document.
    pub(crate) fn add_at(
        &mut self,
        field: impl Into<String>,
        value: Option<&str>,
        problem: impl Into<String>,
    ) {
        let (field, problem) = (field.into(), problem.into());
        self.0.push(Error { field, value: value.map(str::to_owned), problem });
    }

    /// The value, or its error kept.
    pub(crate) fn take<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.0.push(error)).ok()
    }

    pub(crate) fn into_result(self) -> Result<(), Errors> {
        if self.0.is_empty() { Ok(()) } else { Err(Errors(self.0)) }
    }
}
