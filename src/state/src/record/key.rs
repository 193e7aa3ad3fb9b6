use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::file::TEMPORARY;
use crate::name::{self, NAME_MAX};

/// Which attachment: what CNI tells one from another by.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct AttachmentKey {
    /// The config's `name`.
    pub network: String,
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
}

impl AttachmentKey {
    /// Refuses what CNI and the kernel do not allow, so that every key can name a file.
    pub fn new(network: &str, container_id: &str, ifname: &str) -> Result<Self, Error> {
        let key = Self {
            network: network.to_owned(),
            container_id: container_id.to_owned(),
            ifname: ifname.to_owned(),
        };
        key.check().map(|()| key)
    }

    /// A comma is legal in an interface name alone, so that comes last.
    pub(super) fn file_name(&self, plugin: &str) -> Result<String, Error> {
        self.check()?;
        let value = format!("{},{plugin},{}", self.container_id, self.ifname);
        if self.fits(plugin) {
            return Ok(value);
        }
        let allowed = "250 bytes at most, together with plugin and interface name";
        Err(Error::Name { what: "container ID", value, allowed })
    }

    /// Whether a file can have that name. There is none of an attachment for which it cannot: its ADD was refused.
    pub(super) fn fits(&self, plugin: &str) -> bool {
        let commas = 2;
        self.container_id.len() + plugin.len() + self.ifname.len() + commas + TEMPORARY.len() <= NAME_MAX
    }

    /// The number of its lock. Two attachments in 2^32 have to take turns.
    pub(super) fn slot(&self, plugin: &str) -> i64 {
        i64::from(crc32fast::hash(
            format!("{},{},{plugin},{}", self.network, self.container_id, self.ifname).as_bytes(),
        ))
    }

    /// Plugin and key from the name of a file.
    pub(super) fn parse(network: &str, file_name: &str) -> Option<(String, Self)> {
        let mut parts = file_name.splitn(3, ',');
        let (container_id, plugin, ifname) = (parts.next()?, parts.next()?, parts.next()?);
        name::id("plugin name", plugin).ok()?;
        Some((plugin.to_owned(), Self::new(network, container_id, ifname).ok()?))
    }

    fn check(&self) -> Result<(), Error> {
        name::id("network name", &self.network)?;
        name::id("container ID", &self.container_id)?;
        name::ifname(&self.ifname)
    }
}

impl fmt::Display for AttachmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.network, self.container_id, self.ifname)
    }
}
