use std::fmt;

use serde::{Deserialize, Serialize};

/// What identifies a namespace while it lives. The kernel may give the inode to another one afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Id {
    /// Device of nsfs, the same for every namespace of one boot.
    pub dev: u64,
    /// Inode, as in `net:[4026531840]`.
    pub ino: u64,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "net:[{}]", self.ino)
    }
}
