//! JSON as Go programs read it, because configs in the field rely on it: keys match in any case (an exact match wins),
//! unknown keys are ignored, the last of equal keys counts, `null` is absent, and so is `""` where the field is
//! optional. Types are strict: `"28"` is no number and `1.0` no integer.
//!
//! Only fields of plain structs match in any case: `#[serde(flatten)]` hides the field list from the deserializer.

mod de;
mod error;
mod fields;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use error::Error;
pub(crate) use error::{cut, excerpt};
pub use fields::fields_of;

/// Decodes a value; the error names the key, what stands there, and what is allowed.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, Error> {
    T::deserialize(de::Lenient(value))
}

/// The member of an object whose key matches, unless it is null.
pub fn member<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    entry(value, key).filter(|value| !value.is_null())
}

/// As [`member`], but null counts as being there.
pub(crate) fn entry<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    find(value.as_object()?, key).map(|(_, value)| value)
}

/// The entry whose key is `key`, or else the last one that differs in case only.
fn find<'a>(object: &'a Map<String, Value>, key: &str) -> Option<(&'a String, &'a Value)> {
    object.get_key_value(key).or_else(|| object.iter().rfind(|(k, _)| k.eq_ignore_ascii_case(key)))
}

#[cfg(test)]
mod tests;
