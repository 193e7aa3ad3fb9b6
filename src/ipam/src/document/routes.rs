use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use super::{Place, is_neighbour};
use crate::{Family, PoolError, PoolRoute};

/// As written; the guides say `to` and `via`.
#[derive(Deserialize)]
pub(super) struct RouteSpec {
    #[serde(alias = "to")]
    dst: Option<String>,
    #[serde(alias = "via")]
    gw: Option<String>,
}

/// Validates the routes of a pool.
pub(super) fn parse(
    place: &Place<'_>,
    specs: &[RouteSpec],
    subnet: &IpNet,
) -> Result<Vec<PoolRoute>, PoolError> {
    let mut routes: Vec<PoolRoute> = Vec::with_capacity(specs.len());
    for (index, spec) in specs.iter().enumerate() {
        let route = route(place, &format!("routes[{index}]"), spec, subnet)?;
        if routes.iter().any(|other| other.dst == route.dst) {
            return Err(place.error(
                format!("routes[{index}].dst"),
                &route.dst.to_string(),
                "has a route already",
            ));
        }
        routes.push(route);
    }
    Ok(routes)
}

fn route(place: &Place<'_>, field: &str, spec: &RouteSpec, subnet: &IpNet) -> Result<PoolRoute, PoolError> {
    let given = |key: &str, value: &Option<String>| match value {
        Some(value) => Ok(value.clone()),
        None => Err(place.error(format!("{field}.{key}"), "", "is missing; a route needs dst and gw")),
    };
    let (to, via) = (given("dst", &spec.dst)?, given("gw", &spec.gw)?);
    let bad_dst = |problem: &str| place.error(format!("{field}.dst"), &to, problem);
    let bad_gw = |problem: String| place.error(format!("{field}.gw"), &via, problem);
    let dst = to.parse::<IpNet>().map_err(|_| bad_dst("is no subnet; write ADDRESS/LENGTH"))?.trunc();
    if dst.prefix_len() == 0 {
        return Err(bad_dst("is the default route; the pool's gateway stands for it"));
    }
    if Family::of(dst.addr()) != Family::of(subnet.addr()) {
        return Err(bad_dst("is not of the pool's family"));
    }
    let gw = via.parse::<IpAddr>().map_err(|_| bad_gw("is not an IP address".to_owned()))?;
    if !is_neighbour(gw, subnet) {
        return Err(bad_gw(format!("is outside the subnet {subnet}, and not link-local")));
    }
    Ok(PoolRoute { dst, gw })
}
