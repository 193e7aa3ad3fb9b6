//! The addresses that one attachment asks for, and those that it does not want again.

use std::net::IpAddr;

use cni::setting::Names;
use cni::{Error, Request};
use ipam::Declined;

/// Seconds for which nobody gets an address that a host outside uses.
const QUARANTINE: u64 = 3600;

/// Who writes a network's config must not take addresses from a pool for good.
const LONGEST_QUARANTINE: u64 = 24 * 3600;

/// The addresses that the runtime, the pod's annotation or `CNI_ARGS` ask for; the first of these that does counts.
pub(crate) fn requested(request: &Request) -> Result<Vec<IpAddr>, Error> {
    let names = Names { runtime_config: "ips", args_cni: "ips", cni_args: "IP", config: "" };
    let Some(texts) = request.list_setting::<String>(names)? else { return Ok(Vec::new()) };
    let mut ips = Vec::with_capacity(texts.value.len());
    for text in &texts.value {
        let ip = address(text).ok_or_else(|| {
            Error::invalid_config(format!("{}: {text:?} is not an IP address", texts.source))
        })?;
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    Ok(ips)
}

/// Addresses of this attachment that the plugin above found to be in use elsewhere (`detection`).
pub(crate) fn declined(request: &Request) -> Result<Declined, Error> {
    let seconds = request.config.decode_at(&["ipam", "quarantine"])?.unwrap_or(QUARANTINE);
    if seconds > LONGEST_QUARANTINE {
        tracing::warn!(
            "ipam.quarantine {seconds}: taken as {LONGEST_QUARANTINE}, a day, which is the longest"
        );
    }
    let until = ipam::journal::now() + seconds.min(LONGEST_QUARANTINE);
    Ok(Declined { ips: request.env.declined.clone(), until })
}

/// With or without a prefix length, which is the pool's anyway.
fn address(text: &str) -> Option<IpAddr> {
    let ip = if text.contains('/') { cni::parse_cidr(text).ok()?.addr() } else { text.parse().ok()? };
    Some(ip.to_canonical())
}
