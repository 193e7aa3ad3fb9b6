//! Leases in memory, for tests.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::{AttachmentKey, Change, CoolingDown, Kept, Lease, Leases, Range, RangeSet, StoreError, number};

/// The leases as plain maps: what the store on disk has to agree with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) leased: BTreeMap<IpAddr, Lease>,
    pub(crate) cooling_down: BTreeMap<IpAddr, CoolingDown>,
    pub(crate) cursors: BTreeMap<String, IpAddr>,
    pub(crate) bindings: BTreeMap<IpAddr, (String, String)>,
    pub(crate) quarantined: BTreeMap<IpAddr, u64>,
}

impl Model {
    pub(crate) fn apply(&mut self, changes: &[Change]) {
        for change in changes.iter().cloned() {
            match change {
                Change::Lease(lease) => {
                    assert!(!self.leased.contains_key(&lease.ip), "{} is given twice", lease.ip);
                    self.cooling_down.remove(&lease.ip);
                    self.cursors.insert(lease.pool.clone(), lease.ip);
                    self.leased.insert(lease.ip, lease);
                }
                Change::Release(cooling_down) => {
                    assert!(
                        self.leased.remove(&cooling_down.ip).is_some(),
                        "{} was not given",
                        cooling_down.ip
                    );
                    self.cooling_down.insert(cooling_down.ip, cooling_down);
                }
                Change::Stick { owner, pool, ip } => {
                    self.bindings.retain(|_, mark| *mark != (owner.clone(), pool.clone()));
                    self.bindings.insert(ip, (owner, pool));
                }
                Change::Quarantine { ip, until } => {
                    self.quarantined.insert(ip, until);
                }
            }
        }
    }
}

impl Model {
    fn counts(&self, ip: IpAddr, kept: Kept) -> bool {
        kept == Kept::Counted || !self.bindings.contains_key(&ip)
    }
}

impl Leases for Model {
    fn of(&self, key: &AttachmentKey) -> Result<Vec<Lease>, StoreError> {
        Ok(self.leased.values().filter(|lease| lease.key == *key).cloned().collect())
    }

    fn all(&self) -> Result<Vec<Lease>, StoreError> {
        Ok(self.leased.values().cloned().collect())
    }

    fn is_leased(&self, ip: IpAddr) -> Result<bool, StoreError> {
        Ok(self.leased.contains_key(&ip))
    }

    fn require_whole(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn unused(&self, range: &Range, kept: Kept) -> Result<Option<IpAddr>, StoreError> {
        let mut numbers = (range.first..=range.last).map(number::address);
        let is_free = |ip: &IpAddr| !self.leased.contains_key(ip) && !self.cooling_down.contains_key(ip);
        Ok(numbers.find(|ip| is_free(ip) && self.counts(*ip, kept)))
    }

    fn released_first(&self, within: &RangeSet, kept: Kept) -> Result<Option<CoolingDown>, StoreError> {
        let cooling_down = self.cooling_down.values().filter(|cooling_down| within.contains(cooling_down.ip));
        let cooling_down = cooling_down.filter(|cooling_down| self.counts(cooling_down.ip, kept));
        Ok(cooling_down.min_by_key(|cooling_down| (cooling_down.released, cooling_down.ip)).copied())
    }

    fn last_given(&self, pool: &str) -> Option<IpAddr> {
        self.cursors.get(pool).copied()
    }

    fn sticky_binding(&self, owner: &str, pool: &str) -> Result<Option<IpAddr>, StoreError> {
        let mark = (owner.to_owned(), pool.to_owned());
        Ok(self.bindings.iter().find(|(_, own)| **own == mark).map(|(ip, _)| *ip))
    }

    fn is_noted(&self, owner: &str, pool: &str, ip: IpAddr, _: u64) -> Result<bool, StoreError> {
        Ok(self.sticky_binding(owner, pool)? == Some(ip))
    }

    fn kept_for(&self, ip: IpAddr) -> Result<Option<String>, StoreError> {
        Ok(self.bindings.get(&ip).map(|(owner, _)| owner.clone()))
    }

    fn bindings(&self) -> Result<BTreeMap<IpAddr, String>, StoreError> {
        Ok(self.bindings.iter().map(|(ip, (owner, _))| (*ip, owner.clone())).collect())
    }

    fn quarantined(&self, now: u64) -> Result<RangeSet, StoreError> {
        Ok(self.quarantines(now)?.into_iter().map(|(ip, _)| Range::one(ip)).collect())
    }

    fn quarantines(&self, now: u64) -> Result<Vec<(IpAddr, u64)>, StoreError> {
        Ok(self.quarantined.clone().into_iter().filter(|(_, until)| *until > now).collect())
    }
}
