//! What the cluster lets this node hand out: one file below the state directory, written whole by the agent and renamed into
//! place. A checksum tells a torn file from an old one; a plugin takes neither for "nothing".

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use state::{Dirs, file};

use crate::StoreError;

const DIRECTORY: &str = "node";
const FILE: &str = "grants";
const MAGIC: &str = "railcni-grants 1";

/// The content of the file.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Granted {
    /// The node's name in Kubernetes.
    pub node: String,
    /// Only grows.
    pub epoch: i64,
    /// `SpiderIPPool` documents, whose `ips` are this node's.
    pub pools: Vec<Value>,
    /// What the agent must not forget.
    #[serde(default)]
    pub memory: Value,
}

impl Granted {
    /// Reads the file; none where no agent has been.
    pub fn read(dirs: &Dirs) -> Result<Option<Self>, StoreError> {
        let path = dirs.state.folder(&[DIRECTORY])?.join(FILE);
        let Some(bytes) = file::read(&path)? else { return Ok(None) };
        let damaged = |what: &str| damaged(&path.display().to_string(), what);
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is no text"))?;
        let (head, body) = text.split_once('\n').ok_or_else(|| damaged("its head is missing"))?;
        if head != self::head(body) {
            return Err(damaged("its checksum is wrong"));
        }
        serde_json::from_str(body).map(Some).map_err(|error| damaged(&error.to_string()))
    }

    /// Puts it into place.
    pub fn write(&self, dirs: &Dirs) -> Result<(), StoreError> {
        let body = serde_json::to_string(self).map_err(|error| damaged(FILE, &error.to_string()))?;
        let path = dirs.state.create(&[DIRECTORY])?.join(FILE);
        let mut text = head(&body);
        let _ = write!(text, "\n{body}");
        Ok(file::replace(&path, text.as_bytes())?)
    }
}

fn damaged(path: &str, what: &str) -> StoreError {
    StoreError::Granted { path: path.to_owned(), what: what.to_owned() }
}

fn head(body: &str) -> String {
    format!("{MAGIC} {:08x} {}", crc32fast::hash(body.as_bytes()), body.len())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn written_and_read() {
        let base = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(base.path());
        assert_eq!(Granted::read(&dirs).unwrap(), None);
        let granted = Granted { node: "worker-1".to_owned(), epoch: 7, ..Granted::default() };
        granted.write(&dirs).unwrap();
        assert_eq!(Granted::read(&dirs).unwrap(), Some(granted));
    }

    #[test]
    fn a_torn_or_changed_file_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(base.path());
        Granted { node: "worker-1".to_owned(), epoch: 7, ..Granted::default() }.write(&dirs).unwrap();
        let path = dirs.state.path(&["node", "grants"]).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            file::replace(&path, &whole[..length]).unwrap();
            assert!(Granted::read(&dirs).is_err(), "{length} bytes");
        }
        for index in 0..whole.len() {
            let mut changed = whole.clone();
            changed[index] ^= 1;
            file::replace(&path, &changed).unwrap();
            assert!(Granted::read(&dirs).is_err(), "byte {index}");
        }
    }
}
