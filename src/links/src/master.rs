//! VLANs and bonds in the host's namespace that many attachments share as their master: made by the first user, kept
//! while there is one, and taken away with the last if that is wished. What was there before is used, never deleted.
//!
//! One file for each such link says who uses it and what to put back. All of it happens under one lock, which is held
//! for the few milliseconds that the kernel needs.

mod bond;
mod check;
mod error;
mod ledger;
mod provide;
mod raised;
mod release;
mod vlan;

pub use check::{check, status};
pub use error::Error;
pub use ledger::{User, users};
pub use provide::provide;
pub use release::{collect, release};

use std::time::Duration;

use netlink::link::{BondMode, BondOption};
use state::{Dirs, Lock};

/// More than 64 pods at once need, each making a bond.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be there for the next plugin in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterSpec {
    /// The NICs: the ports of the bond, or the parent of the VLAN.
    pub interfaces: Vec<String>,
    /// Over all of `interfaces`.
    pub bond: Option<BondSpec>,
    /// On the bond, or on the only interface.
    pub vlan: Option<VlanSpec>,
    /// Of bond and VLAN; `None`: the smallest of the interfaces.
    pub mtu: Option<u32>,
    /// Whether what was made here goes with its last user.
    pub cleanup: bool,
}

/// A bond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BondSpec {
    /// Its name.
    pub name: String,
    /// Its policy.
    pub mode: BondMode,
    /// All else that is asked for.
    pub options: Vec<BondOption>,
    /// The port that is to be active at first.
    pub active: Option<String>,
    /// The port that is to be active whenever it can.
    pub primary: Option<String>,
}

/// A VLAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VlanSpec {
    /// 1 to 4094
    pub id: u16,
    /// Its name.
    pub name: String,
}

fn lock(dirs: &Dirs) -> Result<Lock, attach::Error> {
    let directory = dirs.state.create(&[ledger::FOLDER])?;
    Ok(Lock::acquire(&directory.join(ledger::LOCK), PATIENCE)?)
}
