use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use attach::{Error, Pod};
use cni::CniResult;
use netlink::{Group, Link, Monitor, Rtnetlink};

use super::tuning::Tuning;
use super::{Detection, require_arp};
use crate::{Failure, announce};

/// Makes sure that the gateways of the results answer on their links, which have their addresses: the kernel asks for all
/// of them at once, by ARP or NDP as they are.
pub(crate) fn require_gateways(
    pod: &mut Pod,
    links: &[(&Link, &CniResult, Option<Detection>)],
) -> Result<(), Error> {
    let of = |&(link, result, settings): &(_, _, Option<Detection>)| {
        GatewayProbe::of(link, result, settings.filter(|settings| settings.gateway)?)
    };
    let wanted: Vec<_> = links.iter().filter_map(of).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let links: Vec<_> = wanted.iter().map(|wanted| wanted.link).collect();
    announce::require_carrier(pod, &links)?;
    let mut tuning = Tuning::default();
    for wanted in &wanted {
        wanted.tune(pod, &mut tuning)?;
    }
    let outcome = resolve(pod, &wanted);
    let restored = tuning.restore(&pod.netns);
    outcome.and(restored)
}

struct GatewayProbe<'a> {
    link: &'a Link,
    gateways: BTreeSet<IpAddr>,
    settings: Detection,
}

impl<'a> GatewayProbe<'a> {
    fn of(link: &'a Link, result: &CniResult, settings: Detection) -> Option<Self> {
        let gateways: BTreeSet<_> = result.ips.iter().filter_map(|ip| ip.gateway).collect();
        if gateways.is_empty() {
            tracing::warn!(ifname = link.name, "no gateway to detect: the IPAM names none");
        }
        (!gateways.is_empty()).then_some(Self { link, gateways, settings })
    }

    fn tune(&self, pod: &mut Pod, tuning: &mut Tuning) -> Result<(), Error> {
        require_arp(pod, self.link)?;
        for (family, is_ipv4) in [("ipv4", true), ("ipv6", false)] {
            if self.gateways.iter().any(|gateway| gateway.is_ipv4() == is_ipv4) {
                tuning.for_neighbours(&pod.netns, family, &self.link.name, self.settings)?;
            }
        }
        Ok(())
    }

    fn silent(&self, route: &mut Rtnetlink) -> Result<Vec<IpAddr>, Error> {
        let known = route.neighbours(Some(self.link.index))?;
        let answered =
            |gateway: &&IpAddr| known.iter().any(|entry| entry.ip == **gateway && entry.is_known());
        Ok(self.gateways.iter().filter(|gateway| !answered(gateway)).copied().collect())
    }

    fn error(&self, gateway: IpAddr) -> Error {
        Failure::SilentGateway {
            gateway,
            ifname: self.link.name.clone(),
            requests: self.settings.retries,
            protocol: if gateway.is_ipv4() { "ARP" } else { "NDP" },
            waited_ms: self.settings.duration().as_millis(),
        }
        .into()
    }
}

fn resolve(pod: &mut Pod, wanted: &[GatewayProbe<'_>]) -> Result<(), Error> {
    let mut monitor = Monitor::subscribe_in(&pod.netns, &[Group::Neighbour])?;
    ask(&mut pod.netlink, wanted)?;
    let longest = wanted.iter().map(|wanted| wanted.settings.duration()).max().unwrap_or_default();
    let route = &mut pod.netlink;
    let all = |route: &mut Rtnetlink| -> Result<Vec<Error>, Error> {
        let mut silent = Vec::new();
        for wanted in wanted {
            silent.extend(wanted.silent(route)?.into_iter().map(|gateway| wanted.error(gateway)));
        }
        Ok(silent)
    };
    let answered = monitor.wait_for(Instant::now() + longest, || -> Result<Option<()>, Error> {
        Ok(all(route)?.is_empty().then_some(()))
    })?;
    if answered.is_some() {
        return Ok(());
    }
    Error::join(all(route)?).map_or(Ok(()), Err)
}

/// What the table has may be old, or have been said by others: only what comes now counts.
fn ask(route: &mut Rtnetlink, wanted: &[GatewayProbe<'_>]) -> Result<(), Error> {
    let each = || {
        wanted.iter().flat_map(|wanted| wanted.gateways.iter().map(|gateway| (wanted.link.index, *gateway)))
    };
    let mut batch = route.batch();
    for (index, gateway) in each() {
        batch.delete_neighbour(index, gateway);
    }
    for outcome in batch.outcomes()? {
        outcome.or_else(|error| if error.is_gone() { Ok(()) } else { Err(error) })?;
    }
    for (index, gateway) in each() {
        batch.resolve_neighbour(index, gateway);
    }
    Ok(batch.commit()?)
}
