//! Where leases are kept. Nothing above this trait knows about files: the same calls fit a store that is shared between
//! nodes and settles conflicts by trying again.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::{AttachmentKey, Change, CoolingDown, Error, Lease, Range, RangeSet, StoreError};

/// Sees the leases and says what is to change.
pub type Decision<'d> = dyn FnMut(&dyn Leases) -> Result<Vec<Change>, Error> + 'd;

/// Sees the leases.
pub type Look<'d> = dyn FnMut(&dyn Leases) -> Result<(), Error> + 'd;

/// Leases that can be looked at and changed.
pub trait Store {
    /// Shows the leases to `decide` while nobody else changes them, and keeps all of the changes that it returns, or
    /// none. A store may call it again when somebody else was faster, so it must not have effects of its own.
    fn update(&self, decide: &mut Decision<'_>) -> Result<(), Error>;

    /// Shows the leases as they are at some moment; takes no lock and writes nothing.
    fn view(&self, look: &mut Look<'_>) -> Result<(), Error>;
}

/// Whether addresses count that owners of sticky pools would like to have again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kept {
    /// They do.
    Counted,
    /// They are left out.
    LeftOut,
}

/// The state of the leases at one moment.
pub trait Leases {
    /// The leases of one owner.
    fn of(&self, key: &AttachmentKey) -> Result<Vec<Lease>, StoreError>;

    /// Every lease; the cost is theirs.
    fn all(&self) -> Result<Vec<Lease>, StoreError>;

    /// Whether somebody has the address.
    fn is_leased(&self, ip: IpAddr) -> Result<bool, StoreError>;

    /// Fails when leases are lost: then no address can be known to be free.
    fn require_whole(&self) -> Result<(), StoreError>;

    /// The lowest address of the range that is neither leased nor cooling down.
    fn unused(&self, range: &Range, kept: Kept) -> Result<Option<IpAddr>, StoreError>;

    /// Of the addresses in the set that cool down, the one that was released first.
    fn released_first(&self, within: &RangeSet, kept: Kept) -> Result<Option<CoolingDown>, StoreError>;

    /// The address that the pool gave last.
    fn last_given(&self, pool: &str) -> Option<IpAddr>;

    /// The address of the pool that this owner had last.
    fn sticky_binding(&self, owner: &str, pool: &str) -> Result<Option<IpAddr>, StoreError>;

    /// Whether the owner has a sticky binding to this address of the pool, and a recent one.
    fn is_noted(&self, owner: &str, pool: &str, ip: IpAddr, now: u64) -> Result<bool, StoreError>;

    /// The owner of a sticky pool who had this address last, and would like to have it again.
    fn kept_for(&self, ip: IpAddr) -> Result<Option<String>, StoreError>;

    /// The owners of sticky pools who had addresses last, by address.
    fn bindings(&self) -> Result<BTreeMap<IpAddr, String>, StoreError>;

    /// The addresses that nobody gets at this time.
    fn quarantined(&self, now: u64) -> Result<RangeSet, StoreError>;

    /// The same one by one, each with the second since the epoch at which that ends.
    fn quarantines(&self, now: u64) -> Result<Vec<(IpAddr, u64)>, StoreError>;
}
