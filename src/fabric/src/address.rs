//! Arithmetic on addresses of either family, as numbers of 128 bits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The address as a number.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// The address of this number in the family of `like`; `None` past the last one.
pub(crate) fn address(like: IpAddr, number: u128) -> Option<IpAddr> {
    match like {
        IpAddr::V4(_) => u32::try_from(number).ok().map(|number| Ipv4Addr::from(number).into()),
        IpAddr::V6(_) => Some(Ipv6Addr::from(number).into()),
    }
}

/// A network by its first address, which must be one.
pub(crate) fn network(first: IpAddr, length: u8) -> Option<IpNet> {
    match first {
        IpAddr::V4(first) => Ipv4Net::new(first, length).ok().map(IpNet::from),
        IpAddr::V6(first) => Ipv6Net::new(first, length).ok().map(IpNet::from),
    }
}

/// The `index`-th network of this length after the beginning of `net`, counted from 0, inside of it or not.
pub(crate) fn nth(net: &IpNet, length: u8, index: u128) -> Option<IpNet> {
    let step = 1u128.checked_shl(u32::from(net.max_prefix_len().checked_sub(length)?))?;
    let first = number(net.network()).checked_add(index.checked_mul(step)?)?;
    network(address(net.network(), first)?, length)
}

/// The first and the last address that a host can have: without the network's own and the broadcast of IPv4, without the
/// subnet-router anycast of IPv6 (RFC 4291, 2.6.1).
pub(crate) fn hosts(net: &IpNet) -> (u128, u128) {
    let (first, last) = (number(net.network()), number(net.broadcast()));
    match net {
        IpNet::V4(net) if net.prefix_len() < 31 => (first + 1, last - 1),
        IpNet::V6(net) if net.prefix_len() < 127 => (first + 1, last),
        _ => (first, last),
    }
}

/// The host at this place: 1 the first, -1 the last.
pub(crate) fn host(net: &IpNet, place: i64) -> Option<IpAddr> {
    let (first, last) = hosts(net);
    let found = match u128::try_from(place) {
        Ok(0) => return None,
        Ok(place) => first.checked_add(place - 1)?,
        Err(_) => last.checked_sub(u128::from(place.unsigned_abs()) - 1)?,
    };
    (first..=last).contains(&found).then(|| address(net.network(), found)).flatten()
}

/// The address as far behind the beginning of `to` as it is behind that of `from`; `None` outside of `to`.
pub(crate) fn moved(of: IpAddr, from: &IpNet, to: &IpNet) -> Option<IpAddr> {
    let offset = number(of).checked_sub(number(from.network()))?;
    let moved = address(to.network(), number(to.network()).checked_add(offset)?)?;
    to.contains(&moved).then_some(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a network")
    }

    #[test]
    fn places_count_from_either_end() {
        for (subnet, place, expected) in [
            ("172.16.1.0/27", 1, Some("172.16.1.1")),
            ("172.16.1.0/27", -1, Some("172.16.1.30")),
            ("172.16.1.0/27", 30, Some("172.16.1.30")),
            ("172.16.1.0/27", 31, None),
            ("172.16.1.0/27", 0, None),
            ("172.16.1.0/27", i64::MIN, None),
            ("fd00:1::/64", 1, Some("fd00:1::1")),
            ("fd00:1::/64", -1, Some("fd00:1::ffff:ffff:ffff:ffff")),
            ("10.0.0.0/31", 1, Some("10.0.0.0")),
        ] {
            let expected = expected.map(|text: &str| text.parse::<IpAddr>().expect("an address"));
            assert_eq!(host(&net(subnet), place), expected, "{subnet} {place}");
        }
    }

    #[test]
    fn networks_follow_each_other_to_the_end_of_the_family() {
        assert_eq!(nth(&net("172.16.1.0/24"), 27, 7), Some(net("172.16.1.224/27")));
        assert_eq!(nth(&net("172.16.1.0/24"), 24, 1), Some(net("172.16.2.0/24")));
        assert_eq!(nth(&net("255.255.255.0/24"), 24, 1), None);
        assert_eq!(nth(&net("fd00::/16"), 64, 1 << 48), Some(net("fd01::/64")));
    }
}
