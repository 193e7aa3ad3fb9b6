//! Router advertisements. What they bring (addresses, prefixes, a default route) would lead the pod's traffic from one rail
//! to another, so links hear none unless their network asks for it (`acceptRA`).

use std::time::{Duration, Instant};

use attach::{Error, Failure, Pod, sysctl};
use netlink::{AddressFlags, Group, Link, Monitor, Rtnetlink};
use serde::Deserialize;

use crate::metric;

/// A router that is there answers at once, and detection of duplicates takes up to two seconds before and after that.
const LONGEST: Duration = Duration::from_secs(6);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Keys {
    #[serde(rename = "acceptRA")]
    accept_ra: bool,
}

/// Whether the network asks for them.
pub(crate) fn asked_for(config: &cni::Config) -> Result<bool, cni::Error> {
    Ok(config.decode::<Keys>()?.accept_ra)
}

/// Has each link hear or ignore them; to be done before one is up, when it asks for them.
pub(crate) fn set(pod: &Pod, links: &[(&Link, bool)]) -> Result<(), Error> {
    pod.netns.run(|| links.iter().try_for_each(|(link, accept)| set_one(link, *accept)))?
}

fn set_one(link: &Link, accept: bool) -> Result<(), Error> {
    /// Even where the pod forwards.
    const ALWAYS: &str = "2";
    write(link, "accept_ra", if accept { ALWAYS } else { "0" })?;
    // Beside the default route of the first NIC theirs would be one of several that the kernel takes in turn.
    if accept { write(link, "ra_defrtr_metric", &metric(&link.name).to_string()) } else { Ok(()) }
}

/// A kernel without IPv6 hears none, and one before 5.12 knows no metric.
fn write(link: &Link, name: &str, value: &str) -> Result<(), Error> {
    let written = sysctl::write(&sysctl::of_interface("ipv6", &link.name, name), value);
    written.or_else(|error| match error.failure() {
        Failure::Sysctl { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

/// Waits for the addresses that they bring, so that they are ruled as the others are. One that comes later is not.
pub(crate) fn wait(pod: &mut Pod, links: &[(&Link, bool)]) -> Result<(), Error> {
    let asked: Vec<&Link> = links.iter().filter(|(_, accept)| *accept).map(|(link, _)| *link).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let mut monitor = Monitor::subscribe_in(&pod.netns, &[Group::Ipv6Address])?;
    let route = &mut pod.netlink;
    let mut missing = None;
    let all = monitor.wait_for(Instant::now() + LONGEST, || -> Result<Option<()>, Error> {
        missing = first_without(route, &asked)?;
        Ok(missing.is_none().then_some(()))
    })?;
    if let (None, Some(ifname)) = (all, missing) {
        tracing::warn!(
            ifname,
            "no router has advertised a prefix within {LONGEST:?}: an address that comes later gets no rule"
        );
    }
    Ok(())
}

fn first_without(route: &mut Rtnetlink, links: &[&Link]) -> Result<Option<String>, Error> {
    for link in links {
        let brought = |address: &netlink::Address| {
            address.net.addr().is_ipv6()
                && !address.flags.contains(AddressFlags::Permanent)
                && !address.is_tentative()
        };
        if !route.addresses(Some(link.index))?.iter().any(brought) {
            return Ok(Some(link.name.clone()));
        }
    }
    Ok(None)
}
