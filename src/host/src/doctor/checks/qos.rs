//! Lossless traffic: priorities that pause, alike on every rail, and as somebody has said.

use netlink::Dcb;

use crate::doctor::finding::{Check, Finding, Level};
use crate::doctor::sight::{Netdev, Sight, Whose};
use crate::roce::Roce;

/// PFC and trust are the PF's: a VF has what its PF has.
pub(super) fn priorities(sight: &Sight, roce: Option<Roce>) -> Vec<Finding> {
    if sight.whose == Whose::Pod {
        return Vec::new();
    }
    let mut rails: Vec<&Netdev> = Vec::new();
    for device in
        sight.devices.iter().filter(|device| device.pci.as_ref().is_some_and(|pci| pci.pf.is_none()))
    {
        if device.ports.iter().all(|port| !port.is_infiniband()) {
            rails
                .extend(device.pci.iter().flat_map(|pci| &pci.netdevs).filter_map(|name| sight.netdev(name)));
        }
    }
    let first = rails.iter().find_map(|netdev| netdev.dcb.as_ref());
    rails.iter().map(|netdev| judged(netdev, first, roce)).collect()
}

fn judged(netdev: &Netdev, first: Option<&Dcb>, roce: Option<Roce>) -> Finding {
    let found = |value: String| Finding::good(Check::Qos, &netdev.name, value, "RTM_GETDCB, DCB_ATTR_IEEE");
    let Some(dcb) = &netdev.dcb else {
        return found("the driver has no DCB".to_owned()).unless(
            roce.is_none(),
            Level::Error,
            "priority flow control, as the host file has it",
            format!("leave roce out for {}, or load a driver that has it", netdev.name),
        );
    };
    let found = found(described(dcb));
    let cure = "railctl host apply FILE, with roce: {preset: spiderpool} or {preset: nvidia}: what the switches have";
    match (roce, first) {
        (Some(roce), _) => found.unless(agrees(dcb, roce), Level::Error, of(roce), cure),
        (None, Some(first)) if !alike(dcb, first) => {
            found.bad(Level::Error, format!("as the first rail has it: {}", described(first)), cure)
        }
        _ => found.unless(
            enabled(dcb) != 0,
            Level::Warning,
            "a priority that pauses, or RoCE loses packets when it is crowded",
            cure,
        ),
    }
}

fn enabled(dcb: &Dcb) -> u8 {
    dcb.pfc.map_or(0, |pfc| pfc.enabled)
}

fn alike(one: &Dcb, other: &Dcb) -> bool {
    enabled(one) == enabled(other) && one.dscp == other.dscp
}

fn agrees(dcb: &Dcb, roce: Roce) -> bool {
    let maps = |dscp, priority| dcb.dscp.iter().any(|entry| (entry.dscp, entry.priority) == (dscp, priority));
    enabled(dcb) == 1 << roce.priority
        && maps(roce.dscp, roce.priority)
        && maps(roce.cnp_dscp, roce.cnp_priority)
}

fn of(roce: Roce) -> String {
    format!(
        "PFC on {}; DSCP {} is priority {}, {} is {}",
        roce.priority, roce.dscp, roce.priority, roce.cnp_dscp, roce.cnp_priority
    )
}

fn described(dcb: &Dcb) -> String {
    let priorities: Vec<String> =
        (0..8).filter(|bit| enabled(dcb) & 1 << bit != 0).map(|bit: u8| bit.to_string()).collect();
    let pfc = if priorities.is_empty() {
        "PFC on none".to_owned()
    } else {
        format!("PFC on {}", priorities.join(", "))
    };
    let map: Vec<String> =
        dcb.dscp.iter().map(|entry| format!("DSCP {} is priority {}", entry.dscp, entry.priority)).collect();
    if map.is_empty() { format!("{pfc}; no DSCP map") } else { format!("{pfc}; {}", map.join(", ")) }
}
