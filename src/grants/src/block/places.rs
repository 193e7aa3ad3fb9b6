//! Addresses as places of a block, and places as addresses.

use std::net::IpAddr;

use ipam::{Range, RangeSet};
use ipnet::IpNet;

use crate::mask::{BLOCK, Mask};

/// The number of an address; families are never mixed, for a subnet has one.
fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u32::from(ip).into(),
        IpAddr::V6(ip) => ip.into(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a number of the family that the subnet is of")]
fn address(subnet: &IpNet, number: u128) -> IpAddr {
    match subnet {
        IpNet::V4(_) => IpAddr::V4((number as u32).into()),
        IpNet::V6(_) => IpAddr::V6(number.into()),
    }
}

/// An address's place in its subnet; none beyond what a ledger can count.
pub(crate) fn index(subnet: &IpNet, ip: IpAddr) -> Option<u64> {
    let offset = number(ip).checked_sub(number(subnet.network()))?;
    u64::try_from(offset).ok().filter(|index| *index < 1 << 62)
}

/// The part of these addresses that is in the block, as places.
pub(crate) fn places(subnet: &IpNet, first: u64, addresses: &RangeSet) -> Mask {
    let Some(within) = within(subnet, first) else { return Mask::default() };
    let mut all = Mask::default();
    for range in addresses.common(&within.into()).ranges() {
        let place = |ip| index(subnet, ip).and_then(|index| u32::try_from(index - first).ok());
        if let (Some(from), Some(until)) = (place(range.first()), place(range.last())) {
            all = all.or(Mask::range(from, until));
        }
    }
    all
}

/// The addresses of places.
pub(crate) fn addresses(subnet: &IpNet, first: u64, places: Mask) -> impl Iterator<Item = Range> + use<> {
    let base = number(subnet.network()) + u128::from(first);
    let last = number(subnet.broadcast());
    let subnet = *subnet;
    places.runs().filter_map(move |(from, until)| {
        let (from, until) = (base + u128::from(from), (base + u128::from(until)).min(last));
        Range::new(address(&subnet, from), address(&subnet, until)).ok()
    })
}

/// The address of one place; none beyond the subnet.
pub(crate) fn address_of(subnet: &IpNet, first: u64, place: u32) -> Option<IpAddr> {
    addresses(subnet, first, Mask::one(place)).next().map(|range| range.first())
}

/// The addresses that a block of the subnet covers.
fn within(subnet: &IpNet, first: u64) -> Option<Range> {
    let base = number(subnet.network()) + u128::from(first);
    let last = (base + u128::from(BLOCK) - 1).min(number(subnet.broadcast()));
    (base <= last).then(|| Range::new(address(subnet, base), address(subnet, last)).ok())?
}

/// The numbers of the blocks that hold these addresses, in order; it ends only where the addresses do.
pub(crate) fn numbers(subnet: &IpNet, addresses: &RangeSet) -> impl Iterator<Item = u64> {
    let mut next = 0;
    let spans = addresses.ranges().iter().filter_map(|range| {
        let first = index(subnet, range.first())?;
        let last = index(subnet, range.last()).unwrap_or((1 << 62) - 1);
        Some((first / u64::from(BLOCK), last / u64::from(BLOCK)))
    });
    spans.collect::<Vec<_>>().into_iter().flat_map(move |(first, last)| {
        let from = first.max(next);
        next = last + 1;
        from..=last
    })
}
