//! Who uses a shared master, and what to put back when nobody does any more.

use std::path::PathBuf;
use std::time::SystemTime;

use attach::Error;
use netlink::{Link, Rtnetlink};
use serde::{Deserialize, Serialize};
use state::{AttachmentKey, BootId, Dirs, Netns, file};

pub(super) const FOLDER: &str = "masters";
/// Beside the ledgers.
pub(super) const LOCK: &str = ".lock";

/// One link that attachments share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    /// Its name.
    pub(super) name: String,
    /// The kernel's name of its kind.
    pub(super) kind: String,
    /// `None` until it is made or adopted.
    pub(super) index: Option<u32>,
    /// The name of the link below, for a VLAN.
    pub(super) on: Option<String>,
    /// Made here; otherwise it was there before and stays.
    pub(super) made: bool,
    /// Being made: what a killed ADD leaves is nobody's, and goes with its last user whatever was wished.
    pub(super) unfinished: bool,
    /// Whether it goes with its last user; the latest config has the word.
    pub(super) cleanup: bool,
    /// What the ports of a bond were before.
    pub(super) ports: Vec<Port>,
    /// Links that were down before their first user: the link itself, and what a VLAN is on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) raised: Vec<u32>,
    /// The attachments that use it.
    pub(super) users: Vec<User>,
    boot_id: BootId,
}

/// An attachment that uses a master. The pod tells whether anybody still can: the plugin has no other record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Which one.
    #[serde(flatten)]
    pub key: AttachmentKey,
    /// The pod's namespace at ADD; `None` where there was none to open.
    #[serde(default)]
    pub netns: Option<Netns>,
    /// Seconds since 1970.
    #[serde(default)]
    pub created: u64,
}

impl User {
    /// From now on.
    pub fn new(key: AttachmentKey, netns: Option<Netns>) -> Self {
        let created = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs());
        Self { key, netns, created }
    }
}

/// A NIC before it became a port. The kernel itself puts its MTU and address back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) index: u32,
    pub(super) up: bool,
}

impl Ledger {
    pub(super) fn new(name: &str, kind: &str) -> Result<Self, Error> {
        Ok(Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            index: None,
            on: None,
            made: false,
            unfinished: false,
            cleanup: false,
            ports: Vec::new(),
            raised: Vec::new(),
            users: Vec::new(),
            boot_id: BootId::current()?,
        })
    }

    /// The ledger of a link; an older boot's, or one that cannot be read, is none: the link then counts as adopted.
    pub(super) fn load(dirs: &Dirs, name: &str) -> Result<Option<Self>, Error> {
        let Some(bytes) = file::read(&path(dirs, name)?)? else { return Ok(None) };
        let current = BootId::current()?;
        match serde_json::from_slice::<Self>(&bytes) {
            Ok(ledger) => Ok(Some(ledger).filter(|ledger| ledger.boot_id == current && ledger.name == name)),
            Err(error) => {
                tracing::warn!(master = name, %error, "who uses it cannot be read: it is left in place from now on");
                Ok(None)
            }
        }
    }

    /// As [`Ledger::read_all`]. The caller has the lock: whoever was killed while he wrote the first one of a link has left no
    /// ledger, but a file.
    pub(super) fn all(dirs: &Dirs) -> Result<Vec<Self>, Error> {
        file::remove_unfinished(&dirs.state.path(&[FOLDER])?)?;
        Self::read_all(dirs)
    }

    /// All ledgers, those of VLANs before those of what they are on.
    pub(super) fn read_all(dirs: &Dirs) -> Result<Vec<Self>, Error> {
        let directory = dirs.state.path(&[FOLDER])?;
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let names =
            entries.map(|entry| entry.file_name()).filter(|name| name != LOCK && !file::is_unfinished(name));
        let names = names.filter_map(|name| name.into_string().ok());
        let mut ledgers = Vec::new();
        for name in names {
            ledgers.extend(Self::load(dirs, &name)?);
        }
        ledgers.sort_by_key(|ledger| (ledger.on.is_none(), ledger.name.clone()));
        Ok(ledgers)
    }

    pub(super) fn save(&self, dirs: &Dirs) -> Result<(), Error> {
        let path = path(dirs, &self.name)?;
        Ok(file::replace_json(&path, self)?)
    }

    pub(super) fn remove(&self, dirs: &Dirs) -> Result<(), Error> {
        file::remove(&path(dirs, &self.name)?)?;
        Ok(())
    }

    pub(super) fn join(&mut self, user: &User) {
        self.part(&user.key);
        self.users.push(user.clone());
    }

    pub(super) fn part(&mut self, key: &AttachmentKey) {
        self.users.retain(|user| user.key != *key);
    }

    pub(super) fn is_used_by(&self, key: &AttachmentKey) -> bool {
        self.users.iter().any(|user| user.key == *key)
    }

    /// The link, unless another one has its name by now.
    pub(super) fn link(&self, host: &mut Rtnetlink) -> Result<Option<Link>, Error> {
        let found = match self.index {
            Some(index) => host.link_by_index(index)?,
            None => host.link_by_name(&self.name)?,
        };
        Ok(found.filter(|link| link.kind.name() == self.kind && link.is_called(&self.name)))
    }
}

/// Every attachment that uses a master, once for each master. Takes no lock and changes nothing.
pub fn users(dirs: &Dirs) -> Result<Vec<User>, Error> {
    Ok(Ledger::read_all(dirs)?.into_iter().flat_map(|ledger| ledger.users).collect())
}

fn path(dirs: &Dirs, name: &str) -> Result<PathBuf, Error> {
    state::name::ifname(name)?;
    Ok(dirs.state.path(&[FOLDER])?.join(name))
}
