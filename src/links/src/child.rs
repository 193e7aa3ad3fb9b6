//! A link that ADD makes in the pod, on a parent, and DEL deletes: macvlan, ipvlan, ipoib. The whole life of such an
//! attachment; a plugin only says what the link is to be.

mod add;
mod check;
mod del;
mod error;
mod link;
pub mod parent;

pub use add::add;
pub use check::{check, status};
pub use del::{del, gc};
pub use error::Error;
pub use link::{Child, PodLink};
pub use parent::{Master, Parent};

pub use add::interface;
pub use check::differences;
pub use del::delete_all;
pub use link::{Ledger, staging_name};

use attach::Pod;
use netlink::{Link, Rtnetlink};

/// One kind of child link, as the config of its plugin wants it, for those that compose.
pub trait Kind {
    /// What the link is to be; changes nothing.
    fn plan(&self, host: &mut Rtnetlink, pod: &mut Pod) -> Result<Child, cni::Error>;
    /// How a link differs in what is special to the kind.
    fn diff(&self, child: &Child, link: &Link) -> Option<String>;
    /// For STATUS: the parent is there and can serve.
    fn require_parent(&self, host: &mut Rtnetlink) -> Result<(), cni::Error>;
}
