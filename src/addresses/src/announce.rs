//! Telling the neighbours where an address is now: they may remember its last owner (plugins#858, cni#194).
//!
//! The kernel does it: with `arp_notify` and `ndisc_notify` on, it sends a gratuitous ARP and an unsolicited neighbour
//! advertisement, from the link itself, when the link comes up, when duplicate address detection ends, and whenever
//! the hardware address is set, to the same value too (`inetdev_event` in net/ipv4/devinet.c, `ndisc_netdev_event` in
//! net/ipv6/ndisc.c). A packet socket of our own would do the same and hold up ADD for a grace period when it is
//! closed (`packet_release` in `net/packet/af_packet.c`): 6 to 20 ms.

use std::time::{Duration, Instant};

use attach::{Error, Pod, sysctl};
use cni::CniResult;
use netlink::link::arphrd::{ETHER, INFINIBAND};
use netlink::{Group, Ipv4Conf, Link, LinkChange, Monitor, Rtnetlink};

use crate::Failure;

/// Besides the announcement that the kernel makes by itself: one packet may get lost.
const REPEATS: usize = 2;
/// A child's carrier follows its parent's within a softirq; a VF's may take longer. A subnet manager that is there lets a
/// port into its groups within milliseconds. Where none comes, ADD does not wait for it any longer.
const CARRIER: Duration = Duration::from_millis(200);
/// A port that trains its link, or an `IPoIB` link that joins its partition, takes seconds.
const CARRIER_TO_ASK: Duration = Duration::from_secs(5);

/// Has the kernel announce the IPv4 addresses of links from now on.
pub(crate) fn enable<'a>(pod: &mut Rtnetlink, links: impl Iterator<Item = &'a Link>) {
    let mut batch = pod.batch();
    for link in links {
        let notify = LinkChange { ipv4: vec![(Ipv4Conf::ArpNotify, 1)], ..LinkChange::default() };
        batch.set_link(link.index, &notify);
    }
    let refused = match batch.outcomes() {
        Ok(outcomes) => outcomes.into_iter().find_map(Result::err),
        Err(error) => Some(error),
    };
    if let Some(error) = refused {
        tracing::debug!(%error, "the kernel will not announce the IPv4 addresses");
    }
}

/// The same for IPv6 addresses of a link. Call it inside the namespace.
pub(crate) fn enable_ipv6(ifname: &str) {
    if let Err(error) = sysctl::write(&sysctl::of_interface("ipv6", ifname, "ndisc_notify"), "1") {
        tracing::debug!(%error, "the kernel will not announce the IPv6 addresses");
    }
}

/// Announces the addresses of links that are up once more. A neighbour that misses it finds out by itself, later: that
/// is no reason for ADD to fail.
pub fn repeat(pod: &mut Pod, links: &[(&Link, &CniResult)]) {
    let of_type = |kind: u16| links.iter().copied().filter(move |(link, _)| link.hardware_type == kind);
    let ethernet: Vec<_> = of_type(ETHER).map(|(link, _)| link).collect();
    let infiniband: Vec<_> = of_type(INFINIBAND).collect();
    for failed in
        [try_repeat(pod, &ethernet), ask_for_own(pod, &infiniband)].into_iter().filter_map(Result::err)
    {
        tracing::debug!(error = %failed, "addresses are not announced again");
    }
}

/// `IPoIB` has no carrier yet when it comes up, and what the kernel announces then is lost; setting its address again
/// would take it out of its multicast groups. But whoever asks for his own address sends the same packet
/// (RFC 5227, section 3). IPv6 waits for the carrier by itself.
fn ask_for_own(pod: &mut Pod, links: &[(&Link, &CniResult)]) -> Result<(), Error> {
    let names: Vec<_> = links.iter().map(|(link, _)| *link).collect();
    let running = with_carrier(pod, &names, CARRIER)?;
    let mut batch = pod.netlink.batch();
    for (link, result) in links {
        if !running.contains(&link.index) {
            tracing::warn!(ifname = link.name, "no carrier: its IPv4 addresses are not announced");
            continue;
        }
        for own in result.ips.iter().map(|ip| ip.address.addr()).filter(std::net::IpAddr::is_ipv4) {
            batch.resolve_neighbour(link.index, own).delete_neighbour(link.index, own);
        }
    }
    if batch.is_empty() { Ok(()) } else { Ok(batch.commit()?) }
}

fn try_repeat(pod: &mut Pod, links: &[&Link]) -> Result<(), Error> {
    let running = with_carrier(pod, links, CARRIER)?;
    let mut batch = pod.netlink.batch();
    for link in links {
        if !running.contains(&link.index) {
            tracing::warn!(
                ifname = link.name,
                "no carrier: the kernel announces the addresses when there is one"
            );
            continue;
        }
        let same = LinkChange { address: link.address, ..LinkChange::default() };
        for _ in 0..REPEATS {
            batch.set_link(link.index, &same);
        }
    }
    if batch.is_empty() { Ok(()) } else { Ok(batch.commit()?) }
}

/// Waits for every link to have a carrier, before somebody on the other side is to be asked.
pub(crate) fn require_carrier(pod: &mut Pod, links: &[&Link]) -> Result<(), Error> {
    let running = with_carrier(pod, links, CARRIER_TO_ASK)?;
    match links.iter().find(|link| !running.contains(&link.index)) {
        None => Ok(()),
        Some(link) => {
            Err(Failure::NoCarrier { ifname: link.name.clone(), waited_ms: CARRIER_TO_ASK.as_millis() }
                .into())
        }
    }
}

/// Indexes of the links that have one, after a wait for all of them.
fn with_carrier(pod: &mut Pod, links: &[&Link], patience: Duration) -> Result<Vec<u32>, Error> {
    let mut running = Vec::new();
    let all = look_for_carrier(&mut pod.netlink, links, &mut running)?;
    if all.is_none() {
        let mut monitor = Monitor::subscribe_in(&pod.netns, &[Group::Link])?;
        let route = &mut pod.netlink;
        monitor.wait_for(Instant::now() + patience, || look_for_carrier(route, links, &mut running))?;
    }
    Ok(running)
}

/// Something when every link can carry packets. What the kernel says of that (`IFF_RUNNING`) is old for a moment after a link came
/// up without a carrier, so both have to be there.
fn look_for_carrier(
    route: &mut Rtnetlink,
    links: &[&Link],
    running: &mut Vec<u32>,
) -> Result<Option<()>, Error> {
    for link in links {
        let missing = !running.contains(&link.index);
        let ready = |link: Link| link.is_running() && link.has_carrier();
        if missing && route.link_by_index(link.index)?.is_some_and(ready) {
            running.push(link.index);
        }
    }
    Ok((running.len() == links.len()).then_some(()))
}
