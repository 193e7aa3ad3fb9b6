//! A link that has left the pod's namespace for another one, which only the pod knows: it stays up there with its addresses.

mod closed;
mod on_device;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use attach::{Error, Pod, UndoContext, living, other_owner};
use netlink::link::LinkKind;
use netlink::{HwAddr, Link, Rtnetlink};
use netns::{Id, Living, NetNs};
use serde::{Deserialize, Serialize};

use self::closed::Closed;
pub use self::on_device::delete_children;
use super::{PodLink, link};

/// The kind of link that has its parent's hardware address.
const SHARES_ADDRESS: &str = "ipvlan";
/// The kind that does not say in which namespace its parent is (`ipoib_link_ops` in drivers/infiniband/ulp/ipoib has no `get_link_net`), and whose hardware
/// address begins with the number of its queue pair, which a pod cannot change.
const HAS_QUEUE_PAIR: &str = "ipoib";
const QUEUE_PAIR: std::ops::Range<usize> = 1..4;

/// What tells a link after the pod has moved it to another namespace: parent, hardware address, IP addresses. Index and name do
/// not: they are common to many pods, and the pod may give them to another link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Marks {
    /// Index of what it sits on, in the host namespace.
    parent: Option<u32>,
    /// The pod's number for that namespace, which the pod cannot give to another; `None` in the pod itself, and in records of a
    /// version that did not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent_netnsid: Option<i32>,
    address: Option<HwAddr>,
    /// What it was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ips: Vec<IpAddr>,
}

impl Marks {
    pub(super) fn of(link: &Link) -> Self {
        let Link { parent, parent_netnsid, address, .. } = *link;
        // An index in the pod is another link's on the host.
        let parent = parent.filter(|_| parent_netnsid.is_some());
        Self { parent, parent_netnsid, address, ips: Vec::new() }
    }

    /// Whether a link of the pod sits on the same parent: itself, or what the pod has made beside it.
    pub(super) fn are_beside(&self, link: &Link) -> bool {
        let same_place = self.parent_netnsid.is_none() || self.parent_netnsid == link.parent_netnsid;
        self.parent.is_none() || self.parent == link.parent && same_place
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
    netns: Arc<NetNs>,
    link: Link,
    /// All that the namespace has: it answers for each of them on each of its links.
    ips: Vec<IpAddr>,
    /// In a namespace that a runtime may have made for a pod.
    in_a_pod: bool,
}

/// What a look at the whole node has found.
#[derive(Debug, Default)]
struct Strays {
    found: Vec<Stray>,
    /// How many namespaces were looked into.
    listed: usize,
    /// Namespaces that did not let their links be listed: any of them may have one.
    closed: Vec<Closed>,
    /// Those that could not be entered, though something holds them.
    lost: Vec<Id>,
}

/// Looked for once in a process: a GC may miss many links.
fn strays() -> &'static Strays {
    static STRAYS: OnceLock<Strays> = OnceLock::new();
    STRAYS.get_or_init(|| {
        let mut strays = Strays::default();
        let Some((host, living)) = NetNs::current().ok().zip(living()) else { return strays };
        let lost = living.visit(&mut |netns| {
            if netns.id() != host.id() {
                let in_a_pod = living.is_mounted(netns.id());
                strays.look_into(netns, &host, in_a_pod);
            }
        });
        strays.lost = lost;
        strays
    })
}

impl Strays {
    fn look_into(&mut self, netns: NetNs, host: &NetNs, in_a_pod: bool) {
        let netns = Arc::new(netns);
        match of(&netns, host, in_a_pod) {
            Ok(found) => {
                self.listed += 1;
                self.found.extend(found);
            }
            Err(error) => {
                tracing::warn!(netns = %netns.id(), %error, "its links cannot be listed");
                self.closed.push(Closed { netns, in_a_pod });
            }
        }
    }

    /// A link of the pod that was not found: nowhere, unless it may be where nobody can look.
    fn require_seen(&self, ifname: &str, pod: Option<&Pod>) -> Result<(), super::Error> {
        let ifname = ifname.to_owned();
        if let Some(netns) = self.lost.first().copied() {
            return Err(super::Error::Unlisted { ifname, netns });
        }
        for closed in &self.closed {
            // In doubt it may.
            if closed.may_have_one_of(pod).unwrap_or(true) {
                return Err(super::Error::Unlisted { ifname, netns: closed.netns.id() });
            }
        }
        match living().and_then(Living::crowded) {
            Some(process) => Err(super::Error::Crowded { ifname, process: process.to_owned() }),
            None => Ok(()),
        }
    }
}

/// Only what sits on a link of `host`: on a machine with several hosts in namespaces, such as the nodes of a test cluster, indexes,
/// names and addresses of one are those of the others, too.
fn of(netns: &Arc<NetNs>, host: &NetNs, in_a_pod: bool) -> Result<Vec<Stray>, Error> {
    let mut route = Rtnetlink::open_in(netns)?;
    route.accept_unsettled_dumps(true);
    let host = route.netns_id(host)?;
    let sits_there = |link: &Link| match link.kind {
        // The other end of a veth names its peer as one names a parent.
        LinkKind::Veth => false,
        LinkKind::Ipoib(_) => true,
        _ => host.is_some() && link.parent_netnsid == host,
    };
    let children: Vec<Link> = route.links()?.into_iter().filter(sits_there).collect();
    if children.is_empty() {
        return Ok(Vec::new());
    }
    let ips: Vec<IpAddr> = route.addresses(None)?.into_iter().map(|address| address.net.addr()).collect();
    let stray = |link| Stray { netns: Arc::clone(netns), link, ips: ips.clone(), in_a_pod };
    Ok(children.into_iter().map(stray).collect())
}

/// Whether the pod can have links of its own in other namespaces: it has a number for each that it has moved one to, as long as
/// that is there (`__dev_change_net_namespace` in net/core/dev.c). Asked at every DEL, where a look at the whole node would
/// take longer than all the rest.
pub(super) fn may_hide(pod: &mut Rtnetlink) -> Result<bool, Error> {
    let host = pod.netns_id(&NetNs::current()?)?;
    Ok(pod.netns_ids()?.into_iter().any(|id| Some(id) != host))
}

/// Whether a link in another namespace sits on the host's link of that index, or else the namespace that does not let anybody see.
/// Who may look into none of them sees none.
pub(crate) fn child_elsewhere(index: u32) -> Result<bool, Id> {
    let Strays { found, listed, closed, lost } = strays();
    if found.iter().any(|stray| stray.link.parent == Some(index)) {
        return Ok(true);
    }
    let mut unseen = closed.iter().map(|closed| closed.netns.id()).chain(lost.iter().copied());
    unseen.next().filter(|_| *listed > 0).map_or(Ok(false), Err)
}

impl Stray {
    /// The pod may have changed the hardware address, made another link beside it, and put the IP addresses on a third; and it may
    /// have been given the hardware address of another pod's. But whoever moves a link gives the pod's
    /// namespace a number (nsid) of the other one: without a number it was not moved there. In a namespace that a runtime has mounted both have to tell.
    fn is(&self, wanted: &PodLink, marks: &Marks, pod: Option<&mut Pod>) -> Result<bool, Error> {
        let is_gone = pod.is_none();
        let known = pod.map(|pod| pod.netlink.netns_id(&self.netns)).transpose()?.flatten().is_some();
        if wanted.kind == HAS_QUEUE_PAIR {
            let same_address = marks.address.is_some() && self.link.address == marks.address;
            return Ok(same_address || known && self.has_queue_pair_of(marks));
        }
        if marks.parent.is_none() || self.link.parent != marks.parent {
            return Ok(false);
        }
        // All on one parent have the same.
        let is_its_own = wanted.kind != SHARES_ADDRESS && marks.address.is_some();
        let same_address = is_its_own && self.link.address == marks.address;
        if self.in_a_pod {
            return Ok(known && same_address);
        }
        Ok(known || is_gone && same_address || self.ips.iter().any(|ip| marks.ips.contains(ip)))
    }
}

impl Stray {
    /// Each adapter counts its own: it tells for links that the pod can have moved there.
    fn has_queue_pair_of(&self, marks: &Marks) -> bool {
        let number = |address: Option<HwAddr>| {
            address.and_then(|own| own.as_bytes().get(QUEUE_PAIR).map(<[u8]>::to_vec))
        };
        let is_ipoib = self.link.kind.name() == HAS_QUEUE_PAIR && self.link.parent.is_some();
        is_ipoib && marks.address.is_some() && number(self.link.address) == number(marks.address)
    }
}

/// Deletes the link wherever it is. One that the record of another attachment has is nobody else's.
pub(super) fn delete(wanted: &PodLink, context: &mut UndoContext) -> Result<(), Error> {
    let Some(marks) = &wanted.marks else { return Ok(()) };
    let strays = strays();
    let mut is_found = false;
    for stray in &strays.found {
        if !stray.is(wanted, marks, context.pod.as_mut())? {
            continue;
        }
        let Stray { netns, link, .. } = stray;
        let owner = other_owner(&context.dirs, netns, &link.name, context.attachment.as_ref())?;
        if owner.is_none() {
            tracing::warn!(ifname = link.name, netns = %netns.id(), "found in another namespace than the pod's, and deleted");
            link::delete(link.index, &mut Rtnetlink::open_in(netns)?)?;
            is_found = true;
        }
    }
    if !is_found {
        strays.require_seen(&wanted.ifname, context.pod.as_ref())?;
    }
    Ok(())
}

/// What still answers for the addresses of links that were deleted: the pod may have given them to another of its links. What
/// it has made on the same parent goes, elsewhere the address. What is on record for another attachment keeps its link.
pub(super) fn silence(links: &[&PodLink], context: &mut UndoContext) -> Result<(), Error> {
    let marks: Vec<&Marks> = links.iter().filter_map(|link| link.marks.as_ref()).collect();
    let Some(pod) = context.pod.as_mut().filter(|_| marks.iter().any(|marks| !marks.ips.is_empty())) else {
        return Ok(());
    };
    for address in pod.netlink.addresses(None)? {
        let ip = address.net.addr();
        let Some(marks) = marks.iter().find(|marks| marks.ips.contains(&ip)) else { continue };
        let Some(link) = pod.netlink.link_by_index(address.index)? else { continue };
        tracing::warn!(%ip, ifname = link.name, "the pod has it on another link than it was given for: it is taken away");
        let is_beside = marks.parent.is_some() && marks.are_beside(&link);
        let owner = other_owner(&context.dirs, &pod.netns, &link.name, context.attachment.as_ref());
        if is_beside && owner?.is_none() {
            link::delete(link.index, &mut pod.netlink)?;
            continue;
        }
        match pod.netlink.delete_address(&address) {
            Err(error) if !error.is_gone() => return Err(error.into()),
            _ => (),
        }
    }
    Ok(())
}
