//! CHECK: what of a NIC's coordination is not as ADD left it.

use std::net::IpAddr;

use attach::{Error, Pod, identity};
use netlink::{HwAddr, NeighbourState};
use state::Dirs;

use super::model::{POD_VETH, Route, View};
use super::record::PodRecord;
use super::shared::Shared;
use super::undo::{Own, RoutingUndo};
use super::{arp, kernel, node};

/// Each difference in a line; none when all is as it should be. `listed` are the routes of `prevResult`: Multus takes
/// a default route away (annotation `default-route`) and out of the result, and that is no fault.
pub fn differences(
    dirs: &Dirs,
    pod: &mut Pod,
    undo: &RoutingUndo,
    listed: &[cni::Route],
) -> Result<Vec<String>, Error> {
    let mut record = PodRecord::lock(dirs, &undo.key.container_id, &identity(&pod.netns))?;
    let view = kernel::read(pod)?;
    let mut found = compare(&view, record.shared(), undo, listed);
    let on_node = undo.own.as_ref().and_then(|own| own.node.as_ref());
    if on_node.is_some() || undo.pair.is_some() {
        let mut host = netlink::Rtnetlink::open()?;
        if let Some(pair) = &undo.pair {
            found.extend(pair.differences(&mut host, pod)?);
            found.extend(neighbours(pod, &view, record.shared())?);
        }
        if let Some(part) = on_node {
            found.extend(node::differences(&mut host, part)?);
        }
    }
    Ok(found)
}

/// Of the node's addresses, on the pod's end of the pair.
fn neighbours(pod: &mut Pod, view: &View, shared: &Shared) -> Result<Vec<String>, Error> {
    let Some(pod_veth) = view.pod_veth() else { return Ok(Vec::new()) };
    let present = pod.netlink.neighbours(Some(pod_veth.index))?;
    let is_there =
        |ip: &IpAddr| present.iter().any(|other| other.ip == *ip && other.state == NeighbourState::Permanent);
    let missing = shared.hosts.iter().filter(|ip| view.has_family(ip.is_ipv6()) && !is_there(ip));
    Ok(missing.map(|ip| format!("the neighbour {ip} dev {POD_VETH} is missing")).collect())
}

pub(super) fn compare(
    view: &View,
    shared: &Shared,
    undo: &RoutingUndo,
    listed: &[cni::Route],
) -> Vec<String> {
    let Some(own) = &undo.own else { return vec!["the record is damaged".to_owned()] };
    let mut found = link(view, own, &undo.key.ifname);
    if shared.member(&undo.key.network, &undo.key.ifname).is_none() {
        found.push(format!("the pod's record does not know {}", undo.key.ifname));
    }
    let wanted = shared.wanted(view);
    let routes = own.made.routes.iter().chain(&wanted.routes);
    let present = view.route_set();
    let is_there = |route: &&Route| present.contains(route) || shared.present(view, route).is_some();
    let missing = routes.filter(|route| !is_there(route) && !is_excused(own, route, listed));
    found.extend(missing.map(|route| format!("route {} is missing", view.describe(route))));
    let rules = own.made.rules.iter().chain(&wanted.rules).filter(|rule| !view.rules.contains(rule));
    found.extend(rules.map(|rule| format!("{rule} is missing")));
    found.extend(main_default(view, shared, own, listed));
    found.extend(arp::differences(&shared.arp, view));
    if let Some(expected) = shared.rp_filter(view).filter(|expected| *expected != view.rp_filter) {
        found.push(format!("net.ipv4.conf.all.rp_filter is {}, expected {expected}", view.rp_filter));
    }
    found
}

fn link(view: &View, own: &Own, ifname: &str) -> Vec<String> {
    let Some(link) = view.link(ifname) else {
        return vec![format!("interface {ifname} is missing in the pod")];
    };
    let mut found = Vec::new();
    if link.index != own.index {
        found.push(format!("{ifname} has index {}, expected {}: it was made again", link.index, own.index));
    }
    if let Some(mac) = own.mac.filter(|mac| link.mac != Some(mac.to)) {
        let present = link.mac.map(|mac| HwAddr::from(mac).to_string()).unwrap_or_default();
        found.push(format!("the MAC of {ifname} is {present}, expected {}", HwAddr::from(mac.to)));
    }
    let present = link.ipv4.map(|ipv4| ipv4.rp_filter);
    if let (Some(value), Some(present)) =
        (own.rp_filter, present.filter(|now| own.rp_filter.is_some_and(|v| v.to != *now)))
    {
        found.push(format!("rp_filter of {ifname} is {present}, expected {}", value.to));
    }
    if let Some(length) = own.tx_queue_len.filter(|length| link.tx_queue_len != length.to) {
        found.push(format!("txqueuelen of {ifname} is {}, expected {}", link.tx_queue_len, length.to));
    }
    found
}

/// A default route of this NIC that the result does not list any more.
fn is_excused(own: &Own, route: &Route, listed: &[cni::Route]) -> bool {
    route.dev == own.index && route.is_default() && !lists_default(listed, route.is_v6(), |_| true)
}

fn main_default(view: &View, shared: &Shared, own: &Own, listed: &[cni::Route]) -> Vec<String> {
    if own.table.is_none() {
        return Vec::new();
    }
    let owners = shared.owners(view);
    [false, true]
        .into_iter()
        .filter_map(|is_v6| misplaced(view, shared, own, owners[usize::from(is_v6)]?, is_v6, listed))
        .collect()
}

fn misplaced(
    view: &View,
    shared: &Shared,
    own: &Own,
    owner: u32,
    is_v6: bool,
    listed: &[cni::Route],
) -> Option<String> {
    let family = if is_v6 { "IPv6" } else { "IPv4" };
    let has = |dev: u32| view.main_defaults().any(|route| route.dev == dev && route.is_v6() == is_v6);
    let given_by_multus = lists_default(listed, is_v6, |route| route.table.is_none());
    if own.index != owner && has(own.index) && !given_by_multus {
        let name = view.name(own.index);
        return Some(format!(
            "main has an {family} default route of {name}, expected that of {} alone",
            view.name(owner)
        ));
    }
    // Whichever attachment Multus chose, its default route is in main instead.
    let elsewhere = || shared.members.iter().any(|member| member.index != owner && has(member.index));
    let excused = if own.index == owner { !given_by_multus } else { elsewhere() };
    let stood = shared
        .defaults
        .0
        .iter()
        .any(|entry| entry.route.dev == owner && entry.route.is_v6() == is_v6 && !entry.moved);
    (stood && !has(owner) && !excused)
        .then(|| format!("main has lost the {family} default route of {}", view.name(owner)))
}

fn lists_default(listed: &[cni::Route], is_v6: bool, which: impl Fn(&cni::Route) -> bool) -> bool {
    listed
        .iter()
        .any(|route| route.dst.prefix_len() == 0 && route.dst.addr().is_ipv6() == is_v6 && which(route))
}
