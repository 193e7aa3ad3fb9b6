use std::collections::BTreeMap;
use std::net::IpAddr;

use super::checkpoint::{Checkpoint, Packed};
use super::codec::text_hash;
use super::map::Map;
use crate::{AttachmentKey, Change, CoolingDown, Lease, StoreError, number};

/// Who has which address: as a checkpoint has it, and what a journal says since.
pub(super) struct Book {
    base: Option<Checkpoint>,
    /// Addresses that are leased or cool down.
    pub(super) map: Map,
    pub(super) cursors: BTreeMap<u64, u128>,
    changed: BTreeMap<u128, Slot>,
}

enum Slot {
    Leased(Lease),
    CoolingDown(CoolingDown),
}

impl Book {
    pub(super) fn new(mut base: Option<Checkpoint>, changes: impl IntoIterator<Item = Change>) -> Self {
        let (map, cursors) = base
            .as_mut()
            .map(|base| (std::mem::take(&mut base.map), std::mem::take(&mut base.cursors)))
            .unwrap_or_default();
        let mut book = Self { base, map, cursors, changed: BTreeMap::new() };
        for change in changes {
            book.apply(change);
        }
        book
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

    /// As if the address had never been leased.
    pub(super) fn forget(&mut self, ip: IpAddr) {
        self.changed.insert(number::of(ip), Slot::CoolingDown(CoolingDown { ip, released: 0, until: 0 }));
        self.map.remove(number::of(ip));
    }

    pub(super) fn of(&self, key: &AttachmentKey) -> Result<Vec<Lease>, StoreError> {
        let mut leases = self.base.as_ref().map_or(Ok(Vec::new()), |base| base.of(key))?;
        leases.retain(|lease| !self.is_changed(lease.ip));
        leases.extend(self.leased_since().filter(|lease| lease.key == *key).cloned());
        Ok(leases)
    }

    pub(super) fn all(&self) -> Result<Vec<Lease>, StoreError> {
        let mut leases = self.base.as_ref().map_or(Ok(Vec::new()), Checkpoint::leases)?;
        leases.retain(|lease| !self.is_changed(lease.ip));
        leases.extend(self.leased_since().cloned());
        Ok(leases)
    }

    pub(super) fn is_leased(&self, ip: IpAddr) -> Result<bool, StoreError> {
        match (self.changed.get(&number::of(ip)), &self.base) {
            (Some(Slot::Leased(_)), _) => Ok(true),
            (None, Some(base)) if self.map.contains(number::of(ip)) => {
                Ok(!base.cooling_down()?.iter().any(|cooling_down| cooling_down.ip == ip))
            }
            _ => Ok(false),
        }
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

    /// Every lease that is to be kept, by its address and its beginning, as the next checkpoint has it. The others are
    /// forgotten.
    pub(super) fn packed(&mut self, keep: impl Fn(IpAddr, u64) -> bool) -> Result<Packed, StoreError> {
        let (mut packed, mut dropped) = (Packed::default(), Vec::new());
        if let Some(base) = &self.base {
            dropped = base.copy(|ip, since| !self.is_changed(ip) && keep(ip, since), &mut packed)?;
            dropped.retain(|ip| !self.is_changed(*ip));
        }
        for lease in self.leased_since() {
            if keep(lease.ip, lease.since) {
                packed.push(lease);
            } else {
                dropped.push(lease.ip);
            }
        }
        for ip in dropped {
            self.forget(ip);
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
}
