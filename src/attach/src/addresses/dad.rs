use std::time::{Duration, Instant};

use netlink::link::OperState;
use netlink::{Address, Group, Link, Monitor, Route};

use crate::{Error, Pod};

/// RFC 4862 takes a second at the kernel's defaults, and up to one more before it starts.
const LONGEST: Duration = Duration::from_secs(5);

/// Waits until no address of the link is tentative. Without carrier detection cannot end, and is left to the kernel.
pub(super) fn wait(pod: &mut Pod, link: &Link) -> Result<(), Error> {
    let start = Instant::now();
    let mut monitor = Monitor::subscribe_in(&pod.netns, &[Group::Ipv6Address])?;
    let route = &mut pod.route;
    let settled = monitor.wait_for(start + LONGEST, || settled(route, link))?;
    match settled {
        Some(()) => Ok(()),
        None => timed_out(route, link, start.elapsed()),
    }
}

fn settled(route: &mut Route, link: &Link) -> Result<Option<()>, Error> {
    let addresses = route.addresses(Some(link.index))?;
    if let Some(duplicate) = addresses.iter().find(|address| address.is_duplicate()) {
        return Err(Error::Duplicate { address: duplicate.net.to_string(), ifname: link.name.clone() });
    }
    Ok((!addresses.iter().any(Address::is_tentative)).then_some(()))
}

fn timed_out(route: &mut Route, link: &Link, waited: Duration) -> Result<(), Error> {
    let now = route.link_by_index(link.index)?;
    if now.is_none_or(|link| link.oper_state != OperState::Up) {
        tracing::warn!(ifname = link.name, "no carrier: duplicate address detection is left to the kernel");
        return Ok(());
    }
    let addresses = route.addresses(Some(link.index))?;
    let Some(address) = addresses.iter().find(|address| address.is_tentative()) else { return Ok(()) };
    Err(Error::Tentative {
        address: address.net.to_string(),
        ifname: link.name.clone(),
        waited_ms: waited.as_millis(),
    })
}
