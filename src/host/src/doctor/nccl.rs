//! What NCCL has to be told of a pod's rails.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::checks::gid_index;
use super::sight::{Netdev, Sight};
use crate::roce::Roce;

/// One rail of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rail {
    /// `net1`
    pub ifname: String,
    /// `mlx5_2`
    pub device: String,
    /// From 1.
    pub port: u32,
    /// Its address.
    pub address: IpNet,
    /// Of the RoCE v2 GID.
    #[serde(rename = "gidIndex")]
    pub gid_index: u32,
}

/// The rails that can be used, in the order of their interfaces; IPv4 where a rail has both families.
pub fn rails(sight: &Sight) -> Vec<Rail> {
    let mut rails: Vec<Rail> = sight.netdevs.iter().filter_map(|netdev| rail(sight, netdev)).collect();
    rails.sort_by(|one, other| {
        let key =
            |rail: &Rail| (rail.ifname.trim_end_matches(char::is_numeric).to_owned(), number(&rail.ifname));
        key(one).cmp(&key(other))
    });
    rails
}

/// `net2` is before `net10`.
fn number(ifname: &str) -> u64 {
    let digits = ifname.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.parse().unwrap_or(0)
}

fn rail(sight: &Sight, netdev: &Netdev) -> Option<Rail> {
    let ports = sight.devices.iter().flat_map(|device| device.ports.iter().map(move |port| (device, port)));
    let usable = |ip: IpAddr| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let mut addresses: Vec<IpNet> =
        netdev.addresses.iter().copied().filter(|net| usable(net.addr())).collect();
    addresses.sort_by_key(|net| net.addr().is_ipv6());
    for address in addresses {
        let found = ports.clone().find_map(|(device, port)| {
            let own = port.gids.iter().any(|gid| gid.netdev.as_ref() == Some(&netdev.name));
            Some((device, port, gid_index(port, address.addr()).filter(|_| own)?))
        });
        if let Some((device, port, gid_index)) = found {
            let (ifname, device) = (netdev.name.clone(), device.name.clone());
            return Some(Rail { ifname, device, port: port.number, address, gid_index });
        }
    }
    None
}

/// The lines of a `nccl.conf`. An index that is the same on all rails is named, else the addresses are, by which NCCL finds it (2.21).
pub fn settings(rails: &[Rail], roce: Option<Roce>) -> Vec<(String, String)> {
    let Some(first) = rails.first() else { return Vec::new() };
    let devices: Vec<String> = rails.iter().map(|rail| format!("{}:{}", rail.device, rail.port)).collect();
    let mut lines = vec![("NCCL_IB_HCA".to_owned(), format!("={}", devices.join(",")))];
    if rails.iter().all(|rail| rail.gid_index == first.gid_index) {
        lines.push(("NCCL_IB_GID_INDEX".to_owned(), first.gid_index.to_string()));
    } else {
        lines.push(("NCCL_IB_ROCE_VERSION_NUM".to_owned(), "2".to_owned()));
        let family = if first.address.addr().is_ipv6() { "AF_INET6" } else { "AF_INET" };
        lines.push(("NCCL_IB_ADDR_FAMILY".to_owned(), family.to_owned()));
        if let Some(range) = common(rails) {
            lines.push(("NCCL_IB_ADDR_RANGE".to_owned(), range.to_string()));
        }
    }
    if let Some(roce) = roce {
        lines.push(("NCCL_IB_TC".to_owned(), roce.tos().to_string()));
        lines.push(("NCCL_IB_SL".to_owned(), roce.priority.to_string()));
    }
    lines
}

/// The smallest prefix with all of them; `None` where they have nothing in common.
fn common(rails: &[Rail]) -> Option<IpNet> {
    let first = rails.first()?.address.trunc();
    let mut prefix = Some(first);
    while let Some(net) = prefix {
        if rails.iter().all(|rail| net.contains(&rail.address.addr())) {
            return (net.prefix_len() > 0).then_some(net);
        }
        prefix = net.supernet();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rail(number: u32, address: &str, gid_index: u32) -> Rail {
        let (ifname, device) = (format!("net{number}"), format!("mlx5_{number}"));
        Rail { ifname, device, port: 1, address: address.parse().unwrap(), gid_index }
    }

    fn lines(rails: &[Rail], roce: Option<Roce>) -> Vec<String> {
        settings(rails, roce).into_iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    #[test]
    fn one_index_on_all_rails_is_named() {
        let rails = [rail(1, "172.16.11.1/24", 3), rail(2, "172.16.12.1/24", 3)];
        let expected =
            ["NCCL_IB_HCA==mlx5_1:1,mlx5_2:1", "NCCL_IB_GID_INDEX=3", "NCCL_IB_TC=160", "NCCL_IB_SL=5"];
        assert_eq!(lines(&rails, Some(Roce::SPIDERPOOL)), expected);
    }

    #[test]
    fn where_indices_differ_the_range_of_addresses_finds_them() {
        let rails = [rail(1, "172.16.11.1/24", 3), rail(2, "172.16.12.1/24", 5)];
        let expected = [
            "NCCL_IB_HCA==mlx5_1:1,mlx5_2:1",
            "NCCL_IB_ROCE_VERSION_NUM=2",
            "NCCL_IB_ADDR_FAMILY=AF_INET",
            "NCCL_IB_ADDR_RANGE=172.16.8.0/21",
        ];
        assert_eq!(lines(&rails, None), expected);
    }

    #[test]
    fn no_rail_no_settings() {
        assert_eq!(lines(&[], Some(Roce::NVIDIA)), Vec::<String>::new());
    }
}
