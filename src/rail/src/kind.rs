use attach::claim::Claimant;
use attach::locks::LockFile;
use attach::{Adding, Error, Pod};
use cni::{Interface, Request};
use devices::rdma;
use netlink::{Link, Rtnetlink};
use state::{AttachmentKey, Dirs};

use super::{Made, PLUGIN, Part};

/// Where rails are attached: what is opened once for all of them.
#[derive(Debug)]
pub struct Site {
    pub(crate) dirs: Dirs,
    pub(crate) host: Rtnetlink,
    pub(crate) pod: Pod,
    pub(crate) rdma: rdma::Node,
}

/// One kind of interface, as the config of its plugin wants it.
pub trait Kind {
    /// What there is to do; looks, and changes nothing.
    fn plan(&self, site: &mut Site) -> Result<Box<dyn Step + '_>, cni::Error>;
    /// How interface and device differ from what they are to be. `rail` has its part of `prevResult`.
    fn differences(&self, rail: &Request, made: &[Part], site: &mut Site) -> Result<Vec<String>, cni::Error>;
    /// For STATUS, which knows neither pod nor device: the node can serve.
    fn require(&self, host: &mut Rtnetlink) -> Result<(), cni::Error>;
}

/// The attachment of one interface, in the order of these methods, each of which gets the same `rail`.
pub trait Step {
    /// How to undo it, where that is known without a lock.
    fn part(&self, _rail: &Request) -> Result<Option<Part>, Error> {
        Ok(None)
    }
    /// Files whose locks are to be held while it looks and acts, and no longer. Other pods may want the same.
    fn locks(&self, _: &Site) -> Result<Vec<LockFile>, Error> {
        Ok(Vec::new())
    }
    /// Looks once more, now that nobody else acts; how to undo all that [`attach`](Self::attach) does.
    fn plan_locked(&mut self, rail: &Request, site: &mut Site) -> Result<Vec<Part>, Error>;
    /// Brings the interface into the pod, complete and under its name.
    fn attach(&mut self, site: &mut Site, entry: &mut Entry<'_>) -> Result<Link, Error>;
    /// The parent on the host, if it hears what is meant for the interface.
    fn hears_for(&self) -> Option<&Link> {
        None
    }
    /// As the result has it.
    fn interface(&self, rail: &Request, link: &Link, site: &Site) -> Interface;
    /// Leaves what others look for once all is done.
    fn finish(&self, _rail: &Request, _: &mut Site, _made: &[Part]) -> Result<(), Error> {
        Ok(())
    }
}

/// One rail's part of the record of all.
pub struct Entry<'a> {
    pub(super) key: AttachmentKey,
    pub(super) position: usize,
    pub(super) adding: &'a mut Adding<Made>,
}

impl Entry<'_> {
    /// On whose behalf a device is taken.
    pub(crate) fn claimant<'a>(&'a self, dirs: &'a Dirs) -> Claimant<'a> {
        Claimant { dirs, plugin: PLUGIN, record: Some(self.adding.key()), key: &self.key }
    }

    /// What the record has of it.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.adding.undo().rails[self.position].parts
    }

    /// Writes down more to undo, before it is done.
    pub(crate) fn persist(&mut self, change: impl FnOnce(&mut [Part])) -> Result<(), Error> {
        let position = self.position;
        self.adding.persist(|made| change(&mut made.rails[position].parts))
    }

    /// Keeps in mind what helps the undo and is not needed for it.
    pub(crate) fn set(&mut self, change: impl FnOnce(&mut [Part])) {
        let position = self.position;
        self.adding.set(|made| change(&mut made.rails[position].parts));
    }
}
