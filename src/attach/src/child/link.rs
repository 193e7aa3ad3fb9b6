use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use cni::CniResult;
use netlink::link::NewKind;
use netlink::{HwAddr, Link, LinkChange, NewLink, Route};
use netns::NetNs;
use serde::{Deserialize, Serialize};
use state::Key;

use super::Parent;
use crate::vf::wait_here;
use crate::{Adding, Error, Pod, Scene, Undo};

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
    /// Its name on the host, where it cannot be made in the pod at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged: Option<String>,
    /// The hardware address of one that the kernel gives to the host when the pod's namespace ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<HwAddr>,
    /// The IPAM plugin that gave its addresses.
    pub ipam: Option<String>,
}

/// The record of a link that is being made.
pub(crate) trait Ledger {
    /// Whose link it is.
    fn key(&self) -> &Key;
    /// Writes down the name on the host before there is a link of it.
    fn stage(&mut self, name: &str) -> Result<(), Error>;
    /// It has left the host.
    fn staged(&mut self);
}

impl Ledger for Adding<PodLink> {
    fn key(&self) -> &Key {
        self.key()
    }

    fn stage(&mut self, name: &str) -> Result<(), Error> {
        self.amend(|undo| undo.staged = Some(name.to_owned()))
    }

    fn staged(&mut self) {
        self.note(|undo| undo.staged = None);
    }
}

impl Undo for PodLink {
    fn undo(&self, scene: &mut Scene) -> Vec<Error> {
        let in_pod = match &mut scene.pod {
            Some(pod) => self.delete_in(&mut pod.route),
            None => self.delete_refunded(scene),
        };
        let on_host = self.delete_staged(scene);
        [in_pod, on_host].into_iter().filter_map(Result::err).collect()
    }
}

/// How long a namespace that nothing holds any more takes to end: the kernel does it later, many at a time.
const NAMESPACE_ENDS: Duration = Duration::from_secs(5);

impl PodLink {
    /// Nothing is known of the link yet but what it is to be.
    pub(crate) fn planned(ifname: &str, kind: &str, ipam: Option<String>) -> Self {
        Self {
            ifname: ifname.to_owned(),
            kind: kind.to_owned(),
            index: None,
            staged: None,
            refunded: None,
            ipam,
        }
    }

    /// What DEL will know it by. Links of `ib_ipoib` outlive the namespace that they are in (`netns_refund` of its
    /// `rtnl_link_ops`), and come to the host under the pod's name or another.
    pub(crate) fn made(&mut self, link: &Link) {
        self.index = Some(link.index);
        self.refunded = link.address.filter(|_| link.kind.name() == "ipoib");
    }

    /// The address tells it from others: it holds the queue pair's number and the port's GUID.
    pub(super) fn delete_refunded(&self, scene: &mut Scene) -> Result<(), Error> {
        let Some(address) = self.refunded else { return Ok(()) };
        let host = scene.host()?;
        let found = wait_here(NAMESPACE_ENDS, || {
            let links = host.links()?;
            Ok(links.into_iter().find(|link| link.address == Some(address) && link.kind.name() == self.kind))
        })?;
        found.map_or(Ok(()), |link| delete(link.index, host))
    }

    fn delete_in(&self, pod: &mut Route) -> Result<(), Error> {
        self.find(pod)?.map_or(Ok(()), |link| delete(link.index, pod))
    }

    /// The link, if it is still of that kind.
    pub(super) fn find(&self, pod: &mut Route) -> Result<Option<Link>, Error> {
        let found = match self.index {
            Some(index) => pod.link_by_index(index)?,
            None => pod.link_by_name(&self.ifname)?,
        };
        Ok(found.filter(|link| link.kind.name() == self.kind))
    }

    /// Where it could not be made in the pod at once and was left on the host.
    pub(super) fn delete_staged(&self, scene: &mut Scene) -> Result<(), Error> {
        let Some(name) = &self.staged else { return Ok(()) };
        let host = scene.host()?;
        let found = host.link_by_name(name)?.filter(|link| link.kind.name() == self.kind);
        found.map_or(Ok(()), |link| delete(link.index, host))
    }
}

pub(super) fn delete(index: u32, route: &mut Route) -> Result<(), Error> {
    match route.delete_link(index) {
        Err(error) if !error.is_gone() => Err(error.into()),
        _ => Ok(()),
    }
}

impl Child {
    /// Makes the link where it belongs, complete and under its final name.
    pub(crate) fn create(
        &self,
        host: &mut Route,
        pod: &mut Pod,
        ifname: &str,
        ledger: &mut dyn Ledger,
    ) -> Result<Link, Error> {
        let echoed = if self.parent.in_pod {
            pod.route.create_link(&self.new_link(ifname)).map_err(|error| self.refused(error))?
        } else {
            self.create_from_host(host, pod, ifname, ledger)?
        };
        let link = match echoed {
            Some(link) => link,
            None => in_pod(pod, ifname)?,
        };
        self.with_mtu(link, pod)
    }

    /// `IPoIB` begins with an MTU of its own, whatever the request says (`ipoib_ndo_init`).
    fn with_mtu(&self, link: Link, pod: &mut Pod) -> Result<Link, Error> {
        let Some(mtu) = self.mtu.filter(|mtu| *mtu != link.mtu) else { return Ok(link) };
        pod.route.set_link(link.index, &LinkChange { mtu: Some(mtu), ..LinkChange::default() })?;
        in_pod(pod, &link.name)
    }

    /// Up to Linux 6.13 the kernel looks for the new name in the namespace of the socket, and finds the host's own eth0
    /// (`rtnl_newlink` in net/core/rtnetlink.c). Then the request goes through the pod's socket.
    fn create_from_host(
        &self,
        host: &mut Route,
        pod: &mut Pod,
        ifname: &str,
        ledger: &mut dyn Ledger,
    ) -> Result<Option<Link>, Error> {
        let from_host = NewLink { netns: Some(pod.netns.fd()), ..self.new_link(ifname) };
        match host.create_link(&from_host) {
            Err(error) if error.is_exists() => (),
            other => return other.map_err(|error| self.refused(error)),
        }
        require_free(pod, ifname)?;
        let host_id = id_of_host(&mut pod.route)?;
        let from_pod = NewLink { parent_netnsid: Some(host_id), ..self.new_link(ifname) };
        match pod.route.create_link(&from_pod) {
            Err(error) if error.is_exists() => (),
            other => return other.map_err(|error| self.refused(error)),
        }
        self.create_by_way_of_host(host, pod, ifname, ledger).map(|()| None)
    }

    /// Drivers whose links register in the parent's namespace first meet the host's names even so.
    fn create_by_way_of_host(
        &self,
        host: &mut Route,
        pod: &mut Pod,
        ifname: &str,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Error> {
        let staged = staging_name(ledger.key());
        ledger.stage(&staged)?;
        let echoed = host.create_link(&self.new_link(&staged)).map_err(|error| self.refused(error))?;
        let index = echoed.map(|link| link.index);
        let index = index.or(host.link_by_name(&staged)?.map(|link| link.index));
        let index = index.ok_or(Error::Vanished { ifname: staged })?;
        let name = Some(ifname.to_owned());
        host.set_link(index, &LinkChange { netns: Some(pod.netns.fd()), name, ..LinkChange::default() })?;
        ledger.staged();
        Ok(())
    }

    /// The parent on the host, if it hears what is meant for its children: an ipvlan gets frames by the address in them,
    /// of which one that asks has none yet.
    pub(crate) fn hears_for(&self) -> Option<&Link> {
        let is_ipvlan = self.kind.name() == "ipvlan";
        (is_ipvlan && !self.parent.in_pod).then_some(&self.parent.link)
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
        let kind = self.kind.name();
        let other = match kind {
            "ipvlan" => "macvlan",
            "macvlan" => "ipvlan",
            _ => return source.into(),
        };
        match source {
            source if source.is_busy() => Error::ParentBusy {
                parent: self.parent.link.name.clone(),
                kind,
                other,
                source: Box::new(source),
            },
            source => source.into(),
        }
    }
}

/// The same for every try of an attachment, and another for every attachment.
fn staging_name(key: &Key) -> String {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    format!("rail{:011x}", hasher.finish() >> 20)
}

fn in_pod(pod: &mut Pod, ifname: &str) -> Result<Link, Error> {
    pod.route.link_by_name(ifname)?.ok_or_else(|| Error::Vanished { ifname: ifname.to_owned() })
}

fn id_of_host(pod: &mut Route) -> Result<i32, Error> {
    let host = NetNs::current()?;
    if let Some(id) = pod.netns_id(&host)? {
        return Ok(id);
    }
    pod.assign_netns_id(&host)?;
    pod.netns_id(&host)?.ok_or(Error::HostUnknown)
}

/// CNI: an interface of that name in the container is an error.
pub(crate) fn require_free(pod: &mut Pod, ifname: &str) -> Result<(), Error> {
    match pod.route.link_by_name(ifname)? {
        None => Ok(()),
        Some(_) => Err(Error::IfnameTaken { ifname: ifname.to_owned() }),
    }
}
