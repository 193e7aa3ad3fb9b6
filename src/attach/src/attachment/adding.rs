//! An ADD, from its record to its end.

use state::AttachmentKey;

use super::{Adding, Body, Phase, Prepared, Undo};
use crate::lease::IpamHold;
use crate::{Error, Pod, loopback};

impl Prepared {
    /// Whether an earlier ADD of the same key had been killed: its IPAM may hold a lease for it.
    pub fn superseded(&self) -> bool {
        self.superseded
    }

    /// Writes the record; the first change may follow.
    pub fn begin<T: Undo>(self, undo: T) -> Result<Adding<T>, Error> {
        let (phase, lo_without_ipv6) = (Phase::Adding, false);
        let head = self.attachments.records.draft(self.key, Some(self.netns), ());
        let record = head.with(Body { phase, lo_without_ipv6, undo: &undo });
        let saved = self.attachments.records.save(&record)?;
        let attachments = self.attachments;
        Ok(Adding { attachments, head, phase, lo_without_ipv6, undo, saved, _lock: self.lock })
    }
}

impl<T: Undo> Adding<T> {
    /// Whose it is.
    pub fn key(&self) -> &AttachmentKey {
        &self.head.key
    }

    /// What will be undone.
    pub fn undo(&self) -> &T {
        &self.undo
    }

    /// Writes down more to undo, before it is done.
    pub fn persist(&mut self, change: impl FnOnce(&mut T)) -> Result<(), Error> {
        self.set(change);
        self.update()
    }

    /// Changes the record in memory only; the next [`persist`](Self::persist) or [`attached`](Self::attached) writes it.
    pub fn set(&mut self, change: impl FnOnce(&mut T)) {
        change(&mut self.undo);
    }

    /// Writes down that the pod's lo is without IPv6, before that is switched on for an address.
    pub fn wake_lo(&mut self, pod: &Pod) -> Result<(), Error> {
        if self.lo_without_ipv6 || !loopback::is_without_ipv6(pod)? {
            return Ok(());
        }
        self.lo_without_ipv6 = true;
        self.update()
    }

    /// Writes down that the ADD got to its end.
    pub fn attached(&mut self) -> Result<(), Error> {
        self.phase = Phase::Attached;
        self.update()
    }

    fn update(&mut self) -> Result<(), Error> {
        let (phase, lo_without_ipv6) = (self.phase, self.lo_without_ipv6);
        let record = self.head.with(Body { phase, lo_without_ipv6, undo: &self.undo });
        Ok(self.attachments.records.update(&mut self.saved, &record)?)
    }

    /// Undoes an ADD that failed with `error`, and gives back its leases: the link goes before its addresses are free for others.
    /// What could not be undone is in the details, and may answer for its addresses: they stay taken until DEL has done it.
    pub fn roll_back<'a>(
        mut self,
        leases: impl IntoIterator<Item = IpamHold<'a>>,
        error: cni::Error,
    ) -> cni::Error {
        let left = match self.undo_all() {
            Ok(()) => cni::Error::join(leases.into_iter().filter_map(IpamHold::give_back)),
            Err(left) => Some(left.into()),
        };
        match left {
            None => error,
            Some(left) => {
                let details = format!("{}; the undo is left to DEL: {}", error.details, left.msg);
                error.with_details(details.trim_start_matches("; "))
            }
        }
    }

    /// After an error the record stays, and DEL tries again.
    pub(super) fn undo_all(&mut self) -> Result<(), Error> {
        self.attachments.undo_of(&self.head, &self.undo, self.lo_without_ipv6, None)?;
        self.attachments.records.remove(&self.head.key)?;
        Ok(())
    }
}
