//! A link that ADD makes in the pod, on a parent, and DEL deletes: macvlan, ipvlan, ipoib. The whole life of such an
//! attachment; a plugin only says what the link is to be.

mod add;
mod check;
mod del;
mod link;
pub mod parent;

pub use add::add;
pub use check::{check, status};
pub use del::{del, gc};
pub use link::{Child, PodLink};
pub use parent::{Master, Parent};

pub(crate) use add::interface;
pub(crate) use check::{differences, not_available, result_differences, verdict};
pub(crate) use del::delete_all;
pub(crate) use link::{Ledger, require_free, staging_name};

use netlink::{Link, Route};

use crate::Pod;

/// One kind of child link, as the config of its plugin wants it, for those that compose.
pub trait Kind {
    /// What the link is to be; changes nothing.
    fn plan(&self, host: &mut Route, pod: &mut Pod) -> Result<Child, cni::Error>;
    /// How a link differs in what is special to the kind.
    fn unlike(&self, child: &Child, link: &Link) -> Option<String>;
    /// For STATUS: the parent is there and can serve.
    fn require_parent(&self, host: &mut Route) -> Result<(), cni::Error>;
}
