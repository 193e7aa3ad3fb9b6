//! Leases in memory, for tests.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::{Change, Key, Lease, Leases, Range, RangeSet, Resting, StoreError, number};

/// The leases as plain maps: what the store on disk has to agree with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) leased: BTreeMap<IpAddr, Lease>,
    pub(crate) resting: BTreeMap<IpAddr, Resting>,
    pub(crate) cursors: BTreeMap<String, IpAddr>,
    pub(crate) stuck: BTreeMap<IpAddr, (String, String)>,
    pub(crate) quarantined: BTreeMap<IpAddr, u64>,
}

impl Model {
    pub(crate) fn apply(&mut self, changes: &[Change]) {
        for change in changes.iter().cloned() {
            match change {
                Change::Lease(lease) => {
                    assert!(!self.leased.contains_key(&lease.ip), "{} is given twice", lease.ip);
                    self.resting.remove(&lease.ip);
                    self.cursors.insert(lease.pool.clone(), lease.ip);
                    self.leased.insert(lease.ip, lease);
                }
                Change::Release(resting) => {
                    assert!(self.leased.remove(&resting.ip).is_some(), "{} was not given", resting.ip);
                    self.resting.insert(resting.ip, resting);
                }
                Change::Stick { owner, pool, ip } => {
                    self.stuck.retain(|_, mark| *mark != (owner.clone(), pool.clone()));
                    self.stuck.insert(ip, (owner, pool));
                }
                Change::Quarantine { ip, until } => {
                    self.quarantined.insert(ip, until);
                }
            }
        }
    }
}

impl Leases for Model {
    fn of(&self, key: &Key) -> Result<Vec<Lease>, StoreError> {
        Ok(self.leased.values().filter(|lease| lease.key == *key).cloned().collect())
    }

    fn all(&self) -> Result<Vec<Lease>, StoreError> {
        Ok(self.leased.values().cloned().collect())
    }

    fn is_leased(&self, ip: IpAddr) -> Result<bool, StoreError> {
        Ok(self.leased.contains_key(&ip))
    }

    fn unused(&self, range: &Range) -> Option<IpAddr> {
        let mut numbers = (range.first..=range.last).map(number::address);
        numbers.find(|ip| !self.leased.contains_key(ip) && !self.resting.contains_key(ip))
    }

    fn released_first(&self, within: &RangeSet) -> Result<Option<Resting>, StoreError> {
        let resting = self.resting.values().filter(|resting| within.contains(resting.ip));
        Ok(resting.min_by_key(|resting| (resting.released, resting.ip)).copied())
    }

    fn last_given(&self, pool: &str) -> Option<IpAddr> {
        self.cursors.get(pool).copied()
    }

    fn stuck(&self, owner: &str, pool: &str) -> Result<Option<IpAddr>, StoreError> {
        let mark = (owner.to_owned(), pool.to_owned());
        Ok(self.stuck.iter().find(|(_, own)| **own == mark).map(|(ip, _)| *ip))
    }

    fn stuck_to_others(&self, owner: Option<&str>, pool: &str) -> Result<RangeSet, StoreError> {
        let others = self.stuck.iter().filter(|(_, mark)| mark.1 == pool && Some(mark.0.as_str()) != owner);
        Ok(others.map(|(ip, _)| Range::one(*ip)).collect())
    }

    fn quarantined(&self, now: u64) -> Result<RangeSet, StoreError> {
        Ok(self.quarantines(now)?.into_iter().map(|(ip, _)| Range::one(ip)).collect())
    }

    fn quarantines(&self, now: u64) -> Result<Vec<(IpAddr, u64)>, StoreError> {
        Ok(self.quarantined.clone().into_iter().filter(|(_, until)| *until > now).collect())
    }
}
