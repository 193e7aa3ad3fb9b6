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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_case_sensitive_and_the_last_counts() {
        let args = CniArgs::parse("IP=10.0.0.1;ip=10.0.0.2;IP=10.0.0.3;MAC=");
        assert_eq!(args.get("IP"), Some("10.0.0.3"));
        assert_eq!(args.get("ip"), Some("10.0.0.2"));
        assert_eq!((args.get("MAC"), args.get("GATEWAY")), (None, None));
    }

    #[test]
    fn values_may_hold_equal_signs_and_commas() {
        let args = CniArgs::parse("TOKEN=a=b==;IP=10.0.0.5/24, fd00::5/64,");
        assert_eq!(args.get("TOKEN"), Some("a=b=="));
        assert_eq!(args.list("IP").collect::<Vec<_>>(), ["10.0.0.5/24", "fd00::5/64"]);
        assert_eq!(args.list("MAC").count(), 0);
    }

    #[test]
    fn unknown_keys_are_refused_unless_ignored() {
        let unknown = CniArgs::parse("IP=10.0.0.1;FOO=bar").allow(&["IP", "MAC"]).unwrap_err();
        assert!(matches!(&unknown, ArgsError::Unknown { unknown, .. } if unknown == &["FOO=bar"]));
        assert_eq!(Error::from(unknown).code, crate::code::INVALID_ENV);
        for yes in ["1", "true", "True", "TRUE"] {
            assert_eq!(CniArgs::parse(&format!("FOO=bar;IgnoreUnknown={yes}")).allow(&[]), Ok(()));
        }
        for no in ["0", "false", "False", ""] {
            assert!(CniArgs::parse(&format!("FOO=bar;IgnoreUnknown={no}")).allow(&[]).is_err());
        }
        assert_eq!(CniArgs::parse("IP=10.0.0.1;IgnoreUnknown=0").allow(&["IP"]), Ok(()));
    }

    #[test]
    fn malformed_pairs_wait_for_the_check() {
        for text in ["IP", "=x", "IgnoreUnknown=1;IP"] {
            let error = CniArgs::parse(text).allow(&["IP"]).unwrap_err();
            assert!(matches!(error, ArgsError::Malformed(_)), "{text}: {error}");
        }
        let error = CniArgs::parse("IgnoreUnknown=maybe").allow(&[]).unwrap_err();
        assert_eq!(error.to_string(), "CNI_ARGS: IgnoreUnknown=maybe: expected 1, true, 0 or false");
    }

    #[test]
    fn nothing_and_empty_pairs_are_fine() {
        for text in ["", ";", ";;IP=10.0.0.1;"] {
            assert_eq!(CniArgs::parse(text).allow(&["IP"]), Ok(()));
        }
    }

    proptest! {
        #[test]
        fn pairs_come_back(pairs in proptest::collection::vec(("[A-Za-z_0-9]{1,9}", "[^;]{1,9}"), 0..6)) {
            let text: Vec<_> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let args = CniArgs::parse(&text.join(";"));
            for (key, _) in &pairs {
                let last = pairs.iter().rfind(|(k, _)| k == key).map(|(_, value)| value.as_str());
                prop_assert_eq!(args.get(key), last);
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".{0,40}") {
            let args = CniArgs::parse(&text);
            prop_assert_eq!(args.as_str(), text);
            let _ = args.allow(&["IP"]);
        }
    }
}
