//! The error object that a plugin prints and a delegate answers with.

use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{code, lenient};

/// A CNI error object behind one pointer, because it goes through hundreds of `?`, each of which copies what it may have
/// to return.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(transparent)]
#[error(transparent)]
pub struct Error(Box<ErrorObject>);

/// `msg` says what failed and what to do, `details` what may help to find out why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{msg}{}{details}", if details.is_empty() { "" } else { "; " })]
pub struct ErrorObject {
    /// One of [`code`], or a plugin's own from 100.
    #[serde(default)]
    pub code: u32,
    /// One line for people.
    #[serde(default)]
    pub msg: String,
    /// May be empty, then it is not printed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
}

impl Error {
    /// An error without details.
    pub fn new(code: u32, msg: impl Into<String>) -> Self {
        Self(Box::new(ErrorObject { code, msg: msg.into(), details: String::new() }))
    }

    /// The same error with other details.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.0.details = details.into();
        self
    }

    /// Code 1: the `cniVersion` is not supported or does not have this verb.
    pub fn incompatible_version(msg: impl Into<String>) -> Self {
        Self::new(code::INCOMPATIBLE_VERSION, msg)
    }

    /// Code 2: the message names the key and its value.
    pub fn unsupported(msg: impl Into<String>) -> Self {
        Self::new(code::UNSUPPORTED_FIELD, msg)
    }

    /// Code 4: the message names the variable.
    pub fn invalid_env(msg: impl Into<String>) -> Self {
        Self::new(code::INVALID_ENV, msg)
    }

    /// Code 5: input or output failed.
    pub fn io(msg: impl Into<String>) -> Self {
        Self::new(code::IO, msg)
    }

    /// Code 6: not JSON of the expected form.
    pub fn decode(msg: impl Into<String>) -> Self {
        Self::new(code::DECODE, msg)
    }

    /// Code 7: the message names the key, the value and what is allowed.
    pub fn invalid_config(msg: impl Into<String>) -> Self {
        Self::new(code::INVALID_CONFIG, msg)
    }

    /// Code 8: the network namespace cannot be used.
    pub fn netns(msg: impl Into<String>) -> Self {
        Self::new(code::INVALID_NETNS, msg)
    }

    /// Code 11: the same call may succeed later.
    pub fn try_again(msg: impl Into<String>) -> Self {
        Self::new(code::TRY_AGAIN, msg)
    }

    /// Code 50: STATUS says that ADD would fail.
    pub fn not_available(msg: impl Into<String>) -> Self {
        Self::new(code::NOT_AVAILABLE, msg)
    }

    /// Code 999: everything else.
    pub fn internal(msg: impl Into<String>) -> Self {
        Self::new(code::INTERNAL, msg)
    }

    /// All errors of a teardown as one: the first code, the messages joined. `None` when there are none.
    pub fn join(errors: impl IntoIterator<Item = Self>) -> Option<Self> {
        errors.into_iter().reduce(|first, next| {
            let details = [first.details.as_str(), &next.details].into_iter().filter(|d| !d.is_empty());
            let details = details.collect::<Vec<_>>().join("; ");
            Self::new(first.code, format!("{}; {}", first.msg, next.msg)).with_details(details)
        })
    }

    /// The object as it is printed: with the `cniVersion` that the specification asks for.
    pub fn to_value(&self, version: &str) -> Value {
        let mut object = json!({ "cniVersion": version, "code": self.code, "msg": self.msg });
        if !self.details.is_empty() {
            object["details"] = Value::from(self.details.as_str());
        }
        object
    }
}

impl Deref for Error {
    type Target = ErrorObject;

    fn deref(&self) -> &ErrorObject {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut ErrorObject {
        &mut self.0
    }
}

impl From<lenient::Error> for Error {
    fn from(error: lenient::Error) -> Self {
        Self::invalid_config(format!("invalid network config: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_details_only_if_there_are_any() {
        assert_eq!(Error::netns("no").to_string(), "no");
        assert_eq!(Error::netns("no").with_details("why").to_string(), "no; why");
        assert_eq!(
            Error::netns("no").to_value("1.0.0"),
            json!({ "cniVersion": "1.0.0", "code": 8, "msg": "no" })
        );
    }

    #[test]
    fn joined_errors_keep_the_first_code_and_every_text() {
        let errors =
            [Error::try_again("a"), Error::internal("b").with_details("c"), Error::io("d").with_details("e")];
        assert_eq!(Error::join(errors), Some(Error::try_again("a; b; d").with_details("c; e")));
        assert_eq!(Error::join([]), None);
    }
}
