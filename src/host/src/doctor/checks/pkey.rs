//! A port is a full member of a partition.

use super::{files_of, ports};
use crate::doctor::finding::{Check, Finding, Level};
use crate::doctor::sight::Sight;
use crate::roce::Roce;

/// Of a full member; two limited ones cannot speak with each other.
const FULL: u16 = 0x8000;

pub(super) fn members(sight: &Sight, _: Option<Roce>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (device, port) in ports(sight).filter(|(_, port)| port.is_infiniband()) {
        let keys: Vec<String> = port.pkeys.iter().map(|entry| format!("{:#06x}", entry.pkey)).collect();
        let value = if keys.is_empty() { "no partition".to_owned() } else { keys.join(", ") };
        let is_member = port.pkeys.iter().any(|entry| entry.pkey & FULL != 0);
        let found =
            Finding::good(Check::Pkey, &port.of(device), value, format!("{}/pkeys", files_of(device, port)));
        let cure = format!(
            "give the port's GUID full membership in the subnet manager's partitions.conf, `GUID=full`; GUIDs: /sys/class/infiniband/{}/ports/{}/gids/0",
            device.name, port.number
        );
        findings.push(found.unless(
            is_member,
            Level::Error,
            "a partition with bit 15, that of full members",
            cure,
        ));
    }
    findings
}
