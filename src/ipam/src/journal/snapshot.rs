use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::book::Book;
use super::map::Map;
use super::marks::Quarantined;
use super::{Files, Journaled, Lost, owners};
use crate::{AttachmentKey, CoolingDown, Kept, Lease, Leases, Range, RangeSet, StoreError, number};

/// Everything that the files say, read as far as somebody asks.
pub(super) struct Snapshot<'a> {
    files: &'a Files,
    pub(super) leases: Book,
    lost: Option<Lost>,
    owners: OnceCell<Book>,
    /// Addresses that are leased, that cool down or that an owner has.
    owned: OnceCell<Map>,
    quarantined: OnceCell<Quarantined>,
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(files: &'a Files, journaled: Journaled) -> Self {
        let Journaled { base, changes, lost } = journaled;
        let leases = Book::new(base, changes);
        let (owners, owned, quarantined) = <_>::default();
        Self { files, leases, lost, owners, owned, quarantined }
    }

    pub(super) fn owners(&self) -> Result<&Book, StoreError> {
        if self.owners.get().is_none() {
            let read = owners::read(self.files)?;
            return Ok(self.owners.get_or_init(|| read));
        }
        Ok(self.owners.get_or_init(|| Book::new(None, [])))
    }

    fn owned(&self) -> Result<&Map, StoreError> {
        let owners = &self.owners()?.map;
        Ok(self.owned.get_or_init(|| self.leases.map.joined(owners)))
    }

    fn quarantine(&self) -> Result<&Quarantined, StoreError> {
        if self.quarantined.get().is_none() {
            let read = self.files.quarantined()?;
            return Ok(self.quarantined.get_or_init(|| read));
        }
        Ok(self.quarantined.get_or_init(Quarantined::default))
    }
}

impl Leases for Snapshot<'_> {
    fn of(&self, key: &AttachmentKey) -> Result<Vec<Lease>, StoreError> {
        self.leases.of(key)
    }

    fn all(&self) -> Result<Vec<Lease>, StoreError> {
        self.leases.all()
    }

    fn is_leased(&self, ip: IpAddr) -> Result<bool, StoreError> {
        self.leases.is_leased(ip)
    }

    fn require_whole(&self) -> Result<(), StoreError> {
        self.lost.as_ref().map_or(Ok(()), |lost| Err(lost.error()))
    }

    fn unused(&self, range: &Range, kept: Kept) -> Result<Option<IpAddr>, StoreError> {
        let taken = match kept {
            Kept::Counted => &self.leases.map,
            Kept::LeftOut => self.owned()?,
        };
        Ok(taken.next_clear(range.first, range.last).map(number::address))
    }

    fn released_first(&self, within: &RangeSet, kept: Kept) -> Result<Option<CoolingDown>, StoreError> {
        let owners = match kept {
            Kept::Counted => None,
            Kept::LeftOut => Some(&self.owners()?.map),
        };
        let is_owned = |ip| owners.is_some_and(|owners| owners.contains(number::of(ip)));
        let mut cooling_down = self.leases.cooling_down()?.into_iter();
        Ok(cooling_down.find(|cooling_down| within.contains(cooling_down.ip) && !is_owned(cooling_down.ip)))
    }

    fn last_given(&self, pool: &str) -> Option<IpAddr> {
        self.leases.cursors.get(&super::codec::text_hash(pool)).copied().map(number::address)
    }

    fn sticky_binding(&self, owner: &str, pool: &str) -> Result<Option<IpAddr>, StoreError> {
        let marks = owners::of(self.owners()?, owner, pool)?;
        Ok(marks.into_iter().max_by_key(|mark| mark.since).map(|mark| mark.ip))
    }

    fn is_noted(&self, owner: &str, pool: &str, ip: IpAddr, now: u64) -> Result<bool, StoreError> {
        let marks = owners::of(self.owners()?, owner, pool)?;
        Ok(marks.iter().any(|mark| mark.ip == ip && !owners::is_stale(mark.since, now)))
    }

    fn kept_for(&self, ip: IpAddr) -> Result<Option<String>, StoreError> {
        owners::at(self.owners()?, ip)
    }

    fn bindings(&self) -> Result<BTreeMap<IpAddr, String>, StoreError> {
        owners::all(self.owners()?)
    }

    fn quarantined(&self, now: u64) -> Result<RangeSet, StoreError> {
        Ok(self.quarantine()?.at(now).map(|(ip, _)| Range::one(ip)).collect())
    }

    fn quarantines(&self, now: u64) -> Result<Vec<(IpAddr, u64)>, StoreError> {
        Ok(self.quarantine()?.at(now).collect())
    }
}
