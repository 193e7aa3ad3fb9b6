use attach::{Error, Failure, Pod, require_free};
use cni::CniResult;
use netlink::link::NewKind;
use netlink::{HwAddr, Link, LinkChange, NewLink, Rtnetlink};
use state::AttachmentKey;

use super::pod_link::staging_name;
use super::{Parent, PodLink};
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

pub(super) fn delete(index: u32, route: &mut Rtnetlink) -> Result<(), Error> {
    match route.delete_link(index) {
        Err(error) if !error.is_gone() => Err(error.into()),
        _ => Ok(()),
    }
}

impl Child {
    /// Makes the link of `key` where it belongs, complete and under its final name. `undo` is what the record has of it; `persist`
    /// writes down what it comes to be meanwhile.
    pub fn create(
        &self,
        host: &mut Rtnetlink,
        pod: &mut Pod,
        key: &AttachmentKey,
        undo: &mut PodLink,
        persist: &mut dyn FnMut(&PodLink) -> Result<(), Error>,
    ) -> Result<Link, Error> {
        let made = if undo.staged.is_some() { None } else { self.create_at_once(host, pod, &key.ifname)? };
        let link = match made {
            Some(link) => link,
            None => self.create_staged(host, pod, key, undo, persist)?,
        };
        let link = self.with_mtu(link, pod)?;
        undo.made(&link);
        Ok(link)
    }

    /// `None` for one that is to have another name first: a kernel refuses names that the host has.
    fn create_at_once(
        &self,
        host: &mut Rtnetlink,
        pod: &mut Pod,
        ifname: &str,
    ) -> Result<Option<Link>, Error> {
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
        key: &AttachmentKey,
        undo: &mut PodLink,
        persist: &mut dyn FnMut(&PodLink) -> Result<(), Error>,
    ) -> Result<Link, Error> {
        let name = staging_name(key);
        if undo.staged.as_ref() != Some(&name) {
            undo.staged = Some(name.clone());
            persist(undo)?;
        }
        let link = self.create_as(host, pod, &name)?;
        undo.made(&link);
        persist(undo)?;
        let change = LinkChange { name: Some(key.ifname.clone()), ..LinkChange::default() };
        pod.netlink.set_link(link.index, &change)?;
        Ok(Link { name: key.ifname.clone(), ..link })
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

fn in_pod(pod: &mut Pod, ifname: &str) -> Result<Link, Error> {
    let link = pod.netlink.link_by_name(ifname)?;
    link.ok_or_else(|| Failure::Vanished { ifname: ifname.to_owned() }.into())
}

fn is_taken(error: &Error) -> bool {
    matches!(error.failure(), Failure::Netlink(error) if error.is_exists())
}
