use std::path::Path;

use netlink::Rtnetlink;
use netns::NetNs;

use crate::{Error, Failure};

/// A pod's network namespace and one rtnetlink socket in it, opened once: a socket stays in the namespace in which it
/// was opened, wherever the thread goes.
#[derive(Debug)]
pub struct Pod {
    /// The namespace.
    pub netns: NetNs,
    /// rtnetlink in it.
    pub netlink: Rtnetlink,
}

impl Pod {
    /// Opens `CNI_NETNS`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::of(NetNs::open(path)?)
    }

    /// The pod of an open namespace.
    pub fn of(netns: NetNs) -> Result<Self, Error> {
        let netlink = Rtnetlink::open_in(&netns)?;
        Ok(Self { netns, netlink })
    }
}

/// CNI: an interface of that name in the container is an error.
pub fn require_free(pod: &mut Pod, ifname: &str) -> Result<(), Error> {
    match pod.netlink.link_by_name(ifname)? {
        None => Ok(()),
        Some(_) => Err(Failure::IfnameTaken { ifname: ifname.to_owned() }.into()),
    }
}
