use attach::{Error, Pod, living};
use netlink::link::LinkKind;
use netlink::{Link, Rtnetlink};
use netns::NetNs;

use super::may_hide;
use crate::child::link;

/// Deletes what sits on the host's link of that index in pods: one of them had the link for its time, and what it made on it
/// stays on it wherever that goes. In all namespaces, unless the pod can have made it in its own only.
pub fn delete_children(index: u32, pod: Option<&mut Pod>) {
    let Ok(host) = NetNs::current() else { return };
    if let Some(pod) = pod {
        delete_on(index, &pod.netns, &host);
        if may_hide(&mut pod.netlink).is_ok_and(|may| !may) {
            return;
        }
    }
    let Some(living) = living() else { return };
    for netns in living.visit(&mut |netns| {
        if netns.id() != host.id() {
            delete_on(index, &netns, &host);
        }
    }) {
        tracing::warn!(%netns, "what it has on a device of the host is not known: it lets nobody in");
    }
}

fn delete_on(index: u32, netns: &NetNs, host: &NetNs) {
    if let Err(error) = try_delete_on(index, netns, host) {
        tracing::warn!(netns = %netns.id(), %error, "what it has on a device of the host is not known, or stays");
    }
}

fn try_delete_on(index: u32, netns: &NetNs, host: &NetNs) -> Result<(), Error> {
    let mut route = Rtnetlink::open_in(netns)?;
    route.accept_unsettled_dumps(true);
    // The kernel gives the host a number here when it lists the first link on one of the host's.
    let links = route.links()?;
    let Some(host) = route.netns_id(host)? else { return Ok(()) };
    let sits_on_it = |link: &&Link| {
        link.parent == Some(index) && link.parent_netnsid == Some(host) && link.kind != LinkKind::Veth
    };
    for child in links.iter().filter(sits_on_it) {
        tracing::warn!(ifname = child.name, netns = %netns.id(), "made by a pod on a device that it was lent, and deleted");
        link::delete(child.index, &mut route)?;
    }
    Ok(())
}
