use cni::{CniResult, Dns, Error, IpConfig, Route};
use ipam::{Family, Grant};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use state::file;

use crate::conf::Conf;
use crate::resolv;

/// The result of an ADD but for its name service.
pub(crate) fn result(conf: &Conf, grants: &[Grant<'_>], default_route: bool) -> CniResult {
    let address = |grant: &Grant<'_>| IpConfig {
        address: grant.pool.with_prefix(grant.ip),
        gateway: grant.pool.gateway,
        interface: None,
    };
    let mut routes = conf.routes.clone();
    for grant in grants {
        let default = grant.pool.gateway.filter(|_| default_route && !conf.clean_gateway);
        let default = default.map(|gateway| Route::new(everything(grant.pool.family()), Some(gateway)));
        let others = grant.pool.routes.iter().map(|route| Route::new(route.dst, Some(route.gw)));
        for route in default.into_iter().chain(others) {
            if !routes.iter().any(|own| own.dst == route.dst) {
                routes.push(route);
            }
        }
    }
    CniResult { ips: grants.iter().map(address).collect(), routes, ..CniResult::default() }
}

/// The name service of the config's `resolvConf`.
pub(crate) fn dns(conf: &Conf) -> Result<Dns, Error> {
    let Some(path) = &conf.resolver else { return Ok(Dns::default()) };
    let shown = path.display().to_string();
    let of = |problem: &str| Error::invalid_config(format!("ipam.resolvConf {shown:?}: {problem}"));
    let text = file::read_text(path).map_err(|error| of(&error.to_string()))?;
    Ok(resolv::parse(&text.ok_or_else(|| of("there is no such file"))?))
}

fn everything(family: Family) -> IpNet {
    match family {
        Family::V4 => Ipv4Net::default().into(),
        Family::V6 => Ipv6Net::default().into(),
    }
}
