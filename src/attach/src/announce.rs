//! Telling the neighbours where an address is now: they may remember its last owner (plugins#858, cni#194).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use cni::CniResult;
use neighbour::Announcer;
use netlink::{Group, Link, Monitor};

use crate::{Error, Pod};

/// A child's carrier follows its parent's within a softirq; a VF's may take longer.
const CARRIER: Duration = Duration::from_millis(200);
/// ADD must not wait between the rounds. Several of them guard against the loss of one; `arp_notify` and `ndisc_notify`
/// repeat it whenever the link comes back.
const PAUSE: Duration = Duration::ZERO;

/// Announces the result's addresses on the link, once it has carrier. A neighbour that misses it finds out by itself,
/// later: that is no reason for ADD to fail.
pub fn addresses(pod: &mut Pod, link: &Link, result: &CniResult) {
    let addresses: Vec<IpAddr> = result.ips.iter().map(|ip| ip.address.addr()).collect();
    if addresses.is_empty() {
        return;
    }
    if let Err(error) = announce(pod, link, &addresses) {
        tracing::warn!(ifname = link.name, %error, "addresses are not announced");
    }
}

fn announce(pod: &mut Pod, link: &Link, addresses: &[IpAddr]) -> Result<(), Error> {
    let Some(address) = link.address else { return Ok(()) };
    if !has_carrier(pod, link)? {
        tracing::warn!(
            ifname = link.name,
            "no carrier: the kernel announces the addresses when there is one"
        );
        return Ok(());
    }
    let on = neighbour::Link::ethernet(link.index, address.as_bytes())?;
    pod.netns.run(|| Announcer::new(on, addresses)?.announce_repeatedly(PAUSE))??;
    Ok(())
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
