//! A node's share of a pool, read from the strings of its spec.

use std::collections::BTreeMap;
use std::net::IpAddr;

use api::NodePool;
use ipam::{Range, RangeSet};
use ipnet::IpNet;

use crate::block::ranges_of;
use crate::pins::{pins_of, wishes_of};
use crate::world::union;

/// A pool, read from its strings.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    pub(super) ranges: RangeSet,
    pub(super) drain: RangeSet,
    pub(super) returned: RangeSet,
    pub(super) subnet: Option<IpNet>,
    pub(super) give: u64,
    /// Who is to have which address again; none where nobody keeps that over nodes.
    pub(super) pins: Option<BTreeMap<IpAddr, String>>,
    /// Answers to owners that wait here.
    pub(super) answers: BTreeMap<String, String>,
}

impl Own {
    /// What the plugins may hand out.
    pub(super) fn usable(&self) -> RangeSet {
        self.ranges.without(&self.returned)
    }

    /// What the node has: all that it has not given up, and what its pods have. `told` is the subnet by the spec: a life without a
    /// memory knows of a pool no more than what it once gave up.
    pub(super) fn held(&self, told: Option<IpNet>, leased: &RangeSet) -> RangeSet {
        let subnet =
            self.subnet.or(told).map(|subnet| RangeSet::from(Range::subnet(&subnet))).unwrap_or_default();
        union(&union(&self.ranges, &self.drain).without(&self.returned), &leased.common(&subnet))
    }
}

/// The pools of a spec, without what has been given up of them.
pub(super) fn own(pools: &[NodePool], returned: &BTreeMap<String, String>) -> BTreeMap<String, Own> {
    let read = |text: &str| ranges_of(text).unwrap_or_default();
    let own = |pool: &NodePool| Own {
        ranges: read(&pool.ranges),
        drain: read(&pool.drain),
        returned: returned.get(&pool.name).map(|text| read(text)).unwrap_or_default(),
        subnet: pool.subnet.parse().ok(),
        give: u64::try_from(pool.give).unwrap_or(0),
        pins: pool.pins.as_deref().map(pins_of),
        answers: wishes_of(&pool.owners),
    };
    pools.iter().map(|pool| (pool.name.clone(), own(pool))).collect()
}

/// The last so many addresses: the plugins hand out the first.
pub(super) fn last(free: &RangeSet, mut count: u64) -> RangeSet {
    let mut chosen = Vec::new();
    for range in free.ranges().iter().rev() {
        if count == 0 {
            break;
        }
        let size = self::count(&RangeSet::from(*range));
        let part = if size <= count { *range } else { upper(range, count) };
        count -= size.min(count);
        chosen.push(part);
    }
    chosen.into_iter().collect()
}

/// The upper end of a range that is longer.
fn upper(range: &Range, count: u64) -> Range {
    let first = match range.last() {
        std::net::IpAddr::V4(last) => {
            std::net::IpAddr::V4((u32::from(last) - u32::try_from(count - 1).unwrap_or(0)).into())
        }
        std::net::IpAddr::V6(last) => std::net::IpAddr::V6((u128::from(last) - u128::from(count - 1)).into()),
    };
    Range::new(first, range.last()).unwrap_or(*range)
}

pub(super) fn count(ranges: &RangeSet) -> u64 {
    u64::try_from(ranges.len()).unwrap_or(u64::MAX)
}

pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
