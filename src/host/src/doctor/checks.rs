//! The checks, in the order in which people should look.

mod cni;
mod device;
mod gid;
mod gpudirect;
mod mtu;
mod pcie;
mod pkey;
mod qos;
mod resources;
#[cfg(test)]
mod tests;

use super::finding::Finding;
use super::sight::{Port, RdmaDevice, Sight};
use crate::roce::Roce;

pub(super) use gid::index as gid_index;

type Run = fn(&Sight, Option<Roce>) -> Vec<Finding>;

pub(super) const ALL: [Run; 13] = [
    device::ports,
    device::guids,
    device::netns_mode,
    device::chars,
    gid::of_addresses,
    gid::stale,
    mtu::chain,
    qos::priorities,
    gpudirect::peer_memory,
    pcie::links,
    pcie::neighbours,
    pkey::members,
    |sight, _| [resources::held(sight), cni::first(sight)].concat(),
];

/// Those of interest: idle VFs are not.
fn ports(sight: &Sight) -> impl Iterator<Item = (&RdmaDevice, &Port)> {
    let devices = sight.devices.iter().filter(|device| !device.is_of_no_concern(sight));
    devices.flat_map(|device| device.ports.iter().map(move |port| (device, port)))
}

/// Where a port's files are.
fn files_of(device: &RdmaDevice, port: &Port) -> String {
    format!("/sys/class/infiniband/{}/ports/{}", device.name, port.number)
}
