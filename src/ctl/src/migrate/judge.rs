//! From objects and pods to what stands in the way of each pool. Nothing is asked here.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use api::{RailBlock, SpiderIPPool, SpiderReservedIP, WhereaboutsPool, WhereaboutsReservation};
use grants::{Block, Taken, World};
use ipam::RangeSet;
use serde::Serialize;
use serde_json::Value;

/// What a cluster has.
pub(super) struct Objects {
    pub(super) pools: Vec<SpiderIPPool>,
    pub(super) reserved: Vec<SpiderReservedIP>,
    pub(super) blocks: Vec<RailBlock>,
    pub(super) ranges: Vec<WhereaboutsPool>,
    pub(super) reservations: Vec<WhereaboutsReservation>,
}

/// Names and uids of all pods.
pub(super) struct Pods {
    names: BTreeSet<String>,
    uids: BTreeSet<String>,
}

/// A pool, and who has what of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verdict {
    pub(super) pool: String,
    pub(super) subnet: String,
    /// That it could offer if nobody had any.
    pub(super) addresses: u64,
    pub(super) taken: Vec<Holder>,
    /// That nodes have by raild.
    pub(super) granted: u64,
    /// That raild can grant now.
    pub(super) free: u64,
    /// Why nothing is granted of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
}

/// Somebody else's pod.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Holder {
    /// Or the first and the last, where the record cannot be read closer.
    pub(super) address: String,
    #[serde(skip)]
    pub(super) addresses: u64,
    pub(super) by: &'static str,
    pub(super) pod: String,
    pub(super) interface: String,
    pub(super) gone: bool,
}

impl Objects {
    fn of_whereabouts(&self) -> (Vec<Taken>, Vec<String>) {
        grants::of_whereabouts(&self.ranges, &self.reservations)
    }

    /// What nobody can tell the addresses of.
    pub(super) fn unreadable(&self) -> Vec<String> {
        self.of_whereabouts().1
    }
}

impl Pods {
    /// Lines of namespace, name and uid.
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let (names, uids) = lines
            .filter_map(|words| match words[..] {
                [namespace, name, uid] => Some((format!("{namespace}/{name}"), uid.to_owned())),
                _ => None,
            })
            .unzip();
        Self { names, uids }
    }

    /// A uid counts more than a name, which another pod may have by now. Without either nobody can say that it is gone.
    fn has(&self, taken: &Taken) -> bool {
        match &taken.uid {
            Some(uid) => self.uids.contains(uid),
            None => taken.pod.is_empty() || self.names.contains(&taken.pod),
        }
    }
}

impl Verdict {
    pub(super) fn gone(&self) -> impl Iterator<Item = &Holder> {
        self.taken.iter().filter(|taken| taken.gone)
    }
}

/// A line for each pool, in their order.
pub(super) fn judge(objects: &Objects, pods: &Pods) -> Vec<Verdict> {
    let (of_whereabouts, _) = objects.of_whereabouts();
    let alone =
        objects.pools.iter().map(|pool| SpiderIPPool { status: None, ..pool.clone() }).collect::<Vec<_>>();
    let (whole, _) = grants::offers(&alone, &objects.reserved);
    let reserved =
        objects.reserved.iter().cloned().chain([grants::reserve(&of_whereabouts)]).collect::<Vec<_>>();
    let (offers, refused) = grants::offers(&objects.pools, &reserved);
    let blocks = objects.blocks.iter().filter_map(|block| Block::read(&block.spec).ok());
    let world = World {
        blocks: blocks.map(|block| (block.name(), block)).collect(),
        pools: offers,
        ..World::default()
    };
    let verdict = |pool: &SpiderIPPool| {
        let name = &pool.metadata.name;
        let offered = whole.get(name).map(|offer| offer.offered.clone()).unwrap_or_default();
        let figures = world.pools.get(name).map(|offer| world.figures(name, offer)).unwrap_or_default();
        let own = grants::of_spiderpool(pool).unwrap_or_default();
        let taken = own.iter().chain(&of_whereabouts).filter_map(|taken| holder(taken, &offered, pods));
        Verdict {
            pool: name.clone(),
            subnet: pool.spec.subnet.clone(),
            addresses: count(&offered),
            taken: taken.collect(),
            granted: u64::try_from(figures.granted).unwrap_or(0),
            free: u64::try_from(figures.free).unwrap_or(0),
            problem: refused.iter().find(|(refused, _)| refused == name).map(|(_, why)| why.clone()),
        }
    };
    objects.pools.iter().map(verdict).collect()
}

/// Nothing where it takes no address of the pool.
fn holder(taken: &Taken, offered: &RangeSet, pods: &Pods) -> Option<Holder> {
    let common = offered.common(&RangeSet::from(taken.range));
    (!common.is_empty()).then(|| Holder {
        address: taken.range.to_string(),
        addresses: count(&common),
        by: taken.by.name(),
        pod: taken.pod.clone(),
        interface: taken.interface.clone(),
        gone: !pods.has(taken),
    })
}

fn count(ranges: &RangeSet) -> u64 {
    u64::try_from(ranges.len()).unwrap_or(u64::MAX)
}

/// Spiderpool's record without some addresses.
pub(super) fn without(record: &str, addresses: &BTreeSet<&str>) -> Result<String> {
    let read = serde_json::from_str::<BTreeMap<String, Value>>(record);
    let mut record = read.context("status.allocatedIPs cannot be read")?;
    // As addresses, not as texts: fd00::1 has many.
    record.retain(|address, _| {
        address.parse::<std::net::IpAddr>().map_or(true, |ip| !addresses.contains(ip.to_string().as_str()))
    });
    Ok(serde_json::to_string(&record)?)
}
