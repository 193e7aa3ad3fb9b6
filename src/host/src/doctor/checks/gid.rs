//! Each address of a rail has its entry in the GID table, and no entry has outlived its address.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{files_of, ports};
use crate::doctor::finding::{Check, Finding, Level};
use crate::doctor::sight::{Gid, Netdev, Port, RdmaDevice, Sight};
use crate::roce::Roce;

pub(super) fn of_addresses(sight: &Sight, _: Option<Roce>) -> Vec<Finding> {
    let over_ethernet = ports(sight).filter(|(_, port)| !port.is_infiniband());
    over_ethernet.flat_map(|(device, port)| of_port(sight, device, port)).collect()
}

fn of_port(sight: &Sight, device: &RdmaDevice, port: &Port) -> Vec<Finding> {
    let mut findings = Vec::new();
    for netdev in device.netdevs().iter().filter_map(|name| sight.netdev(name)) {
        for address in addresses(netdev) {
            findings.push(of_address(device, port, netdev, address));
        }
    }
    findings
}

/// Those that connections are made to.
fn addresses(netdev: &Netdev) -> impl Iterator<Item = IpAddr> {
    let is_local = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    netdev.addresses.iter().map(IpNet::addr).filter(move |ip| !is_local(ip))
}

fn of_address(device: &RdmaDevice, port: &Port, netdev: &Netdev, address: IpAddr) -> Finding {
    let subject = format!("{} {} {address}", port.of(device), netdev.name);
    let source = format!("{}/{{gids,gid_attrs}}", files_of(device, port));
    match index(port, address) {
        Some(index) => Finding::good(Check::Gid, &subject, format!("RoCE v2 GID index {index}"), source),
        None => Finding::good(Check::Gid, &subject, "no RoCE v2 GID", source).bad(
            Level::Error,
            format!("an entry for {address} of type RoCE v2"),
            format!("ip link set {0} down && ip link set {0} up: the kernel makes the entries of an interface that comes up", netdev.name),
        ),
    }
}

/// Where `ib_write_bw -x` and `NCCL_IB_GID_INDEX` find an address.
pub(in crate::doctor) fn index(port: &Port, address: IpAddr) -> Option<u32> {
    port.gids.iter().find(|gid| gid.is_v2() && gid.address() == Some(address)).map(|gid| gid.index)
}

/// NCCL takes the first that fits: one of an address that is gone leads nowhere.
pub(super) fn stale(sight: &Sight, _: Option<Roce>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (device, port) in ports(sight).filter(|(_, port)| !port.is_infiniband()) {
        for gid in port.gids.iter().filter(|gid| gid.is_v2()) {
            findings.extend(stale_entry(sight, device, port, gid));
        }
    }
    findings
}

fn stale_entry(sight: &Sight, device: &RdmaDevice, port: &Port, gid: &Gid) -> Option<Finding> {
    let (address, netdev) = (gid.address()?, sight.netdev(gid.netdev.as_ref()?)?);
    if netdev.addresses.iter().any(|net| net.addr() == address) {
        return None;
    }
    let source = format!("{}/gids/{}", files_of(device, port), gid.index);
    let found = Finding::good(
        Check::Gid,
        &format!("{} {}", port.of(device), netdev.name),
        format!("index {} is {address}", gid.index),
        source,
    );
    Some(found.bad(
        Level::Warning,
        format!("no entry for what is no address of {}", netdev.name),
        format!("ip link set {0} down && ip link set {0} up", netdev.name),
    ))
}
