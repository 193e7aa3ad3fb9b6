//! `CNI_ARGS`: `KEY=VALUE;KEY=VALUE`.

use crate::Error;

/// The pairs of `CNI_ARGS` in their order. Keys are case-sensitive, the last of equal keys counts, and a value may
/// hold `=` and commas. Nothing is an error until [`CniArgs::allow`] is asked, because DEL needs none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CniArgs {
    text: String,
    pairs: Vec<(String, String)>,
    malformed: Vec<String>,
}

/// `CNI_ARGS` holds something that it must not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum ArgsError {
    #[error("CNI_ARGS: \"{0}\" is not KEY=VALUE")]
    Malformed(String),
    #[error("CNI_ARGS: unknown args {unknown:?}; allowed are {allowed:?}, or add IgnoreUnknown=1")]
    Unknown { unknown: Vec<String>, allowed: Vec<String> },
    #[error("CNI_ARGS: {key}={value}: expected 1, true, 0 or false")]
    NotBool { key: String, value: String },
}

impl From<ArgsError> for Error {
    fn from(error: ArgsError) -> Self {
        Self::invalid_env(error.to_string())
    }
}

impl CniArgs {
    /// Takes the variable apart. Empty pairs (`A=1;;`) are skipped.
    pub fn parse(text: &str) -> Self {
        let mut args = Self { text: text.to_owned(), ..Self::default() };
        for pair in text.split(';').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some((key, value)) if !key.is_empty() => args.pairs.push((key.to_owned(), value.to_owned())),
                _ => args.malformed.push(pair.to_owned()),
            }
        }
        args
    }

    /// The variable as it came.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The value of a key; an empty value counts as absent.
    pub fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.pairs.iter().rev().find(|(k, _)| k == key)?;
        (!value.is_empty()).then_some(value.as_str())
    }

    /// The parts of a comma list, such as `IP=10.0.0.5/24,fd00::5/64`; empty when the key is absent.
    pub fn list(&self, key: &str) -> impl Iterator<Item = &str> {
        self.get(key).unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty())
    }

    /// A key that is `1`, `true`, `0` or `false`, in any case.
    pub fn get_bool(&self, key: &str) -> Result<Option<bool>, ArgsError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.to_ascii_lowercase().as_str() {
            "1" | "true" => Ok(Some(true)),
            "0" | "false" => Ok(Some(false)),
            _ => Err(ArgsError::NotBool { key: key.to_owned(), value: value.to_owned() }),
        }
    }

    /// Refuses malformed pairs, and keys other than these unless `IgnoreUnknown` is set.
    pub fn allow(&self, known: &[&str]) -> Result<(), ArgsError> {
        if let Some(pair) = self.malformed.first() {
            return Err(ArgsError::Malformed(pair.clone()));
        }
        if self.get_bool("IgnoreUnknown")? == Some(true) {
            return Ok(());
        }
        let is_known = |key: &str| key == "IgnoreUnknown" || known.contains(&key);
        let unknown: Vec<_> =
            self.pairs.iter().filter(|(k, _)| !is_known(k)).map(|(k, v)| format!("{k}={v}")).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(ArgsError::Unknown { unknown, allowed: known.iter().map(ToString::to_string).collect() })
    }
}
