//! What the kernel's refusal of an address, a link or a route says of the network's config.

use attach::Error;
use cni::CniResult;
use netlink::{Link, Route};

use crate::{Failure, routes};

/// One request of a batch.
enum Request {
    Address { is_ipv6: bool },
    Up,
    Route(Route),
}

/// The requests for a link, as they are pushed.
fn requests(link: &Link, result: &CniResult) -> impl Iterator<Item = Request> {
    let addresses = result.ips.iter().map(|ip| Request::Address { is_ipv6: ip.address.addr().is_ipv6() });
    let routes = routes(link, result).into_iter().map(Request::Route);
    addresses.collect::<Vec<_>>().into_iter().chain([Request::Up]).chain(routes)
}

/// The first that matters.
pub(crate) fn first(
    outcomes: Vec<Result<(), netlink::Error>>,
    links: &[(&Link, &CniResult)],
) -> Result<(), Error> {
    let requests = links
        .iter()
        .flat_map(|(link, result)| requests(link, result).map(move |request| (*link, *result, request)));
    for (outcome, (link, result, request)) in outcomes.into_iter().zip(requests) {
        match outcome {
            Err(error) if request.may_exist() && error.is_exists() => (),
            outcome => outcome.map_err(|error| explained(error, link, result, &request))?,
        }
    }
    Ok(())
}

impl Request {
    /// A route that is there already, next hop and all, is what was wanted, and so is an IPv6 address, which the detection of
    /// conflicts has added.
    fn may_exist(&self) -> bool {
        matches!(self, Self::Address { is_ipv6: true } | Self::Route(_))
    }
}

fn explained(source: netlink::Error, link: &Link, result: &CniResult, request: &Request) -> Error {
    let ifname = link.name.clone();
    match request {
        Request::Up if source.is_address_in_use() => {
            let mac = link.address.map(|mac| mac.to_string()).unwrap_or_default();
            Failure::MacTaken { mac, ifname, source }.into()
        }
        Request::Route(route) if source.is_unreachable() => {
            let addresses: Vec<_> = result.ips.iter().map(|ip| ip.address.to_string()).collect();
            let gateway = route.gateway.map(|gateway| gateway.to_string()).unwrap_or_default();
            let (dst, addresses) = (route.dst.to_string(), addresses.join(", "));
            Failure::Unreachable { dst, gateway, ifname, addresses, source }.into()
        }
        _ => source.into(),
    }
}
