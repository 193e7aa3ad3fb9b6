//! Ranges of addresses, and sets of them as sorted intervals.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::number;

/// An inclusive range of one family; printed and parsed as `FIRST-LAST`, or `ADDRESS` where it holds only one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Range {
    pub(crate) first: u128,
    pub(crate) last: u128,
}

/// Why a text is not a range.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RangeError {
    /// `172.16.1.256`, a host name, a subnet, a space.
    #[error("{0:?} is not an IP address; write ADDRESS or FIRST-LAST")]
    NotAnAddress(String),
    /// The ends are of different families.
    #[error("{0} and {1} are not of the same family")]
    Families(IpAddr, IpAddr),
    /// The ends are in the wrong order.
    #[error("{1} is before {0}; write the lower address first")]
    Backwards(IpAddr, IpAddr),
}

impl Range {
    /// From the first to the last address, both included.
    pub fn new(first: IpAddr, last: IpAddr) -> Result<Self, RangeError> {
        if first.is_ipv4() != last.is_ipv4() {
            return Err(RangeError::Families(first, last));
        }
        if last < first {
            return Err(RangeError::Backwards(first, last));
        }
        Ok(Self { first: number::of(first), last: number::of(last) })
    }

    /// One address.
    pub fn one(ip: IpAddr) -> Self {
        let number = number::of(ip);
        Self { first: number, last: number }
    }

    /// Every address of a subnet, the network's own and the broadcast address included.
    pub fn subnet(subnet: &IpNet) -> Self {
        let (first, last) = number::bounds(subnet);
        Self { first, last }
    }

    /// The lowest address.
    pub fn first(&self) -> IpAddr {
        number::address(self.first)
    }

    /// The highest address.
    pub fn last(&self) -> IpAddr {
        number::address(self.last)
    }

    /// Whether the address is one of these.
    pub fn contains(&self, ip: IpAddr) -> bool {
        (self.first..=self.last).contains(&number::of(ip))
    }

    /// Whether every address of `other` is one of these.
    pub fn covers(&self, other: &Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl FromStr for Range {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let parse =
            |part: &str| part.parse::<IpAddr>().map_err(|_| RangeError::NotAnAddress(part.to_owned()));
        match text.split_once('-') {
            Some((first, last)) => Self::new(parse(first)?.to_canonical(), parse(last)?.to_canonical()),
            None => Ok(Self::one(parse(text)?)),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first());
        }
        write!(f, "{}-{}", self.first(), self.last())
    }
}

/// Addresses as sorted ranges that neither meet nor touch.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RangeSet(Vec<Range>);

impl RangeSet {
    /// No address.
    pub const EMPTY: Self = Self(Vec::new());

    /// The addresses of both.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        if other.is_empty() { self } else { self.0.into_iter().chain(other.0).collect() }
    }

    /// The ranges, lowest first.
    pub fn ranges(&self) -> &[Range] {
        &self.0
    }

    /// Whether there is no address in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many addresses there are; the whole of IPv6 counts as one less.
    pub fn len(&self) -> u128 {
        self.0.iter().fold(0, |sum, range| sum.saturating_add((range.last - range.first).saturating_add(1)))
    }

    /// Whether the address is one of these.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.find(number::of(ip)).is_some()
    }

    /// The first range that has addresses in common with `range`.
    pub fn meeting(&self, range: &Range) -> Option<&Range> {
        self.0.get(self.0.partition_point(|own| own.last < range.first)).filter(|own| own.meets(range))
    }

    /// These addresses without the others.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        let mut left = Vec::with_capacity(self.0.len());
        for range in &self.0 {
            cut(*range, &others.0, &mut left);
        }
        Self(left)
    }

    /// The addresses that are in both.
    #[must_use]
    pub fn common(&self, others: &Self) -> Self {
        let met = |own: &Range| {
            let own = *own;
            let from = others.0.partition_point(|other| other.last < own.first);
            let meeting = others.0[from..].iter().take_while(move |other| other.first <= own.last);
            meeting
                .map(move |other| Range { first: own.first.max(other.first), last: own.last.min(other.last) })
        };
        Self(self.0.iter().flat_map(met).collect())
    }

    fn find(&self, number: u128) -> Option<&Range> {
        self.0.get(self.0.partition_point(|range| range.last < number)).filter(|range| range.first <= number)
    }
}

/// What `holes`, sorted, leave of `range`.
fn cut(range: Range, holes: &[Range], left: &mut Vec<Range>) {
    let mut first = range.first;
    let from = holes.partition_point(|hole| hole.last < range.first);
    for hole in holes[from..].iter().take_while(|hole| hole.first <= range.last) {
        if first < hole.first {
            left.push(Range { first, last: hole.first - 1 });
        }
        match hole.last.checked_add(1) {
            Some(next) if next <= range.last => first = next,
            _ => return,
        }
    }
    left.push(Range { first, last: range.last });
}

impl FromIterator<Range> for RangeSet {
    fn from_iter<I: IntoIterator<Item = Range>>(ranges: I) -> Self {
        let mut sorted = ranges.into_iter().collect::<Vec<_>>();
        sorted.sort_unstable();
        let mut merged: Vec<Range> = Vec::with_capacity(sorted.len());
        for range in sorted {
            match merged.last_mut() {
                Some(last) if range.first <= last.last.saturating_add(1) => {
                    last.last = last.last.max(range.last);
                }
                _ => merged.push(range),
            }
        }
        Self(merged)
    }
}

impl From<Range> for RangeSet {
    fn from(range: Range) -> Self {
        Self(vec![range])
    }
}

#[cfg(test)]
mod tests;
