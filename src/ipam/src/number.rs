//! Addresses of both families as numbers in one space: IPv4 is where the v4-mapped addresses of IPv6 are (RFC 4291, 2.5.5.2).

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

/// Order within a family is kept, and the families do not meet.
pub(crate) fn of(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_ipv6_mapped()),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

/// The address that has this number.
pub(crate) fn address(number: u128) -> IpAddr {
    Ipv6Addr::from(number).to_canonical()
}

/// The first and the last address of a subnet.
pub(crate) fn bounds(subnet: &IpNet) -> (u128, u128) {
    (of(subnet.network()), of(subnet.broadcast()))
}
