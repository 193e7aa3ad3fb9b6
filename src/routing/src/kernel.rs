//! Reading the pod and changing it: one dump per kind, one batch for all changes.

use std::net::Ipv6Addr;

use attach::{Error, Pod, sysctl};
use ipnet::IpNet;
use netlink::link::LinkKind;
use netlink::{
    Address, Family, HwAddr, Ipv4Conf, LinkChange, Neighbour, NextHop, RouteFilter, RouteKind, RouteLookup,
    RuleAction,
};

use super::changes::{Change, LinkSetting, Place};
use super::model::{Ipv4, Link, MAIN, PROTOCOL, Route, Rule, View, any_of};

/// `100::/64` is for discarding (RFC 6666): nobody has a route to it but the default one.
const UNROUTED: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1);

/// Everything that planning looks at.
pub(super) fn read(pod: &mut Pod) -> Result<View, Error> {
    Ok(view(pod)?)
}

fn view(pod: &mut Pod) -> Result<View, netlink::Error> {
    let socket = &mut pod.netlink;
    let rp_filter = socket.rp_filter_of_all()?.to_string();
    let links = socket.links()?.into_iter().map(link).collect();
    let addresses = socket.addresses(None)?.into_iter().map(|address| (address.index, address.net)).collect();
    let mut view = View { links, addresses, rp_filter, ..View::default() };
    for spec in socket.routes(&RouteFilter::default())? {
        take_route(&mut view, socket, &spec);
    }
    for family in Family::BOTH {
        for spec in socket.rules(family)? {
            take_rule(&mut view, &spec);
        }
    }
    Ok(view)
}

/// As [`read`], for a DEL: a pod that changes its tables all the time cannot hold it up.
pub(super) fn read_unsettled(pod: &mut Pod) -> Result<View, netlink::Error> {
    pod.netlink.accept_unsettled_dumps(true);
    let view = view(pod);
    pod.netlink.accept_unsettled_dumps(false);
    view
}

/// The addresses of a link, before there is anything to plan.
pub(super) fn addresses_of(pod: &mut Pod, ifname: &str) -> Result<Vec<IpNet>, Error> {
    let Some(link) = pod.netlink.link_by_name(ifname)? else { return Ok(Vec::new()) };
    Ok(pod.netlink.addresses(Some(link.index))?.into_iter().map(|address| address.net).collect())
}

/// Makes the changes of an ADD; the error is the first refusal. What somebody else has put into a table of ours is met there:
/// CHECK tells of it.
pub(super) fn apply(pod: &mut Pod, changes: &[Change]) -> Result<(), Error> {
    for (change, outcome) in changes.iter().zip(batch(pod, changes).outcomes()?) {
        match (change, outcome) {
            (Change::AddRoute(route, _), Err(error)) if error.is_exists() && route.table != MAIN => {
                tracing::warn!(%error, "left as somebody else has it");
            }
            (_, outcome) => outcome?,
        }
    }
    Ok(())
}

/// Makes the changes of a DEL. What is gone already is as it should be. What the kernel refuses is the pod's doing, which
/// may have taken an address or a name that it had, and goes with the pod: no DEL may depend on that.
pub(super) fn undo(pod: &mut Pod, changes: &[Change]) -> Result<(), Error> {
    let outcomes = changes.iter().zip(batch(pod, changes).outcomes()?);
    let failed = outcomes.filter_map(|(change, outcome)| Some((change, outcome.err()?)));
    for (_, error) in failed.filter(|(change, error)| !error.is_gone() && !lost_its_way(change, error)) {
        if error.errno().is_none() {
            return Err(error.into());
        }
        tracing::warn!(%error, "left as it is in the pod, which has changed it");
    }
    Ok(())
}

/// A route cannot be put back once the address that led to its gateway is taken away, and it would have gone with it.
fn lost_its_way(change: &Change, error: &netlink::Error) -> bool {
    matches!(change, Change::AddRoute(..)) && error.is_unreachable()
}

fn batch<'a>(pod: &'a mut Pod, changes: &[Change]) -> netlink::Batch<'a> {
    let mut batch = pod.netlink.batch();
    for change in changes {
        push(&mut batch, change);
    }
    batch
}

/// Sets `all.rp_filter` of the pod unless it has that value.
pub(super) fn set_rp_filter(pod: &Pod, view: &View, value: Option<String>) -> Result<(), Error> {
    match value.filter(|value| *value != view.rp_filter) {
        Some(value) => pod.netns.run(|| sysctl::write(&rp_filter_path(), &value))?,
        None => Ok(()),
    }
}

fn rp_filter_path() -> std::path::PathBuf {
    sysctl::of_interface("ipv4", "all", "rp_filter")
}

fn push(batch: &mut netlink::Batch<'_>, change: &Change) {
    match change {
        Change::AddRoute(route, Place::Only) => batch.add_route(&route_spec(route)),
        Change::AddRoute(route, Place::First) => batch.prepend_route(&route_spec(route)),
        Change::AddRoute(route, Place::Last) => batch.append_route(&route_spec(route)),
        Change::AddRoute(route, Place::Instead) => batch.replace_route(&route_spec(route)),
        Change::DeleteRoute(route) => batch.delete_route(&route_spec(route)),
        Change::AddRule(rule) => batch.add_rule(&rule_spec(rule)),
        Change::DeleteRule(rule) => batch.delete_rule(&rule_spec(rule)),
        Change::SetLink(setting) => batch.set_link(setting.index, &link_change(setting)),
        Change::AddNeighbour { index, ip, mac } => {
            let neighbour = Neighbour::permanent(*index, *ip, HwAddr::from(*mac));
            batch.replace_neighbour(&Neighbour { protocol: Some(PROTOCOL), ..neighbour })
        }
        Change::AddAddress { index, net } => batch.add_address(&Address::new(*index, *net)),
    };
}

fn link_change(setting: &LinkSetting) -> LinkChange<'static> {
    let arp = setting
        .arp
        .map(|(announce, ignore)| [(Ipv4Conf::ArpAnnounce, announce), (Ipv4Conf::ArpIgnore, ignore)]);
    let rp_filter = setting.rp_filter.map(|value| (Ipv4Conf::RpFilter, value));
    LinkChange {
        address: setting.mac.map(HwAddr::from),
        tx_queue_len: setting.tx_queue_len,
        up: setting.up.then_some(true),
        ipv4: rp_filter.into_iter().chain(arp.into_iter().flatten()).collect(),
        ..LinkChange::default()
    }
}

fn link(link: netlink::Link) -> Link {
    let setting = |setting| link.ipv4(setting).unwrap_or_default();
    let ipv4 = Ipv4 {
        rp_filter: setting(Ipv4Conf::RpFilter),
        arp_announce: setting(Ipv4Conf::ArpAnnounce),
        arp_ignore: setting(Ipv4Conf::ArpIgnore),
    };
    Link {
        index: link.index,
        mac: link.address.and_then(|address| address.mac()),
        tx_queue_len: link.tx_queue_len,
        ipv4: link.ipv4_conf.is_some().then_some(ipv4),
        peer: link.parent.filter(|_| link.kind == LinkKind::Veth),
        name: link.name,
    }
}

/// IPv6 lists the branches of a multipath route together and takes them one by one; in IPv4 they are one route, which
/// belongs to no single NIC.
fn take_route(view: &mut View, socket: &mut netlink::Rtnetlink, spec: &netlink::Route) {
    if !matches!(spec.kind, RouteKind::Unicast) {
        view.other_tables.push(spec.table);
        return;
    }
    let whole = route(spec);
    match spec.next_hops.split_first().filter(|_| whole.is_v6()) {
        None => view.routes.push(whole),
        Some((first, later)) => {
            let head =
                Route { gateway: first.gateway, dev: first.oif, onlink: first.onlink, ..whole.clone() };
            view.routes.push(head);
            view.routes.extend(later.iter().map(|hop| later_branch(socket, &whole, hop)));
        }
    }
}

/// The listing has the attributes of the first branch only (`rt6_fill_node` in net/ipv6/route.c). Who added another one
/// is what the lookup of an address that no other route fits says of it.
fn later_branch(socket: &mut netlink::Rtnetlink, whole: &Route, hop: &NextHop) -> Route {
    let packet = RouteLookup { oif: Some(hop.oif), ..RouteLookup::new(UNROUTED.into()) };
    let answer = socket.route_to(&packet).ok().flatten();
    let answer = answer.filter(|answer| (answer.table, answer.gateway) == (whole.table, hop.gateway));
    Route {
        gateway: hop.gateway,
        dev: hop.oif,
        onlink: hop.onlink,
        protocol: answer.map_or(whole.protocol, |answer| answer.protocol),
        src: None,
        mtu: None,
        advmss: None,
        ..whole.clone()
    }
}

fn route(spec: &netlink::Route) -> Route {
    let foreign_gateway = spec.gateway.is_some_and(|gateway| gateway.is_ipv6() != spec.dst.addr().is_ipv6());
    Route {
        dst: spec.dst,
        table: spec.table,
        protocol: spec.protocol,
        scope: spec.scope.unwrap_or_default(),
        priority: spec.priority.unwrap_or_default(),
        gateway: spec.gateway,
        src: spec.source,
        dev: spec.oif.filter(|_| !foreign_gateway).unwrap_or_default(),
        onlink: spec.onlink,
        mtu: spec.mtu,
        advmss: spec.advmss,
    }
}

fn route_spec(route: &Route) -> netlink::Route {
    netlink::Route {
        table: route.table,
        protocol: route.protocol,
        scope: Some(route.scope),
        priority: (route.priority != 0).then_some(route.priority),
        gateway: route.gateway,
        source: route.src,
        oif: Some(route.dev),
        onlink: route.onlink,
        mtu: route.mtu,
        advmss: route.advmss,
        ..netlink::Route::new(route.dst)
    }
}

fn take_rule(view: &mut View, spec: &netlink::Rule) {
    let src = spec.from.unwrap_or_else(|| any_of(spec.family == Family::V6));
    let plain = plain_rule(spec, src).filter(|rule| rule_spec(rule) == *spec);
    match plain {
        Some(rule) => view.rules.push(rule),
        None => view.other_tables.push(spec.table),
    }
}

fn plain_rule(spec: &netlink::Rule, src: IpNet) -> Option<Rule> {
    let to_table = matches!(spec.action, RuleAction::ToTable);
    let mark = spec.fwmark.map(|(mark, _)| mark);
    to_table.then_some(Rule {
        src,
        mark,
        table: spec.table,
        priority: spec.priority?,
        protocol: spec.protocol,
    })
}

fn rule_spec(rule: &Rule) -> netlink::Rule {
    netlink::Rule {
        priority: Some(rule.priority),
        from: Some(rule.src).filter(|src| src.prefix_len() != 0),
        fwmark: rule.mark.map(|mark| (mark, mark)),
        protocol: rule.protocol,
        ..netlink::Rule::new(Family::from(rule.src.addr()), rule.table)
    }
}
