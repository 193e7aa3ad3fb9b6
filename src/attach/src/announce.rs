//! Telling the neighbours where an address is now: they may remember its last owner (plugins#858, cni#194).
//!
//! The kernel does it: with `arp_notify` and `ndisc_notify` on, it sends a gratuitous ARP and an unsolicited neighbour
//! advertisement, from the link itself, when the link comes up, when duplicate address detection ends, and whenever
//! the hardware address is set, to the same value too (`inetdev_event` in net/ipv4/devinet.c, `ndisc_netdev_event` in
//! net/ipv6/ndisc.c). A packet socket of our own would do the same and hold up ADD for a grace period when it is
//! closed (`packet_release` in net/packet/af_packet.c): 6 to 20 ms.

use std::time::{Duration, Instant};

use netlink::{Group, Link, LinkChange, Monitor};

use crate::{Error, Pod, sysctl};

/// Besides the announcement that the kernel makes by itself: one packet may get lost.
const REPEATS: usize = 2;
/// A child's carrier follows its parent's within a softirq; a VF's may take longer.
const CARRIER: Duration = Duration::from_millis(200);
/// `ARPHRD_ETHER` (include/uapi/linux/if_arp.h)
const ETHERNET: u16 = 1;

/// Has the kernel announce the link's addresses from now on. Call it inside the namespace.
pub fn enable(ifname: &str) {
    for (family, name) in [("ipv4", "arp_notify"), ("ipv6", "ndisc_notify")] {
        if let Err(error) = sysctl::write(&sysctl::of_interface(family, ifname, name), "1") {
            tracing::debug!(%error, "the kernel will not announce the addresses");
        }
    }
}

/// Announces the addresses of a link that is up once more. A neighbour that misses it finds out by itself, later: that
/// is no reason for ADD to fail.
pub fn repeat(pod: &mut Pod, link: &Link) {
    if let Err(error) = try_repeat(pod, link) {
        tracing::debug!(ifname = link.name, %error, "addresses are announced only once");
    }
}

/// Setting the address of an IPoIB link is more than an announcement: it has the first one only.
fn try_repeat(pod: &mut Pod, link: &Link) -> Result<(), Error> {
    let Some(address) = link.address.filter(|_| link.hardware_type == ETHERNET) else { return Ok(()) };
    if !has_carrier(pod, link)? {
        tracing::warn!(
            ifname = link.name,
            "no carrier: the kernel announces the addresses when there is one"
        );
        return Ok(());
    }
    let same = LinkChange { address: Some(address), ..LinkChange::default() };
    let mut batch = pod.route.batch();
    for _ in 0..REPEATS {
        batch.set_link(link.index, &same);
    }
    Ok(batch.commit()?)
}

fn has_carrier(pod: &mut Pod, link: &Link) -> Result<bool, Error> {
    let route = &mut pod.route;
    let mut running = || -> Result<Option<()>, Error> {
        Ok(route.link_by_index(link.index)?.filter(Link::is_running).map(|_| ()))
    };
    if running()?.is_some() {
        return Ok(true);
    }
    let mut monitor = Monitor::subscribe_in(&pod.netns, &[Group::Link])?;
    Ok(monitor.wait_for(Instant::now() + CARRIER, running)?.is_some())
}
