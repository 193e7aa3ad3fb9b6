use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use attach::wait::here as wait_here;
use attach::{Error, Undo, UndoContext};
use netlink::{HwAddr, Link, Rtnetlink};
use serde::{Deserialize, Serialize};
use state::AttachmentKey;

use super::Child;
use super::elsewhere::Marks;
use super::link::delete;

/// How to undo a link in the pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PodLink {
    /// `CNI_IFNAME`
    pub ifname: String,
    /// The kernel's name of its kind; a link of another kind is not ours.
    pub kind: String,
    /// Known once it is made: the pod may have renamed it by the time it goes.
    pub index: Option<u32>,
    /// The name that it has until the record has its index and address, where that is not its final one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged: Option<String>,
    /// The hardware address of one that the kernel gives to the host when the pod's namespace ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<HwAddr>,
    /// Whether the kernel does that; `None` in records of a version that did not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlives_namespace: Option<bool>,
    /// By what it is found in another namespace than the pod's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marks: Option<Marks>,
    /// The IPAM plugin that gave its addresses.
    pub ipam: Option<String>,
}

impl Undo for PodLink {
    fn undo(&self, context: &mut UndoContext) -> Result<(), Error> {
        super::delete_all(std::iter::once(self), context)
    }

    fn ipams(&self) -> Vec<(String, String)> {
        self.ipam.iter().map(|plugin| (self.ifname.clone(), plugin.clone())).collect()
    }

    /// One that was about to be made is known by its name alone, and the pod may have given it another.
    fn silences(&self) -> bool {
        self.index.is_some()
    }
}

/// How long a namespace that nothing holds any more takes to end: the kernel does it later, many at a time.
pub(super) const NAMESPACE_ENDS: Duration = Duration::from_secs(5);

impl PodLink {
    /// One that an ADD is about to make.
    pub fn planned(key: &AttachmentKey, child: &Child, ipam: Option<String>) -> Self {
        let outlives = child.nature.outlives_namespace;
        Self {
            staged: outlives.then(|| staging_name(key)),
            outlives_namespace: Some(outlives),
            ..Self::named(&key.ifname, child.kind.name(), ipam)
        }
    }

    /// One of which nothing is known but name and kind.
    pub fn named(ifname: &str, kind: &str, ipam: Option<String>) -> Self {
        Self {
            ifname: ifname.to_owned(),
            kind: kind.to_owned(),
            index: None,
            staged: None,
            refunded: None,
            outlives_namespace: None,
            marks: None,
            ipam,
        }
    }

    /// What DEL will know it by.
    pub fn made(&mut self, link: &Link) {
        self.index = Some(link.index);
        self.marks = Some(Marks::of(link));
        self.refunded = link.address.filter(|_| self.outlives_namespace == Some(true));
        self.staged = None;
    }

    /// On the host, under the name that it had in the pod or another. The address tells it from others: it holds the queue
    /// pair's number and the port's GUID. Before that was written down, the name does.
    pub(super) fn delete_refunded(&self, context: &mut UndoContext, patience: Duration) -> Result<(), Error> {
        if self.outlives_namespace == Some(false) || (self.refunded.is_none() && self.staged.is_none()) {
            return Ok(());
        }
        let is_ours = |link: &Link| match self.refunded {
            Some(address) => link.address == Some(address),
            None => self.staged.as_ref() == Some(&link.name),
        };
        let host = context.host()?;
        let found = wait_here(patience, || {
            let links = host.links()?;
            Ok(links.into_iter().find(|link| is_ours(link) && link.kind.name() == self.kind))
        })?;
        found.map_or(Ok(()), |link| delete(link.index, host))
    }

    /// Whether only its name tells it, and that is another attachment's by now.
    pub(super) fn is_anothers(&self, context: &UndoContext) -> Result<bool, Error> {
        let is_named = self.index.is_none() && self.staged.is_none();
        Ok(is_named && context.is_anothers(&self.ifname)?)
    }

    /// The link, if it is still of that kind, and where it was made. The pod may have moved it on, and left its index to another.
    pub(super) fn find(&self, pod: &mut Rtnetlink) -> Result<Option<Link>, Error> {
        let found = match self.index {
            Some(index) => pod.link_by_index(index)?,
            None => pod.link_by_name(self.staged.as_ref().unwrap_or(&self.ifname))?,
        };
        let sits_there = |link: &Link| self.marks.as_ref().is_none_or(|marks| marks.are_beside(link));
        Ok(found.filter(|link| link.kind.name() == self.kind && sits_there(link)))
    }
}

/// The same for every try of an attachment, and another for every attachment. Only ADD asks: the record has the name before
/// there is a link of it, so that a Rust whose hasher is another one does no harm.
pub(super) fn staging_name(key: &AttachmentKey) -> String {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    format!("rail{:011x}", hasher.finish() >> 20)
}
