//! What the cluster lets this node hand out: one file below the state directory, written whole by the agent and renamed into
//! place. A checksum tells a torn file from an old one; a plugin takes neither for "nothing".

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use state::{BootId, Dirs, file};

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
    /// The boot in which an agent last confirmed it.
    #[serde(default)]
    pub boot: Option<BootId>,
    /// `SpiderIPPool` documents, whose `ips` are this node's.
    pub pools: Vec<Value>,
    /// What the agent must not forget.
    #[serde(default)]
    pub memory: Value,
}

/// The file as it was at one moment.
#[derive(Clone, Debug)]
pub struct Grants {
    path: PathBuf,
    bytes: Option<Vec<u8>>,
}

impl Grants {
    /// Reads it, whatever is in it.
    pub fn read(dirs: &Dirs) -> Result<Self, StoreError> {
        let path = dirs.state.folder(&[DIRECTORY])?.join(FILE);
        Ok(Self { bytes: file::read(&path)?, path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is still the same. With the lease store locked it stays so, for the agent changes it under that lock.
    pub fn is_current(&self) -> Result<bool, StoreError> {
        Ok(file::read(&self.path)? == self.bytes)
    }

    /// What it says; none where no agent has been.
    pub fn granted(&self) -> Result<Option<Granted>, StoreError> {
        let Some(bytes) = &self.bytes else { return Ok(None) };
        let text = std::str::from_utf8(bytes).map_err(|_| self.damaged("it is no text"))?;
        let (head, body) = text.split_once('\n').ok_or_else(|| self.damaged("its head is missing"))?;
        if head != self::head(body) {
            return Err(self.damaged("its checksum is wrong"));
        }
        serde_json::from_str(body).map(Some).map_err(|error| self.damaged(&error.to_string()))
    }

    /// The same for this node alone: what is of another one, or was not confirmed since the boot, is nobody's here. The name is
    /// compared where the node's own is known.
    pub fn granted_here(&self, node: Option<&str>, boot: &BootId) -> Result<Option<Granted>, StoreError> {
        let Some(granted) = self.granted()? else { return Ok(None) };
        let path = self.path.display().to_string();
        if let Some(own) = node.filter(|own| *own != granted.node) {
            return Err(StoreError::ForeignGrants { path, node: granted.node, own: own.to_owned() });
        }
        if granted.boot.as_ref().is_some_and(|written| written != boot) {
            return Err(StoreError::UnconfirmedGrants { path });
        }
        Ok(Some(granted))
    }

    fn damaged(&self, what: &str) -> StoreError {
        damaged(&self.path.display().to_string(), what)
    }
}

impl Granted {
    /// Reads the file; none where no agent has been.
    pub fn read(dirs: &Dirs) -> Result<Option<Self>, StoreError> {
        Grants::read(dirs)?.granted()
    }

    /// Puts it into place.
    pub fn write(&self, dirs: &Dirs) -> Result<Grants, StoreError> {
        let body = serde_json::to_string(self).map_err(|error| damaged(FILE, &error.to_string()))?;
        let path = dirs.state.create(&[DIRECTORY])?.join(FILE);
        let mut text = head(&body);
        let _ = write!(text, "\n{body}");
        file::replace(&path, text.as_bytes())?;
        Ok(Grants { path, bytes: Some(text.into_bytes()) })
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
    fn what_is_of_another_node_or_of_another_boot_counts_for_nothing() {
        let base = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(base.path());
        let (this, other) = (BootId::new("this"), BootId::new("other"));
        let granted = Granted { node: "worker-1".to_owned(), boot: Some(this.clone()), ..Granted::default() };
        let grants = granted.write(&dirs).unwrap();
        assert_eq!(grants.granted_here(None, &this).unwrap(), Some(granted.clone()));
        assert_eq!(grants.granted_here(Some("worker-1"), &this).unwrap(), Some(granted.clone()));
        assert!(matches!(
            grants.granted_here(Some("worker-2"), &this),
            Err(StoreError::ForeignGrants { node, .. }) if node == "worker-1"
        ));
        assert!(matches!(grants.granted_here(None, &other), Err(StoreError::UnconfirmedGrants { .. })));
        // Of an agent that did not write it.
        let older = Granted { boot: None, ..granted }.write(&dirs).unwrap();
        assert!(older.granted_here(None, &other).unwrap().is_some());
    }

    #[test]
    fn a_file_that_was_changed_removed_or_put_back_is_not_current() {
        let base = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(base.path());
        let absent = Grants::read(&dirs).unwrap();
        assert!(absent.is_current().unwrap());
        let first = Granted { epoch: 1, ..Granted::default() }.write(&dirs).unwrap();
        assert!(first.is_current().unwrap() && !absent.is_current().unwrap());
        let second = Granted { epoch: 2, ..Granted::default() }.write(&dirs).unwrap();
        assert!(second.is_current().unwrap() && !first.is_current().unwrap());
        file::remove(second.path()).unwrap();
        assert!(absent.is_current().unwrap() && !second.is_current().unwrap());
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
