//! Addresses that pods have from another IPAM, Spiderpool or whereabouts: they keep them, whoever serves the pool now. The other's
//! own record says so, for as long as it does; nothing here judges a pod.

use std::collections::BTreeMap;
use std::net::IpAddr;

use api::{
    Metadata, SpiderIPPool, SpiderReservedIP, SpiderReservedIPSpec, WhereaboutsPool, WhereaboutsReservation,
};
use ipam::{Range, RangeSet};
use ipnet::IpNet;
use serde::Deserialize;

/// An address of somebody else's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Taken {
    /// A single one, but where a record cannot be read closer.
    pub range: Range,
    /// Who has written it down.
    pub by: By,
    /// NAMESPACE/NAME, as the record has it.
    pub pod: String,
    /// The pod's uid, where the record has it.
    pub uid: Option<String>,
    /// The pod's interface.
    pub interface: String,
}

/// Another IPAM.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum By {
    /// In the status of a pool.
    Spiderpool,
    /// In objects of its own.
    Whereabouts,
}

impl By {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spiderpool => "spiderpool",
            Self::Whereabouts => "whereabouts",
        }
    }
}

/// An address in Spiderpool's record.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Allocation {
    pod: String,
    pod_uid: Option<String>,
    interface: String,
}

/// What Spiderpool gave out of this pool. A record that cannot be read is an error: nothing can be granted beside it.
pub fn of_spiderpool(pool: &SpiderIPPool) -> Result<Vec<Taken>, String> {
    let record = pool.status.as_ref().and_then(|status| status.allocated_ips.as_deref()).unwrap_or_default();
    if record.trim().is_empty() {
        return Ok(Vec::new());
    }
    let name = &pool.metadata.name;
    let unreadable = |why: String| {
        format!("pool {name:?}: status.allocatedIPs, which is Spiderpool's, cannot be read: {why}")
    };
    let allocated: BTreeMap<String, Allocation> =
        serde_json::from_str(record).map_err(|error| unreadable(error.to_string()))?;
    let taken = |(address, allocation): (String, Allocation)| {
        let ip = address.parse().map_err(|_| unreadable(format!("{address:?} is no address")))?;
        let Allocation { pod, pod_uid: uid, interface } = allocation;
        Ok(Taken { range: Range::one(ip), by: By::Spiderpool, pod, uid, interface })
    };
    allocated.into_iter().map(taken).collect()
}

/// What whereabouts gave, and which of its objects cannot be read.
pub fn of_whereabouts(
    pools: &[WhereaboutsPool],
    reservations: &[WhereaboutsReservation],
) -> (Vec<Taken>, Vec<String>) {
    let (mut taken, mut problems) = (Vec::new(), Vec::new());
    for pool in pools {
        let Some((first, subnet)) = range(&pool.spec.range) else {
            let Metadata { name, .. } = &pool.metadata;
            problems.push(format!(
                "IPPool {name:?} of whereabouts: spec.range {:?} is no ADDRESS/LENGTH, and nothing in it counts as taken",
                pool.spec.range
            ));
            continue;
        };
        for (offset, holder) in &pool.spec.allocations {
            // Rather too much than an address twice.
            let range = offset.parse().ok().and_then(|offset| behind(first, offset));
            let range = range.map_or_else(|| Range::subnet(&subnet), Range::one);
            let (pod, interface) = (holder.podref.clone(), holder.ifname.clone());
            taken.push(Taken { range, by: By::Whereabouts, pod, uid: None, interface });
        }
    }
    for reservation in reservations {
        let addresses = addresses(&reservation.metadata.name);
        if addresses.is_empty() {
            let name = &reservation.metadata.name;
            problems.push(format!(
                "OverlappingRangeIPReservation {name:?} of whereabouts: its name has no address"
            ));
        }
        for ip in addresses {
            let (pod, interface) = (reservation.spec.podref.clone(), reservation.spec.ifname.clone());
            // Most addresses stand in both.
            if !taken.iter().any(|taken| taken.range == Range::one(ip)) {
                taken.push(Taken { range: Range::one(ip), by: By::Whereabouts, pod, uid: None, interface });
            }
        }
    }
    (taken, problems)
}

/// The same as an object that takes the addresses out of all pools.
pub fn reserve(taken: &[Taken]) -> SpiderReservedIP {
    let ranges = taken.iter().map(|taken| taken.range).collect::<RangeSet>();
    let ips = ranges.ranges().iter().map(Range::to_string).collect();
    let metadata = Metadata { name: "whereabouts".to_owned(), ..Metadata::default() };
    let spec = SpiderReservedIPSpec { ips, ..SpiderReservedIPSpec::default() };
    SpiderReservedIP { metadata, spec, ..SpiderReservedIP::default() }
}

/// The address that a range counts from, as it is written, and its network.
fn range(text: &str) -> Option<(IpAddr, IpNet)> {
    let range: IpNet = text.parse().ok()?;
    Some((range.addr(), range.trunc()))
}

fn behind(first: IpAddr, offset: u128) -> Option<IpAddr> {
    Some(match first {
        IpAddr::V4(first) => IpAddr::V4(u32::from(first).checked_add(u32::try_from(offset).ok()?)?.into()),
        IpAddr::V6(first) => IpAddr::V6(u128::from(first).checked_add(offset)?.into()),
    })
}

/// `172.16.1.5`, `fd00--5`, and either behind the name of a network and a dash. Where a name can be read in two ways, both.
fn addresses(name: &str) -> Vec<IpAddr> {
    let behind_dashes = name.match_indices('-').map(|(at, _)| &name[at + 1..]);
    let address = |text: &str| text.parse().or_else(|_| text.replace('-', ":").parse()).ok();
    std::iter::once(name).chain(behind_dashes).filter_map(address).collect()
}
