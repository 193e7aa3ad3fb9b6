use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use attach::wait::here as wait_here;
use attach::{Adding, Error, Failure, Pod, Undo, UndoContext, require_free};
use cni::CniResult;
use netlink::link::NewKind;
use netlink::{HwAddr, Link, LinkChange, NewLink, Rtnetlink};
use serde::{Deserialize, Serialize};
use state::AttachmentKey;

use super::Parent;
use super::elsewhere::Marks;
use crate::whole;

/// The link to be made.
#[derive(Clone, Debug)]
pub struct Child {
    /// What it sits on.
    pub parent: Parent,
    /// What it is to be.
    pub kind: NewKind<'static>,
    /// `None`: the parent's.
    pub mtu: Option<u32>,
    /// `None`: left to the kernel.
    pub address: Option<HwAddr>,
    /// Addresses and routes of an earlier plugin in the chain, in the place of an IPAM's.
    pub inherited: Option<CniResult>,
    /// What is special to its kind.
    pub nature: Nature,
}

/// How the kernel treats links of one kind otherwise than most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nature {
    /// It is moved to the host namespace when the pod's ends (`netns_refund` of its `rtnl_link_ops`).
    pub outlives_namespace: bool,
    /// It has its parent's address, and gets frames by the IP address in them: who asks by ARP before it has one gets no answer.
    pub shares_address: bool,
    /// The kind of link that keeps it off a parent.
    pub excluded_by: Option<&'static str>,
    /// Its parent receives nothing any more.
    pub takes_parent: bool,
}

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

/// The record of a link that is being made.
pub trait LinkRecord {
    /// The name in the record under which it is to be made, if that is not its final one.
    fn staged(&self) -> Option<String>;
    /// Writes down such a name before there is a link of it.
    fn stage(&mut self) -> Result<String, Error>;
    /// Writes down what it is known by, before it gets its final name.
    fn made(&mut self, link: &Link) -> Result<(), Error>;
}

impl LinkRecord for Adding<PodLink> {
    fn staged(&self) -> Option<String> {
        self.undo().staged.clone()
    }

    fn stage(&mut self) -> Result<String, Error> {
        let name = staging_name(self.key());
        self.persist(|undo| undo.staged = Some(name.clone()))?;
        Ok(name)
    }

    fn made(&mut self, link: &Link) -> Result<(), Error> {
        self.persist(|undo| undo.made(link))
    }
}

impl Undo for PodLink {
    fn undo(&self, context: &mut UndoContext) -> Result<(), Error> {
        super::delete_all(std::iter::once(self), context)
    }

    fn ipam(&self) -> Option<&str> {
        self.ipam.as_deref()
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

pub(super) fn delete(index: u32, route: &mut Rtnetlink) -> Result<(), Error> {
    match route.delete_link(index) {
        Err(error) if !error.is_gone() => Err(error.into()),
        _ => Ok(()),
    }
}

impl Child {
    /// Makes the link where it belongs, complete and under its final name.
    pub fn create(
        &self,
        host: &mut Rtnetlink,
        pod: &mut Pod,
        ifname: &str,
        record: &mut dyn LinkRecord,
    ) -> Result<Link, Error> {
        let link = match self.create_at_once(host, pod, ifname, record)? {
            Some(link) => link,
            None => self.create_staged(host, pod, ifname, record)?,
        };
        self.with_mtu(link, pod)
    }

    /// `None` for one that is to have another name first: its record says so, or a kernel refuses names that the host has.
    fn create_at_once(
        &self,
        host: &mut Rtnetlink,
        pod: &mut Pod,
        ifname: &str,
        record: &dyn LinkRecord,
    ) -> Result<Option<Link>, Error> {
        if record.staged().is_some() {
            return Ok(None);
        }
        match self.create_as(host, pod, ifname) {
            Err(error) if is_taken(&error) => require_free(pod, ifname).map(|()| None),
            other => other.map(Some),
        }
    }

    /// Under a name that nothing else has; nobody in the pod has seen the link when it gets its own.
    fn create_staged(
        &self,
        host: &mut Rtnetlink,
        pod: &mut Pod,
        ifname: &str,
        record: &mut dyn LinkRecord,
    ) -> Result<Link, Error> {
        let staged = record.staged().map_or_else(|| record.stage(), Ok)?;
        let link = self.create_as(host, pod, &staged)?;
        record.made(&link)?;
        let name = Some(ifname.to_owned());
        pod.netlink.set_link(link.index, &LinkChange { name, ..LinkChange::default() })?;
        Ok(Link { name: ifname.to_owned(), ..link })
    }

    /// Up to Linux 6.13 the kernel looks for the new name in the namespace of the socket, and finds the host's own eth0
    /// (`rtnl_newlink` in net/core/rtnetlink.c).
    fn create_as(&self, host: &mut Rtnetlink, pod: &mut Pod, ifname: &str) -> Result<Link, Error> {
        let created = if self.parent.in_pod {
            pod.netlink.create_link(&self.new_link(ifname))
        } else {
            host.create_link(&NewLink { netns: Some(pod.netns.fd()), ..self.new_link(ifname) })
        };
        let echoed = created.map_err(|error| self.refused(error))?;
        echoed.map_or_else(|| in_pod(pod, ifname), Ok)
    }

    /// `IPoIB` begins with an MTU of its own, whatever the request says (`ipoib_ndo_init`).
    fn with_mtu(&self, link: Link, pod: &mut Pod) -> Result<Link, Error> {
        let Some(mtu) = self.mtu.filter(|mtu| *mtu != link.mtu) else { return Ok(link) };
        pod.netlink.set_link(link.index, &LinkChange { mtu: Some(mtu), ..LinkChange::default() })?;
        in_pod(pod, &link.name)
    }

    /// For ADD: what is taken whole from the host is not what the node or another pod lives by.
    pub fn require_parent_free(&self, host: &mut Rtnetlink) -> Result<(), Error> {
        if !self.nature.takes_parent || self.parent.in_pod {
            return Ok(());
        }
        whole::require_free_of_node(whole::Taker::Passthru, &self.parent.link, host)
    }

    /// The parent on the host, if it hears what is meant for its children.
    pub fn hears_for(&self) -> Option<&Link> {
        (self.nature.shares_address && !self.parent.in_pod).then_some(&self.parent.link)
    }

    fn new_link(&self, ifname: &str) -> NewLink<'static> {
        let mut link = NewLink::new(ifname, self.kind.clone());
        link.parent = Some(self.parent.link.index);
        link.mtu = self.mtu;
        link.address = self.address;
        link
    }

    /// EBUSY from a parent's receive handler tells nobody what the matter is.
    fn refused(&self, source: netlink::Error) -> Error {
        match self.nature.excluded_by.filter(|_| source.is_busy()) {
            Some(other) => {
                let (parent, kind) = (self.parent.link.name.clone(), self.kind.name());
                super::Error::ParentBusy { parent, kind, other, source }.into()
            }
            None => source.into(),
        }
    }
}

/// The same for every try of an attachment, and another for every attachment.
pub fn staging_name(key: &AttachmentKey) -> String {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    format!("rail{:011x}", hasher.finish() >> 20)
}

fn in_pod(pod: &mut Pod, ifname: &str) -> Result<Link, Error> {
    let link = pod.netlink.link_by_name(ifname)?;
    link.ok_or_else(|| Failure::Vanished { ifname: ifname.to_owned() }.into())
}

fn is_taken(error: &Error) -> bool {
    matches!(error.failure(), Failure::Netlink(error) if error.is_exists())
}
