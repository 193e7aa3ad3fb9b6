//! Keys that mean nothing, and the field that was probably meant.

use std::fmt;

use serde_json::Value;

use crate::lenient::excerpt;

/// A key that nobody reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKey {
    /// Where it stands, such as `ipam.ragnes`; of a key that nobody would have written, its beginning.
    pub path: String,
    /// The field that was probably meant.
    pub meant: Option<String>,
}

impl UnknownKey {
    pub(crate) fn below(mut self, path: &[&str]) -> Self {
        self.path = format!("{}.{}", path.join("."), self.path);
        self
    }
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key \"{}\" means nothing here and is ignored", self.path)?;
        self.meant.as_ref().map_or(Ok(()), |field| write!(f, "; did you mean \"{field}\"?"))
    }
}

/// Keys that any plugin may get: the specification's, the runtimes', those of conflists and of our log.
const COMMON: &[&str] = &[
    "cniVersion",
    "cniVersions",
    "name",
    "type",
    "ipam",
    "dns",
    "args",
    "capabilities",
    "runtimeConfig",
    "prevResult",
    "ipMasq",
    "deviceID",
    "pciBusID",
    "disableCheck",
    "disableGC",
    "loadOnlyInlinedPlugins",
    "logLevel",
    "logFile",
    "log_level",
    "log_file_path",
    "logOptions",
];

pub(crate) fn in_config(value: &Value, fields: &[&str], meant: &[(&str, &str)]) -> Vec<UnknownKey> {
    let fields: Vec<_> = fields.iter().chain(COMMON).copied().collect();
    in_object(value, &fields, meant)
}

/// Who has that many wrong is told of the first of them: each costs a comparison with every field, and a line of the log.
const MOST: usize = 32;

/// Keys with a slash (`cni.dev/...`) or a leading underscore (comments) belong to others.
pub fn in_object(value: &Value, fields: &[&str], meant: &[(&str, &str)]) -> Vec<UnknownKey> {
    let is_known = |key: &str| {
        key.contains('/') || key.starts_with('_') || fields.iter().any(|f| f.eq_ignore_ascii_case(key))
    };
    let keys = value.as_object().into_iter().flat_map(|object| object.keys());
    let unknown = keys.filter(|key| !is_known(key)).take(MOST);
    unknown.map(|key| UnknownKey { path: excerpt(key), meant: probably_meant(key, fields, meant) }).collect()
}

fn probably_meant(key: &str, fields: &[&str], meant: &[(&str, &str)]) -> Option<String> {
    let told = meant.iter().find(|(wrong, _)| wrong.eq_ignore_ascii_case(key)).map(|(_, field)| *field);
    told.or_else(|| nearest(key, fields)).map(str::to_owned)
}

/// The field within two edits, and one per three letters: `to` is not a misspelt `gw`. Words whose lengths differ by more need no
/// comparison, which costs as much as both are long, however long a tenant's is.
fn nearest<'a>(key: &str, fields: &[&'a str]) -> Option<&'a str> {
    let allowed = (key.len() / 3).min(2);
    let near = fields.iter().filter(|field| field.len().abs_diff(key.len()) <= allowed);
    let distances = near.map(|field| (distance(key, field), *field));
    distances.filter(|(edits, _)| *edits <= allowed).min().map(|(_, field)| field)
}

/// Edits of one letter (Levenshtein) between two words, whatever their case.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(!x.eq_ignore_ascii_case(&y));
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
