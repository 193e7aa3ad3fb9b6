use std::time::{Duration, Instant};

use attach::{Error, Pod};
use netlink::link::OperState;
use netlink::{Address, Group, Link, Monitor, Rtnetlink};

use crate::Failure;

/// RFC 4862 takes a second at the kernel's defaults, and up to one more before it starts.
const LONGEST: Duration = Duration::from_secs(5);

/// Waits until no address of the links is tentative. Without carrier detection cannot end, and is left to the kernel.
pub(super) fn wait(pod: &mut Pod, links: &[&Link]) -> Result<(), Error> {
    if links.is_empty() {
        return Ok(());
    }
    let start = Instant::now();
    let mut monitor = Monitor::subscribe_in(&pod.netns, &[Group::Ipv6Address])?;
    let route = &mut pod.netlink;
    match monitor.wait_for(start + LONGEST, || all_settled(route, links))? {
        Some(()) => Ok(()),
        None => links.iter().try_for_each(|link| timed_out(route, link, start.elapsed())),
    }
}

fn all_settled(route: &mut Rtnetlink, links: &[&Link]) -> Result<Option<()>, Error> {
    for link in links {
        if !is_settled(route, link)? {
            return Ok(None);
        }
    }
    Ok(Some(()))
}

fn is_settled(route: &mut Rtnetlink, link: &Link) -> Result<bool, Error> {
    let addresses = route.addresses(Some(link.index))?;
    if let Some(duplicate) = addresses.iter().find(|address| address.is_duplicate()) {
        return Err(
            Failure::Duplicate { address: duplicate.net.to_string(), ifname: link.name.clone() }.into()
        );
    }
    Ok(!addresses.iter().any(Address::is_tentative))
}

fn timed_out(route: &mut Rtnetlink, link: &Link, waited: Duration) -> Result<(), Error> {
    let now = route.link_by_index(link.index)?;
    if now.is_none_or(|link| link.oper_state != OperState::Up) {
        tracing::warn!(ifname = link.name, "no carrier: duplicate address detection is left to the kernel");
        return Ok(());
    }
    let addresses = route.addresses(Some(link.index))?;
    let Some(address) = addresses.iter().find(|address| address.is_tentative()) else { return Ok(()) };
    Err(Failure::Tentative {
        address: address.net.to_string(),
        ifname: link.name.clone(),
        waited_ms: waited.as_millis(),
    }
    .into())
}
