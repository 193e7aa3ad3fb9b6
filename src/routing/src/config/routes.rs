use std::net::IpAddr;

use ipnet::IpNet;

use super::keys::{Keys, Written};
use super::{PolicyRoute, refuse};

/// What leaves by the node: hijacked, overlay and service CIDRs, each once.
pub(super) fn detours(keys: &Keys) -> Result<Vec<IpNet>, cni::Error> {
    let lists = [
        ("hijackCIDR", &keys.hijack_cidr),
        ("overlayPodCIDR", &keys.overlay_pod_cidr),
        ("serviceCIDR", &keys.service_cidr),
    ];
    let mut detours = Vec::new();
    for (key, list) in lists {
        for (i, text) in list.iter().flatten().enumerate() {
            detours.push(detour(&format!("{key}[{i}]"), text)?);
        }
    }
    detours.sort_unstable();
    detours.dedup();
    Ok(detours)
}

fn detour(key: &str, text: &str) -> Result<IpNet, cni::Error> {
    match network(key, text)? {
        net if net.prefix_len() == 0 => {
            Err(refuse(key, text, "for a default route there is podDefaultRouteNic"))
        }
        net => Ok(net),
    }
}

/// Routes of the NIC itself, one gateway per destination.
pub(super) fn policy_routes(keys: &Keys) -> Result<Vec<PolicyRoute>, cni::Error> {
    let mut routes: Vec<PolicyRoute> = Vec::new();
    for (i, written) in keys.policy_routes.iter().flatten().enumerate() {
        let route = policy_route(&format!("policyRoutes[{i}]"), written)?;
        match routes.iter().find(|other| other.dst == route.dst) {
            None => routes.push(route),
            Some(other) if *other == route => (),
            Some(other) => {
                let dst = route.dst.to_string();
                let first = format!("an earlier entry sends it to {}: one gateway per destination", other.gw);
                return Err(refuse(&format!("policyRoutes[{i}].dst"), &dst, &first));
            }
        }
    }
    Ok(routes)
}

fn policy_route(key: &str, written: &Written) -> Result<PolicyRoute, cni::Error> {
    let missing =
        |part| cni::Error::invalid_config(format!("{key}.{part} is missing: a policy route is {{dst, gw}}"));
    let dst_text = written.dst.as_deref().ok_or_else(|| missing("dst"))?;
    let gw_text = written.gw.as_deref().ok_or_else(|| missing("gw"))?;
    let dst = network(&format!("{key}.dst"), dst_text)?;
    let gw: IpAddr =
        gw_text.parse().map_err(|_| refuse(&format!("{key}.gw"), gw_text, "expected an IP address"))?;
    if dst.addr().is_ipv4() != gw.is_ipv4() {
        return Err(refuse(
            &format!("{key}.gw"),
            gw_text,
            &format!("expected an address of the family of dst {dst}"),
        ));
    }
    Ok(PolicyRoute { dst, gw })
}

fn network(key: &str, text: &str) -> Result<IpNet, cni::Error> {
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map(|net| net.trunc())
        .map_err(|_| refuse(key, text, "expected a CIDR such as 10.96.0.0/12, or an IP address"))
}
