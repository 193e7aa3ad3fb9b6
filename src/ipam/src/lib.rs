//! Addresses for pods: pool documents become validated pools, a selection of them, and the leases so far decide which
//! address an interface gets. All of this is pure; only the store and the host-local directory touch files.

mod allocate;
mod catalog;
mod document;
mod error;
mod glob;
mod granted;
mod host_local;
pub mod journal;
mod lease;
#[cfg(test)]
mod model;
mod number;
mod pool;
mod range;
mod select;
mod store;

pub use allocate::{Allocation, Declined, Grant, Present, Request, allocate, is_name};
pub use catalog::Catalog;
pub use document::DEFAULT_COOL_DOWN;
pub use error::{Error, PoolError, StoreError};
pub use granted::{Granted, Grants};
pub use host_local::{Directory, RangeSpec, range_sets};
pub use journal::JournalStore;
pub use lease::{AttachmentKey, Change, CoolingDown, Lease};
pub use pool::{Family, Pool, PoolRoute, Scope, Share, Spent};
pub use range::{Range, RangeError, RangeSet};
pub use select::{Namespace, PoolNames, Site, fence, select};
pub use store::{Decision, Kept, Leases, Look, Store};
