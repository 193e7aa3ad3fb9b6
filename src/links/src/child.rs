//! A link that ADD makes in the pod, on a parent, and DEL deletes: macvlan, ipvlan, ipoib. The whole life of such an
//! attachment; a kind only says what the link is to be, by the trait [`Kind`].

mod add;
mod check;
mod del;
mod elsewhere;
mod error;
mod link;
pub mod other_type;
pub mod parent;
mod plugin;
mod pod_link;

pub use error::Error;
pub use link::{Child, Nature};
pub use parent::{Master, Parent};
pub use plugin::Plugin;
pub use pod_link::PodLink;

pub use add::interface;
pub use check::differences;
pub use del::delete_all;
pub(crate) use elsewhere::child_elsewhere;
pub use elsewhere::delete_children;

use attach::Pod;
use cni::Request;
use netlink::{Link, Rtnetlink};

/// One kind of child link, as a config wants it. `rail` composes several.
pub trait Kind {
    /// What the link is to be; changes nothing.
    fn plan(&self, host: &mut Rtnetlink, pod: &mut Pod) -> Result<Child, cni::Error>;
    /// How a link differs in what is special to the kind.
    fn diff(&self, child: &Child, link: &Link) -> Option<String>;
    /// Whether the kernel tells in which namespace the parent is: the driver may not say so (`get_link_net`).
    fn tells_parents_namespace(&self) -> bool {
        true
    }
    /// For STATUS: the parent is there and can serve.
    fn require_parent(&self, host: &mut Rtnetlink) -> Result<(), cni::Error>;
}

/// What the plugin of a kind has besides: a name, and the config that it reads.
pub trait Single: Kind + Sized {
    /// The CNI type, the file name, and the kernel's name of the kind.
    const NAME: &'static str;
    /// One line for who starts the plugin by hand.
    const ABOUT: &'static str;

    /// Reads and validates the config of any verb; an error names the key, the value and what is allowed.
    fn read(request: &Request) -> Result<Self, cni::Error>;
}
