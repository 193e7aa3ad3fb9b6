//! Routes: the specification that is added and listed alike, and its operations.

mod decode;
mod encode;

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use nix::errno::Errno;
use nix::libc::{RTM_DELROUTE, RTM_GETROUTE, RTM_NEWROUTE};

use crate::batch::Batch;
use crate::error::Error;
use crate::handle::{Family, Rtnetlink};
use crate::message::Request;

pub use netlink_packet_route::route::RouteType as RouteKind;

pub(crate) use decode::decode;

/// `RT_SCOPE_*` (include/uapi/linux/rtnetlink.h).
pub mod scope {
    /// Anywhere.
    pub const UNIVERSE: u8 = 0;
    /// On the link.
    pub const LINK: u8 = 253;
    /// This host.
    pub const HOST: u8 = 254;
}

/// `RT_TABLE_MAIN`
const MAIN: u32 = 254;
/// `RTPROT_BOOT`, which `ip route` uses.
const BOOT: u8 = 3;

/// A route, as it is added, deleted and listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destination; `0.0.0.0/0` and `::/0` are the default routes.
    pub dst: IpNet,
    /// Table; 254 is main.
    pub table: u32,
    /// Next hop.
    pub gateway: Option<IpAddr>,
    /// Index of the link it leaves by.
    pub oif: Option<u32>,
    /// Source address that packets get (`RTA_PREFSRC`).
    pub source: Option<IpAddr>,
    /// Take the gateway as reachable on `oif` without a route to it.
    pub onlink: bool,
    /// See [`scope`]; `None` derives it as `ip route` does. IPv6 has none.
    pub scope: Option<u8>,
    /// Metric; the kernel's default is 0 for IPv4 and 1024 for IPv6.
    pub priority: Option<u32>,
    /// Who added it (`RTPROT_*`): 2 is the kernel. A deletion with 0 takes anybody's.
    pub protocol: u8,
    /// Unicast, blackhole, unreachable and so on.
    pub kind: RouteKind,
    /// Path MTU.
    pub mtu: Option<u32>,
    /// Advertised MSS.
    pub advmss: Option<u32>,
    /// The branches of a multipath route, in place of `gateway` and `oif`. Only listed, never sent.
    pub next_hops: Vec<NextHop>,
}

/// One branch of a multipath route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// Next hop.
    pub gateway: Option<IpAddr>,
    /// Index of the link it leaves by.
    pub oif: u32,
    /// Share of the traffic, 1 to 256.
    pub weight: u16,
    /// As [`Route::onlink`].
    pub onlink: bool,
}

/// Which routes to list. The kernel filters, so that a full table on the node costs nothing.
#[derive(Clone, Debug, Default)]
pub struct RouteFilter {
    /// IPv4 or IPv6; `None` is both.
    pub family: Option<Family>,
    /// Table; `None` is all.
    pub table: Option<u32>,
    /// Link they leave by.
    pub oif: Option<u32>,
    /// Who added them.
    pub protocol: Option<u8>,
}

/// A packet whose route is asked for.
#[derive(Clone, Debug)]
pub struct RouteLookup {
    /// Where it goes.
    pub dst: IpAddr,
    /// Its source address.
    pub source: Option<IpAddr>,
    /// Link that it has to leave by.
    pub oif: Option<u32>,
    /// Its firewall mark.
    pub mark: Option<u32>,
    /// Answer with the route itself, whose destination is a prefix, not with what becomes of the packet.
    pub as_listed: bool,
}

impl Route {
    /// A unicast route to `dst` in the main table.
    pub fn new(dst: IpNet) -> Self {
        Self {
            dst,
            table: MAIN,
            gateway: None,
            oif: None,
            source: None,
            onlink: false,
            scope: None,
            priority: None,
            protocol: BOOT,
            kind: RouteKind::Unicast,
            mtu: None,
            advmss: None,
            next_hops: Vec::new(),
        }
    }

    /// Whether it is a default route.
    pub fn is_default(&self) -> bool {
        self.dst.prefix_len() == 0
    }
}

/// As `ip route` writes it, but for the link, which is an index.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.dst)?;
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(oif) = self.oif {
            write!(f, " on link {oif}")?;
        }
        if let Some(priority) = self.priority {
            write!(f, " metric {priority}")?;
        }
        write!(f, " in table {}", self.table)
    }
}

impl RouteLookup {
    /// A packet to `dst`.
    pub fn new(dst: IpAddr) -> Self {
        Self { dst, source: None, oif: None, mark: None, as_listed: false }
    }
}

impl Rtnetlink {
    /// Adds a route; [`Error::is_exists`] if there is one with that destination, table and metric.
    pub fn add_route(&mut self, route: &Route) -> Result<(), Error> {
        self.execute(&add(route))
    }

    /// Adds a route beside those with the same destination, table and metric: an alternative in IPv4, and one more
    /// branch of a multipath route in IPv6. [`Error::is_exists`] if it is there already, next hop and all.
    pub fn append_route(&mut self, route: &Route) -> Result<(), Error> {
        self.execute(&append(route))
    }

    /// Adds an IPv4 route in front of those with the same destination, table and metric, so that it is the one that
    /// counts; in IPv6 as [`Rtnetlink::append_route`].
    pub fn prepend_route(&mut self, route: &Route) -> Result<(), Error> {
        self.execute(&prepend(route))
    }

    /// Adds a route in place of the one with that destination, table and metric, if there is one.
    pub fn replace_route(&mut self, route: &Route) -> Result<(), Error> {
        self.execute(&replace(route))
    }

    /// Deletes the first route that agrees with what `route` says; [`Error::is_gone`] if there is none.
    pub fn delete_route(&mut self, route: &Route) -> Result<(), Error> {
        self.execute(&delete(route))
    }

    /// The routes that match.
    pub fn routes(&mut self, filter: &RouteFilter) -> Result<Vec<Route>, Error> {
        let mut routes = Vec::new();
        for family in
            Family::BOTH.into_iter().filter(|family| filter.family.is_none_or(|only| only == *family))
        {
            routes.extend(self.routes_of(family, filter)?);
        }
        Ok(routes)
    }

    /// The route that a packet would take; `None` if there is none.
    pub fn route_to(&mut self, packet: &RouteLookup) -> Result<Option<Route>, Error> {
        let request = Request::new("look up route to", packet.dst, RTM_GETROUTE, 0, &encode::lookup(packet));
        match self.query(&request, decode) {
            Err(error) if matches!(error.errno(), Some(Errno::ENETUNREACH | Errno::EHOSTUNREACH)) => Ok(None),
            other => other,
        }
    }

    fn routes_of(&mut self, family: Family, filter: &RouteFilter) -> Result<Vec<Route>, Error> {
        let object = format!("{filter:?}");
        let request = Request::new("list routes", object, RTM_GETROUTE, 0, &encode::filter(family, filter));
        match self.dump(&request, decode) {
            // IPv4 says so of a table that has no route; a link that has gone has none either.
            Err(error) if error.is_gone() => Ok(Vec::new()),
            other => other,
        }
    }
}

impl Batch<'_> {
    /// See [`Rtnetlink::add_route`].
    pub fn add_route(&mut self, route: &Route) -> &mut Self {
        self.push(add(route))
    }

    /// See [`Rtnetlink::append_route`].
    pub fn append_route(&mut self, route: &Route) -> &mut Self {
        self.push(append(route))
    }

    /// See [`Rtnetlink::prepend_route`].
    pub fn prepend_route(&mut self, route: &Route) -> &mut Self {
        self.push(prepend(route))
    }

    /// See [`Rtnetlink::replace_route`].
    pub fn replace_route(&mut self, route: &Route) -> &mut Self {
        self.push(replace(route))
    }

    /// See [`Rtnetlink::delete_route`].
    pub fn delete_route(&mut self, route: &Route) -> &mut Self {
        self.push(delete(route))
    }
}

fn add(route: &Route) -> Request {
    request("add route", route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL)
}

fn append(route: &Route) -> Request {
    request("append route", route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND)
}

fn prepend(route: &Route) -> Request {
    request("prepend route", route, RTM_NEWROUTE, NLM_F_CREATE)
}

fn replace(route: &Route) -> Request {
    request("replace route", route, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE)
}

fn delete(route: &Route) -> Request {
    Request::about("delete route", route.clone(), RTM_DELROUTE, 0, &encode::deletion(route))
}

fn request(operation: &'static str, route: &Route, kind: u16, flags: u16) -> Request {
    Request::about(operation, route.clone(), kind, flags, &encode::route(route))
}

#[cfg(test)]
mod tests;
