//! No VF is larger than its PF, and RoCE's largest packet fits.

use crate::doctor::finding::{Check, Finding, Level};
use crate::doctor::sight::{Netdev, Sight};
use crate::roce::Roce;

/// An InfiniBand payload of 4,096 bytes with the headers of RoCE v2.
const WHOLE_PACKET: u32 = 4200;

pub(super) fn chain(sight: &Sight, _: Option<Roce>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for device in sight.devices.iter().filter(|device| !device.is_of_no_concern(sight)) {
        if device.ports.iter().any(super::Port::is_infiniband) {
            continue;
        }
        let pf = device.pci.iter().flat_map(|pci| &pci.pf_netdevs).find_map(|name| sight.netdev(name));
        let own = device.netdevs();
        findings.extend(own.iter().filter_map(|name| sight.netdev(name)).map(|netdev| judged(netdev, pf)));
    }
    findings.dedup();
    findings
}

fn judged(netdev: &Netdev, pf: Option<&Netdev>) -> Finding {
    let found = Finding::good(Check::Mtu, &netdev.name, netdev.mtu.to_string(), "RTM_GETLINK, IFLA_MTU");
    match pf {
        Some(pf) if netdev.mtu > pf.mtu => found.bad(
            Level::Error,
            format!("at most {}, which is that of its PF {}", pf.mtu, pf.name),
            format!("ip link set {} mtu {}", pf.name, netdev.mtu),
        ),
        _ => found.unless(
            netdev.mtu >= WHOLE_PACKET,
            Level::Warning,
            format!("{WHOLE_PACKET} or more, or RoCE sends smaller packets; the switch has to have it, too"),
            format!(
                "ip link set {} mtu {WHOLE_PACKET} (for good: mtu in the file of railctl host)",
                netdev.name
            ),
        ),
    }
}
