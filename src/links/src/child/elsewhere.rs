//! A link that has left the pod's namespace for another one, which only the pod knows: it stays up there with its addresses.

use std::net::IpAddr;
use std::sync::OnceLock;

use attach::{Error, UndoContext, living, other_owner};
use netlink::{HwAddr, Link, Rtnetlink};
use netns::NetNs;
use serde::{Deserialize, Serialize};
use state::Dirs;

use super::{PodLink, link};

/// What a link cannot leave behind all at once. Index and name are common to many pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Marks {
    /// Index of what it sits on, in the host namespace.
    parent: Option<u32>,
    address: Option<HwAddr>,
    /// What it was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ips: Vec<IpAddr>,
}

impl Marks {
    pub(super) fn of(link: &Link) -> Self {
        Self { parent: link.parent, address: link.address, ips: Vec::new() }
    }
}

impl PodLink {
    /// Keeps in mind which addresses it gets.
    pub fn given(&mut self, ips: impl Iterator<Item = IpAddr>) {
        if let Some(marks) = &mut self.marks {
            marks.ips = ips.collect();
        }
    }
}

/// A link in some namespace whose parent is on this host.
#[derive(Debug)]
struct Stray {
    netns: NetNs,
    link: Link,
    ips: Vec<IpAddr>,
    /// In a namespace that a runtime may have made for a pod.
    in_a_pod: bool,
}

/// Of the whole node, looked for once in a process: a GC may miss many links.
fn strays() -> &'static [Stray] {
    static STRAYS: OnceLock<Vec<Stray>> = OnceLock::new();
    STRAYS.get_or_init(|| {
        let Some((host, living)) = NetNs::current().ok().zip(living()) else { return Vec::new() };
        let others = living.all().filter(|netns| netns.id() != host.id());
        // What ends meanwhile has no links.
        others
            .flat_map(|netns| of(&netns, &host, living.is_mounted(netns.id())).unwrap_or_default())
            .collect()
    })
}

/// Only what sits on a link of `host`: on a machine with several hosts in namespaces, such as the nodes of a test cluster, indexes,
/// names and addresses of one are those of the others, too.
fn of(netns: &NetNs, host: &NetNs, in_a_pod: bool) -> Result<Vec<Stray>, Error> {
    let mut route = Rtnetlink::open_in(netns)?;
    let Some(host) = route.netns_id(host)? else { return Ok(Vec::new()) };
    let children = route.links()?.into_iter().filter(|link| link.parent_netnsid == Some(host));
    let mut strays = Vec::new();
    for link in children {
        let ips = route.addresses(Some(link.index))?.into_iter().map(|address| address.net.addr()).collect();
        strays.push(Stray { netns: NetNs::open(netns.path())?, link, ips, in_a_pod });
    }
    Ok(strays)
}

impl Stray {
    /// The pod may have changed the hardware address. A pod of another suite of plugins may have the IP addresses by right.
    fn is(&self, wanted: &PodLink, marks: &Marks) -> bool {
        let same_kind = self.link.kind.name() == wanted.kind && self.link.parent == marks.parent;
        let same_address = marks.address.is_some() && self.link.address == marks.address;
        same_kind && (same_address || !self.in_a_pod && self.ips.iter().any(|ip| marks.ips.contains(ip)))
    }
}

/// Deletes the link wherever it is. One that the record of another attachment has is nobody else's.
pub(super) fn delete(wanted: &PodLink, marks: &Marks, context: &UndoContext) -> Result<(), Error> {
    for stray in strays().iter().filter(|stray| stray.is(wanted, marks)) {
        let Stray { netns, link, .. } = stray;
        let owner = other_owner(&Dirs::from_env()?, netns, &link.name, context.attachment.as_ref())?;
        if owner.is_none() {
            tracing::warn!(ifname = link.name, netns = %netns.id(), "found in another namespace than the pod's, and deleted");
            link::delete(link.index, &mut Rtnetlink::open_in(netns)?)?;
        }
    }
    Ok(())
}
