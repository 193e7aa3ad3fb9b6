use netlink::link::NewKind;
use netlink::{HwAddr, Link, NewLink, Route};
use netns::NetNs;
use serde::{Deserialize, Serialize};

use crate::{Error, Pod, Scene, Undo};

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
}

/// The link that a child sits on.
#[derive(Clone, Debug)]
pub struct Parent {
    /// As it was found.
    pub link: Link,
    /// In the pod rather than on the host.
    pub in_pod: bool,
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
    /// The IPAM plugin that gave its addresses.
    pub ipam: Option<String>,
}

impl Undo for PodLink {
    fn undo(&self, scene: &mut Scene) -> Vec<Error> {
        let deleted = scene.pod.as_mut().map(|pod| self.delete(&mut pod.route));
        deleted.and_then(Result::err).into_iter().collect()
    }
}

impl PodLink {
    fn delete(&self, pod: &mut Route) -> Result<(), Error> {
        let found = match self.index {
            Some(index) => pod.link_by_index(index)?,
            None => pod.link_by_name(&self.ifname)?,
        };
        let Some(link) = found.filter(|link| link.kind.name() == self.kind) else { return Ok(()) };
        match pod.delete_link(link.index) {
            Err(error) if !error.is_gone() => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Child {
    /// Makes the link where it belongs, complete and under its final name.
    pub fn create(&self, host: &mut Route, pod: &mut Pod, ifname: &str) -> Result<Link, Error> {
        let echoed = if self.parent.in_pod {
            pod.route.create_link(&self.new_link(ifname))?
        } else {
            self.create_from_host(host, pod, ifname)?
        };
        match echoed {
            Some(link) => Ok(link),
            None => {
                pod.route.link_by_name(ifname)?.ok_or_else(|| Error::Vanished { ifname: ifname.to_owned() })
            }
        }
    }

    /// Up to Linux 6.13 the kernel looks for the new name in the namespace of the socket, and finds the host's own eth0
    /// (`rtnl_newlink` in net/core/rtnetlink.c). Then the request goes through the pod's socket.
    fn create_from_host(&self, host: &mut Route, pod: &mut Pod, ifname: &str) -> Result<Option<Link>, Error> {
        let from_host = NewLink { netns: Some(pod.netns.fd()), ..self.new_link(ifname) };
        match host.create_link(&from_host) {
            Err(error) if error.is_exists() => (),
            other => return Ok(other?),
        }
        require_free(pod, ifname)?;
        let host_id = id_of_host(&mut pod.route)?;
        Ok(pod.route.create_link(&NewLink { parent_netnsid: Some(host_id), ..self.new_link(ifname) })?)
    }

    fn new_link(&self, ifname: &str) -> NewLink<'static> {
        let mut link = NewLink::new(ifname, self.kind.clone());
        link.parent = Some(self.parent.link.index);
        link.mtu = self.mtu;
        link.address = self.address;
        link
    }
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
pub(super) fn require_free(pod: &mut Pod, ifname: &str) -> Result<(), Error> {
    match pod.route.link_by_name(ifname)? {
        None => Ok(()),
        Some(_) => Err(Error::IfnameTaken { ifname: ifname.to_owned() }),
    }
}
