//! What values have to do with each other.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use state::name;

use crate::Error;
use crate::settings::{Nic, Settings};

const MTUS: RangeInclusive<u32> = 68..=65_520;
/// More than any node has.
const MOST_NICS: usize = 64;
const MOST_VFS: u32 = 4096;
/// `RT_TABLE_UNSPEC`, `RT_TABLE_COMPAT`, and those of the kernel.
const RESERVED: [u32; 5] = [0, 252, 253, 254, 255];

pub(super) fn nic(field: &str, nic: &Nic) -> Result<(), Error> {
    let wrong = |key: &str, value: &dyn ToString, problem: &str| {
        Err(Error::setting(format!("{field}.{key}"), Some(&value.to_string()), problem))
    };
    if let Err(error) = name::ifname(&nic.name) {
        return wrong("name", &nic.name, &error.to_string());
    }
    if let Some(mtu) = nic.mtu.filter(|mtu| !MTUS.contains(mtu)) {
        return wrong("mtu", &mtu, "68 to 65520 is allowed; 4200 holds RoCE's largest packet");
    }
    if let Some(vfs) = nic.vfs.filter(|vfs| *vfs > MOST_VFS) {
        return wrong("vfs", &vfs, "0 to 4096 is allowed");
    }
    if let Some(table) = nic.table.filter(|table| RESERVED.contains(table)) {
        return wrong("table", &table, "is the kernel's own: choose another, such as 152");
    }
    for (at, address) in nic.addresses.iter().enumerate() {
        if nic.addresses[..at].iter().any(|earlier| earlier.addr() == address.addr()) {
            return wrong("addresses", address, "is there twice");
        }
        if let Some(problem) = unusable(address) {
            return wrong("addresses", address, problem);
        }
    }
    if let Some((gateway, problem)) = wrong_gateway(nic) {
        return wrong("gateways", &gateway, problem);
    }
    if nic.table.is_some() && nic.gateways.is_empty() {
        let problem = "needs a gateway, to which the NIC's own table leads";
        return Err(Error::setting(format!("{field}.policyRouting"), Some("true"), problem));
    }
    Ok(())
}

fn wrong_gateway(nic: &Nic) -> Option<(IpAddr, &'static str)> {
    let problem = |gateway: &IpAddr| {
        if !nic.addresses.iter().any(|address| address.contains(gateway)) {
            return Some("is in the subnet of none of the NIC's addresses");
        }
        if nic.addresses.iter().any(|address| address.addr() == *gateway) {
            return Some("is an address of the NIC itself");
        }
        let is_second = nic.gateway(gateway.is_ipv6()) != Some(*gateway);
        is_second.then_some("is the second of its family: one is allowed")
    };
    nic.gateways.iter().find_map(|gateway| Some((*gateway, problem(gateway)?)))
}

fn unusable(address: &IpNet) -> Option<&'static str> {
    let ip = address.addr();
    let is_network = ip == address.network() && address.prefix_len() + 1 < address.max_prefix_len();
    let is_broadcast = ip.is_ipv4() && ip == address.broadcast() && address.prefix_len() < 31;
    match ip {
        ip if ip.is_unspecified() || ip.is_multicast() || ip.is_loopback() => Some("is no address of a NIC"),
        IpAddr::V6(ip) if ip.is_unicast_link_local() => {
            Some("is link-local, which the kernel gives by itself")
        }
        _ if address.prefix_len() == 0 => Some("has no subnet: give the length of its prefix"),
        _ if is_network => Some("is the subnet itself: give an address in it"),
        _ if is_broadcast => Some("is the broadcast address of its subnet"),
        _ => None,
    }
}

pub(super) fn whole(settings: &Settings) -> Result<(), Error> {
    if settings.nics.len() > MOST_NICS {
        let problem = format!("holds {}: {MOST_NICS} are allowed", settings.nics.len());
        return Err(Error::setting("nics", None, problem));
    }
    apart(settings)?;
    subnets(settings)?;
    for (at, nic) in settings.nics.iter().enumerate().filter(|(_, nic)| nic.rdma_route) {
        let leads = |subnet: &IpNet| nic.gateway(subnet.addr().is_ipv6()).is_some();
        if !settings.rdma_subnets.iter().any(leads) {
            let problem = "needs rdmaSubnets, and a gateway of the same family on the NIC";
            return Err(Error::setting(format!("nics[{at}].rdmaRoute"), Some("true"), problem));
        }
    }
    Ok(())
}

/// No two NICs have the same name, address, table or RDMA subnet's route.
fn apart(settings: &Settings) -> Result<(), Error> {
    for (at, nic) in settings.nics.iter().enumerate() {
        for earlier in &settings.nics[..at] {
            let twice = |key: &str, value: String| {
                let problem = format!("{} has the same", earlier.name);
                Err(Error::setting(format!("nics[{at}].{key}"), Some(&value), problem))
            };
            if let (Some(pci), true) = (nic.pci, nic.pci == earlier.pci) {
                return twice("pci", pci.to_string());
            }
            if nic.name == earlier.name {
                return twice("name", nic.name.clone());
            }
            let same = |own: &&IpNet| earlier.addresses.iter().any(|other| other.addr() == own.addr());
            if let Some(address) = nic.addresses.iter().find(same) {
                return twice("addresses", address.to_string());
            }
            if let (Some(table), true) = (nic.table, nic.table == earlier.table) {
                return twice("table", table.to_string());
            }
            if nic.rdma_route && earlier.rdma_route {
                return twice("rdmaRoute", "true".to_owned());
            }
        }
    }
    Ok(())
}

fn subnets(settings: &Settings) -> Result<(), Error> {
    for (at, subnet) in settings.rdma_subnets.iter().enumerate() {
        let wrong = |problem: String| {
            Err(Error::setting(format!("rdmaSubnets[{at}]"), Some(&subnet.to_string()), problem))
        };
        if subnet.addr() != subnet.network() || subnet.prefix_len() == 0 {
            return wrong(format!(
                "a subnet is wanted, such as {}",
                if subnet.prefix_len() == 0 {
                    "172.16.0.0/16".to_owned()
                } else {
                    subnet.trunc().to_string()
                }
            ));
        }
        if settings.rdma_subnets[..at].iter().any(|other| other.addr().is_ipv6() == subnet.addr().is_ipv6()) {
            // What is not for the first would leave by main, that for the second with it.
            return wrong("is the second of its family: give one that holds both".to_owned());
        }
    }
    Ok(())
}
