use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::{Error, file};

/// The kernel's id of the running boot; what an older boot wrote refers to kernel objects that are gone.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct BootId(String);

impl BootId {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";

    /// The running boot's, which is read once.
    pub fn current() -> Result<Self, Error> {
        static CURRENT: OnceLock<BootId> = OnceLock::new();
        if let Some(id) = CURRENT.get() {
            return Ok(id.clone());
        }
        let id = Self::read()?;
        Ok(CURRENT.get_or_init(|| id).clone())
    }

    fn read() -> Result<Self, Error> {
        let path = Path::new(Self::PATH);
        let bytes = file::read(path)?.ok_or_else(|| Error::errno("read", path, nix::errno::Errno::ENOENT))?;
        Ok(Self::new(String::from_utf8_lossy(&bytes).trim()))
    }

    /// Any other, as tests of a reboot need it.
    pub fn new(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
