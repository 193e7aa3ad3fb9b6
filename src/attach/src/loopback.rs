//! The pod's lo, on which IPv6 may be off: an address of its own needs it there, and with the last such address it is off again.

use std::path::PathBuf;

use crate::{Error, Pod, sysctl};

/// Whether IPv6 is off there; not where the kernel has none at all.
pub(crate) fn is_without_ipv6(pod: &Pod) -> Result<bool, Error> {
    Ok(pod.netns.run(|| sysctl::read(&path()))?.is_ok_and(|value| value == "1"))
}

/// Switches it off again, unless another interface of the pod has an address that needs it.
pub(crate) fn put_back(pod: &mut Pod) -> Result<(), Error> {
    let needs_it = |address: &netlink::Address| {
        let ip = address.net.addr();
        ip.is_ipv6() && !ip.is_loopback() && address.scope < netlink::scope::LINK
    };
    if pod.netlink.addresses(None)?.iter().any(needs_it) {
        return Ok(());
    }
    pod.netns.run(|| sysctl::write(&path(), "1"))?
}

fn path() -> PathBuf {
    sysctl::of_interface("ipv6", "lo", "disable_ipv6")
}
