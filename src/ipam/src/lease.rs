//! Who has which address.

use std::net::IpAddr;

pub use state::AttachmentKey;

/// An address that is in use. An address is leased once per node, whatever network asks for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lease {
    /// The owner; it may have several, one per family or range set.
    pub key: AttachmentKey,
    /// The address.
    pub ip: IpAddr,
    /// The pool that gave it.
    pub pool: String,
    /// Seconds since the epoch at which it was given.
    pub since: u64,
    /// Its cool-down after the release, in seconds; kept here because a release needs no pool.
    pub rest: u32,
}

/// An address that was released and is not forgotten yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CoolingDown {
    /// The address.
    pub ip: IpAddr,
    /// Seconds since the epoch.
    pub released: u64,
    /// From then on it is as good as any other.
    pub until: u64,
}

/// One step from one state of the leases to the next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// The address is in use from now on.
    Lease(Lease),
    /// The address is free, and cools down.
    Release(CoolingDown),
    /// The owner of the pod gets this address of the pool again; nobody else is its owner any more.
    Stick {
        /// Namespace, name and interface of the pod.
        owner: String,
        /// The name of the pool.
        pool: String,
        /// Its address from then on.
        ip: IpAddr,
    },
    /// Somebody outside uses the address: nobody gets it for a while.
    Quarantine {
        /// The address.
        ip: IpAddr,
        /// Seconds since the epoch; 0 ends it.
        until: u64,
    },
}

impl Lease {
    /// Its end.
    pub fn release(&self, now: u64) -> Change {
        Change::Release(CoolingDown {
            ip: self.ip,
            released: now,
            until: now.saturating_add(self.rest.into()),
        })
    }
}
