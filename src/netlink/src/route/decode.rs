use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_route::route::RouteFlags;
use nix::libc::{
    RTA_DST, RTA_GATEWAY, RTA_METRICS, RTA_MULTIPATH, RTA_OIF, RTA_PREFSRC, RTA_PRIORITY, RTA_TABLE,
    RTM_DELROUTE, RTM_NEWROUTE,
};

use super::{NextHop, Route};
use crate::attr::{Attribute, Attributes, u16_at, u32_at};
use crate::handle::Family;
use crate::message::Message;

const HEADER: usize = 12;
const NEXT_HOP_HEADER: usize = 8;
// Not in musl's headers (include/uapi/linux/rtnetlink.h).
const RTA_VIA: u16 = 18;
const RTAX_MTU: u16 = 2;
const RTAX_ADVMSS: u16 = 8;
/// `RTNH_F_ONLINK`
const ONLINK: u8 = 4;

/// The route of an `RTM_NEWROUTE` or `RTM_DELROUTE`; `None` for families other than IPv4 and IPv6.
pub(crate) fn decode(message: &Message<'_>) -> Option<Route> {
    if !matches!(message.kind, RTM_NEWROUTE | RTM_DELROUTE) {
        return None;
    }
    let &[family, dst_len, _, _, table, protocol, scope, kind, ..] = message.payload else { return None };
    let family = Family::from_raw(family)?;
    let mut route = Route::new(IpNet::new(unspecified(family), dst_len).ok()?);
    route.table = table.into();
    route.protocol = protocol;
    route.scope = Some(scope);
    route.kind = kind.into();
    let flags = RouteFlags::from_bits_retain(u32_at(message.payload, 8)?);
    route.onlink = flags.contains(RouteFlags::Onlink);
    for attribute in Attributes(message.payload.get(HEADER..)?) {
        read(&mut route, attribute)?;
    }
    Some(route)
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn read(route: &mut Route, attribute: Attribute<'_>) -> Option<()> {
    match attribute.kind {
        RTA_DST => route.dst = IpNet::new(attribute.ip()?, route.dst.prefix_len()).ok()?,
        RTA_TABLE => route.table = attribute.u32()?,
        RTA_GATEWAY | RTA_VIA => route.gateway = gateway(attribute),
        RTA_OIF => route.oif = attribute.u32(),
        RTA_PREFSRC => route.source = attribute.ip(),
        RTA_PRIORITY => route.priority = attribute.u32(),
        RTA_METRICS => metrics(route, attribute.nested()),
        RTA_MULTIPATH => route.next_hops = next_hops(attribute.value),
        _ => {}
    }
    Some(())
}

/// `RTA_VIA`, a gateway of the other family, has the family in front of the address.
fn gateway(attribute: Attribute<'_>) -> Option<IpAddr> {
    match attribute.kind {
        RTA_VIA => Attribute { kind: RTA_VIA, value: attribute.value.get(2..)? }.ip(),
        _ => attribute.ip(),
    }
}

fn metrics(route: &mut Route, metrics: Attributes<'_>) {
    for metric in metrics {
        match metric.kind {
            RTAX_MTU => route.mtu = metric.u32(),
            RTAX_ADVMSS => route.advmss = metric.u32(),
            _ => {}
        }
    }
}

/// A sequence of `struct rtnexthop`, each followed by attributes of its own.
fn next_hops(mut bytes: &[u8]) -> Vec<NextHop> {
    let mut next_hops = Vec::new();
    while let Some((next_hop, rest)) = next_hop(bytes) {
        next_hops.push(next_hop);
        bytes = rest;
    }
    next_hops
}

fn next_hop(bytes: &[u8]) -> Option<(NextHop, &[u8])> {
    let length = usize::from(u16_at(bytes, 0)?);
    let attributes = Attributes(bytes.get(NEXT_HOP_HEADER..length)?);
    let next_hop = NextHop {
        gateway: attributes.into_iter().filter(|a| matches!(a.kind, RTA_GATEWAY | RTA_VIA)).find_map(gateway),
        oif: u32_at(bytes, 4)?,
        weight: u16::from(*bytes.get(3)?) + 1,
        onlink: bytes.get(2)? & ONLINK != 0,
    };
    Some((next_hop, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}
