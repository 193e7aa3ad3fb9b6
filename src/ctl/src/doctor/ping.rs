//! Asks by each rail what is at its other end: the gateway, and whom somebody names.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use host::doctor::{Check, Finding, Level, Netdev, Sight};
use netlink::{Route, RouteFilter, Rtnetlink};

use crate::echo::{Answer, Probe, ask};

/// Longer than it takes to resolve a neighbour in a fabric that works.
const PATIENCE: Duration = Duration::from_secs(3);

/// From the namespace of the calling thread. Of each family the first of `peers` is asked by the first rail, the second by the second: a
/// pod's rails and those of a pod of another node in their order.
pub(super) fn judge(sight: &Sight, peers: &[IpAddr]) -> Result<Vec<Finding>> {
    let mut route = Rtnetlink::open()?;
    let mut rails: Vec<&Netdev> =
        sight.netdevs.iter().filter(|netdev| sight.is_of_rdma(&netdev.name)).collect();
    rails.sort_by_key(|netdev| (netdev.name.len(), netdev.name.clone()));
    let mut gateways = BTreeMap::new();
    let mut links = BTreeMap::new();
    for link in route.links()? {
        if rails.iter().any(|netdev| netdev.name == link.name) {
            let filter = RouteFilter { oif: Some(link.index), ..RouteFilter::default() };
            let routes = route.routes(&filter)?;
            gateways.insert(link.name.clone(), [true, false].map(|is_v4| gateway(&routes, is_v4)));
            links.insert(link.index, link.name);
        }
    }
    let gateway =
        |name: &str, is_v4: bool| gateways.get(name).and_then(|[v4, v6]| if is_v4 { *v4 } else { *v6 });
    let probes = probes(&rails, gateway, peers);
    let answers = ask(&probes, PATIENCE)?;
    let asked = probes.iter().zip(answers);
    Ok(asked.map(|(probe, answer)| finding(probe, answer, &links)).collect())
}

fn gateway(routes: &[Route], is_v4: bool) -> Option<IpAddr> {
    let defaults = routes.iter().filter(|route| route.is_default());
    defaults.filter_map(|route| route.gateway).find(|gateway| gateway.is_ipv4() == is_v4)
}

/// Every rail asks its gateway and its peer, of each family in which it has an address that leaves the link.
fn probes(rails: &[&Netdev], gateway: impl Fn(&str, bool) -> Option<IpAddr>, peers: &[IpAddr]) -> Vec<Probe> {
    let of_family = |is_v4| peers.iter().copied().filter(move |peer| peer.is_ipv4() == is_v4);
    let mut peers = [true, false].map(|is_v4| (is_v4, of_family(is_v4)));
    let mut probes = Vec::new();
    for netdev in rails {
        for (is_v4, peers) in &mut peers {
            let Some(source) = own(netdev, *is_v4) else { continue };
            let targets = gateway(&netdev.name, *is_v4).into_iter().chain(peers.next());
            probes.extend(targets.map(|target| Probe { source, target, device: Some(netdev.name.clone()) }));
        }
    }
    probes
}

fn own(netdev: &Netdev, is_v4: bool) -> Option<IpAddr> {
    let is_of_the_link = |address: &IpAddr| matches!(address, IpAddr::V6(own) if own.is_unicast_link_local());
    let addresses = netdev.addresses.iter().map(ipnet::IpNet::addr);
    addresses.filter(|address| !is_of_the_link(address)).find(|address| address.is_ipv4() == is_v4)
}

fn finding(probe: &Probe, answer: Option<Answer>, links: &BTreeMap<u32, String>) -> Finding {
    let Probe { source, target, device } = probe;
    let device = device.as_deref().unwrap_or_default();
    let by = answer.map(|answer| links.get(&answer.ifindex).map_or("another link", String::as_str));
    let (level, value) = match (answer, by) {
        (Some(answer), Some(by)) if by == device => {
            (Level::Good, format!("{:.2} ms", answer.after.as_secs_f64() * 1e3))
        }
        (Some(_), by) => (Level::Warning, format!("the answer came in by {}", by.unwrap_or_default())),
        (None, _) => (Level::Error, format!("no answer within {} s", PATIENCE.as_secs())),
    };
    let (wanted, cure) = match level {
        Level::Good => (String::new(), String::new()),
        _ => (
            format!("an answer by {device}"),
            format!("ip neigh show dev {device}; then the switch's port and VLAN, and {target} itself"),
        ),
    };
    Finding {
        check: Check::Ping,
        level,
        subject: format!("{device} {source} to {target}"),
        value,
        wanted,
        source: format!("ICMP echo from {source} by {device}"),
        cure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn netdev(name: &str, addresses: &[&str]) -> Netdev {
        let addresses = addresses.iter().map(|net| net.parse().unwrap()).collect();
        Netdev { name: name.into(), addresses, ..Netdev::default() }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_rail_asks_its_gateway_and_the_peer_of_its_place() {
        let one = netdev("net1", &["fe80::1/64", "fd00:1::5/64", "172.16.1.5/24"]);
        let two = netdev("net2", &["172.16.2.5/24", "fd00:2::5/64"]);
        let dark = netdev("net3", &["fe80::3/64"]);
        let gateway = |name: &str, is_v4: bool| {
            (name == "net1").then(|| address(if is_v4 { "172.16.1.254" } else { "fe80::fe" }))
        };
        let peers = ["fd00:1::9", "172.16.1.9", "172.16.2.9", "172.16.3.9"].map(address);
        let asked =
            |probe: &Probe| format!("{} {} {}", probe.device.as_deref().unwrap(), probe.source, probe.target);
        let probes: Vec<String> = probes(&[&one, &dark, &two], gateway, &peers).iter().map(asked).collect();
        let wanted = [
            "net1 172.16.1.5 172.16.1.254",
            "net1 172.16.1.5 172.16.1.9",
            "net1 fd00:1::5 fe80::fe",
            "net1 fd00:1::5 fd00:1::9",
            "net2 172.16.2.5 172.16.2.9",
        ];
        assert_eq!(probes, wanted);
    }

    #[test]
    fn an_answer_by_another_link_is_none_to_rely_on() {
        let probe = Probe {
            source: address("172.16.1.5"),
            target: address("172.16.1.254"),
            device: Some("net1".into()),
        };
        let links = BTreeMap::from([(4, "net1".to_owned()), (5, "net2".to_owned())]);
        let of =
            |ifindex| finding(&probe, Some(Answer { ifindex, after: Duration::from_micros(314) }), &links);
        assert_eq!((of(4).level, &*of(4).value), (Level::Good, "0.31 ms"));
        assert_eq!((of(5).level, &*of(5).value), (Level::Warning, "the answer came in by net2"));
        assert_eq!((of(9).level, &*of(9).value), (Level::Warning, "the answer came in by another link"));
        assert_eq!(finding(&probe, None, &links).level, Level::Error);
    }
}
