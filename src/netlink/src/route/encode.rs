use ipnet::IpNet;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric, RouteScope, RouteType,
};

use super::{Route, RouteFilter, RouteLookup, scope};
use crate::handle::Family;

/// `RT_TABLE_COMPAT`: the table is in `RTA_TABLE`.
const COMPAT: u8 = 252;

pub(super) fn route(route: &Route) -> RouteMessage {
    let mut message = common(route);
    message.header.protocol = route.protocol.into();
    message.header.kind = route.kind;
    message.header.scope = effective_scope(route).into();
    let metrics: Vec<RouteMetric> =
        route.mtu.map(RouteMetric::Mtu).into_iter().chain(route.advmss.map(RouteMetric::Advmss)).collect();
    if !metrics.is_empty() {
        message.attributes.push(RouteAttribute::Metrics(metrics));
    }
    message
}

/// The kernel deletes a route that differs from the request in nothing that the request says.
pub(super) fn deletion(route: &Route) -> RouteMessage {
    let mut message = common(route);
    message.header.protocol = route.protocol.into();
    message.header.kind = route.kind;
    message.header.scope = route.scope.map_or(RouteScope::NoWhere, Into::into);
    message
}

pub(super) fn filter(family: Family, filter: &RouteFilter) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family.into();
    message.header.protocol = filter.protocol.unwrap_or_default().into();
    if let Some(table) = filter.table {
        set_table(&mut message, table);
    }
    message.attributes.extend(filter.oif.map(RouteAttribute::Oif));
    message
}

pub(super) fn lookup(packet: &RouteLookup) -> RouteMessage {
    let mut message = RouteMessage::default();
    let length = IpNet::from(packet.dst).prefix_len();
    message.header.address_family = Family::from(packet.dst).into();
    message.header.destination_prefix_length = length;
    // Without it, IPv4 names the main table whichever it took; IPv6 tells anyway, and refuses the flag.
    message.header.flags.set(RouteFlags::LookupTable, packet.dst.is_ipv4());
    message.header.flags.set(RouteFlags::FibMatch, packet.as_listed);
    message.attributes = vec![RouteAttribute::Destination(packet.dst.into())];
    if let Some(source) = packet.source {
        message.header.source_prefix_length = length;
        message.attributes.push(RouteAttribute::Source(source.into()));
    }
    message.attributes.extend(packet.oif.map(RouteAttribute::Oif));
    message.attributes.extend(packet.mark.map(RouteAttribute::Mark));
    message
}

fn common(route: &Route) -> RouteMessage {
    let mut message = RouteMessage::default();
    let header: &mut RouteHeader = &mut message.header;
    header.address_family = AddressFamily::from(Family::from(route.dst.addr()));
    header.destination_prefix_length = route.dst.prefix_len();
    header.flags.set(RouteFlags::Onlink, route.onlink);
    set_table(&mut message, route.table);
    // The kernel refuses host bits in a destination.
    let destination = (!route.is_default()).then(|| RouteAttribute::Destination(route.dst.network().into()));
    let optional = [
        destination,
        route.gateway.map(|gateway| RouteAttribute::Gateway(gateway.into())),
        route.oif.map(RouteAttribute::Oif),
        route.source.map(|source| RouteAttribute::PrefSource(source.into())),
        route.priority.map(RouteAttribute::Priority),
    ];
    message.attributes.extend(optional.into_iter().flatten());
    message
}

fn set_table(message: &mut RouteMessage, table: u32) {
    message.header.table = u8::try_from(table).unwrap_or(COMPAT);
    if message.header.table == COMPAT {
        message.attributes.push(RouteAttribute::Table(table));
    }
}

/// As `ip route` does: what has no gateway is on the link, and what the host itself answers is on the host.
fn effective_scope(route: &Route) -> u8 {
    let derived = match (route.kind, route.gateway) {
        (RouteType::Local | RouteType::Nat, _) => scope::HOST,
        (RouteType::Unicast | RouteType::Broadcast | RouteType::Multicast | RouteType::Anycast, None) => {
            scope::LINK
        }
        _ => scope::UNIVERSE,
    };
    route.scope.unwrap_or(if route.dst.addr().is_ipv4() { derived } else { scope::UNIVERSE })
}
