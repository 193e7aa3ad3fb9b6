use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::checkpoint::{Checkpoint, Packed};
use super::codec::text_hash;
use super::map::Map;
use super::marks::{Owners, Quarantined};
use super::{Files, Journaled};
use crate::{AttachmentKey, Change, CoolingDown, Lease, Leases, Range, RangeSet, StoreError, number};

/// The leases as the checkpoint has them, and what the journal says since.
pub(super) struct Snapshot<'a> {
    files: &'a Files,
    base: Option<Checkpoint>,
    pub(super) map: Map,
    pub(super) cursors: BTreeMap<u64, u128>,
    changed: BTreeMap<u128, Slot>,
    owners: OnceCell<Owners>,
    quarantined: OnceCell<Quarantined>,
}

enum Slot {
    Leased(Lease),
    CoolingDown(CoolingDown),
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(files: &'a Files, journaled: Journaled) -> Self {
        let Journaled { mut base, changes } = journaled;
        let (map, cursors) = base
            .as_mut()
            .map(|base| (std::mem::take(&mut base.map), std::mem::take(&mut base.cursors)))
            .unwrap_or_default();
        let (changed, owners, quarantined) = (BTreeMap::new(), OnceCell::new(), OnceCell::new());
        let mut snapshot = Self { files, base, map, cursors, changed, owners, quarantined };
        for change in changes {
            snapshot.apply(change);
        }
        snapshot
    }

    pub(super) fn apply(&mut self, change: Change) {
        let (ip, slot) = match change {
            Change::Lease(lease) => {
                self.cursors.insert(text_hash(&lease.pool), number::of(lease.ip));
                (lease.ip, Slot::Leased(lease))
            }
            Change::Release(cooling_down) => (cooling_down.ip, Slot::CoolingDown(cooling_down)),
            // Kept elsewhere, and read again by the next process.
            Change::Stick { .. } | Change::Quarantine { .. } => return,
        };
        self.map.insert(number::of(ip));
        self.changed.insert(number::of(ip), slot);
    }

    /// Every address that cools down, the first released first.
    pub(super) fn cooling_down(&self) -> Result<Vec<CoolingDown>, StoreError> {
        let base = self.base.as_ref().map_or(Ok(&[][..]), Checkpoint::cooling_down)?;
        let unchanged = base.iter().filter(|cooling_down| !self.is_changed(cooling_down.ip)).copied();
        let since = self.changed.values().filter_map(|slot| match slot {
            Slot::CoolingDown(cooling_down) => Some(*cooling_down),
            Slot::Leased(_) => None,
        });
        let mut all = unchanged.chain(since).collect::<Vec<_>>();
        all.sort_by_key(|cooling_down| (cooling_down.released, number::of(cooling_down.ip)));
        Ok(all)
    }

    /// Every lease as the next checkpoint has it.
    pub(super) fn packed(&self) -> Result<Packed, StoreError> {
        let mut packed = Packed::default();
        if let Some(base) = &self.base {
            base.copy(|ip| !self.is_changed(ip), &mut packed)?;
        }
        for lease in self.leased_since() {
            packed.push(lease);
        }
        Ok(packed)
    }

    fn is_changed(&self, ip: IpAddr) -> bool {
        self.changed.contains_key(&number::of(ip))
    }

    fn leased_since(&self) -> impl Iterator<Item = &Lease> {
        self.changed.values().filter_map(|slot| match slot {
            Slot::Leased(lease) => Some(lease),
            Slot::CoolingDown(_) => None,
        })
    }

    fn owners(&self) -> Result<&Owners, StoreError> {
        if self.owners.get().is_none() {
            let read = self.files.owners()?;
            return Ok(self.owners.get_or_init(|| read));
        }
        Ok(self.owners.get_or_init(Owners::default))
    }

    fn marks(&self) -> Result<&Quarantined, StoreError> {
        if self.quarantined.get().is_none() {
            let read = self.files.quarantined()?;
            return Ok(self.quarantined.get_or_init(|| read));
        }
        Ok(self.quarantined.get_or_init(Quarantined::default))
    }
}

impl Leases for Snapshot<'_> {
    fn of(&self, key: &AttachmentKey) -> Result<Vec<Lease>, StoreError> {
        let mut leases = self.base.as_ref().map_or(Ok(Vec::new()), |base| base.of(key))?;
        leases.retain(|lease| !self.is_changed(lease.ip));
        leases.extend(self.leased_since().filter(|lease| lease.key == *key).cloned());
        Ok(leases)
    }

    fn all(&self) -> Result<Vec<Lease>, StoreError> {
        let mut leases = self.base.as_ref().map_or(Ok(Vec::new()), Checkpoint::leases)?;
        leases.retain(|lease| !self.is_changed(lease.ip));
        leases.extend(self.leased_since().cloned());
        Ok(leases)
    }

    fn is_leased(&self, ip: IpAddr) -> Result<bool, StoreError> {
        match (self.changed.get(&number::of(ip)), &self.base) {
            (Some(Slot::Leased(_)), _) => Ok(true),
            (None, Some(base)) if self.map.contains(number::of(ip)) => {
                Ok(!base.cooling_down()?.iter().any(|cooling_down| cooling_down.ip == ip))
            }
            _ => Ok(false),
        }
    }

    fn unused(&self, range: &Range) -> Option<IpAddr> {
        self.map.next_clear(range.first, range.last).map(number::address)
    }

    fn released_first(&self, within: &RangeSet) -> Result<Option<CoolingDown>, StoreError> {
        Ok(self.cooling_down()?.into_iter().find(|cooling_down| within.contains(cooling_down.ip)))
    }

    fn last_given(&self, pool: &str) -> Option<IpAddr> {
        self.cursors.get(&text_hash(pool)).copied().map(number::address)
    }

    fn sticky_binding(&self, owner: &str, pool: &str) -> Result<Option<IpAddr>, StoreError> {
        Ok(self.owners()?.address(owner, pool))
    }

    fn bound_to_others(&self, owner: Option<&str>, pool: &str) -> Result<RangeSet, StoreError> {
        Ok(self.owners()?.others(owner, pool))
    }

    fn quarantined(&self, now: u64) -> Result<RangeSet, StoreError> {
        Ok(self.marks()?.at(now).map(|(ip, _)| Range::one(ip)).collect())
    }

    fn quarantines(&self, now: u64) -> Result<Vec<(IpAddr, u64)>, StoreError> {
        Ok(self.marks()?.at(now).collect())
    }
}
