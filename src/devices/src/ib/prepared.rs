use std::time::{Duration, Instant};

use attach::Pod;
use attach::claim::Claimant;
use attach::wait::{here as wait_here, millis};
use cni::{Interface, Request};
use netlink::link::arphrd::INFINIBAND;
use netlink::{Link, LinkChange, Rdma, Rtnetlink};
use state::{AttachmentKey, Dirs};
use sysfs::Root;

use super::rebind::{RdmaBefore, guid_of, rdma_of, rebind};
use super::undo::holders;
use super::{Error, IbSpec, IbUndo, ib_sriov_cni};
use crate::rdma::immovable;
use crate::vf::{self, Admin, Attributes, Device, Id, Netdev, Placement, in_pod};

/// As for an interface that comes home.
const REBUILD: Duration = Duration::from_secs(10);

/// A VF that was found fit for an ADD, whose caller has its PF's lock: the steps, in their order, of every plugin that
/// attaches one.
#[derive(Debug)]
pub struct PreparedIb<'a> {
    wanted: &'a IbSpec,
    device: Device,
    driver_override: Option<String>,
    link: Option<Link>,
    netdev: Option<Netdev>,
    before: Option<Attributes>,
    change: Attributes,
    rdma: Option<RdmaBefore>,
}

impl<'a> PreparedIb<'a> {
    /// Puts back what a pod that is gone had, and looks at the device.
    pub fn find(dirs: &Dirs, wanted: &'a IbSpec, host: &mut Rtnetlink) -> Result<Self, attach::Error> {
        reclaim(dirs, &wanted.device)?;
        let device = Device::require(&Root::system(), &wanted.device)?;
        let id = device.id().to_string();
        if wanted.vfio && !device.is_userspace() {
            let driver = device.driver().unwrap_or("none").to_owned();
            return Err(Error::NotVfio { device: id, driver }.into());
        }
        if device.pf().is_none() && !device.is_userspace() {
            return Err(Error::Pf { device: id }.into());
        }
        let link = device.require_link(host)?;
        if let Some(link) = link.as_ref().filter(|link| link.hardware_type != INFINIBAND) {
            return Err(Error::Ethernet { device: id, ifname: link.name.clone() }.into());
        }
        require_guid(wanted, &device, link.as_ref())?;
        if wanted.isolation && link.is_some() {
            rdma_of(&device)?;
        }
        let before = match device.pf() {
            Some(pf) => Some(Admin::open(device.id(), pf, host)?.read(host)?),
            None => None,
        };
        if device.pf().is_none() && (wanted.guid.is_some() || wanted.link_state.is_some()) {
            tracing::warn!(
                device = id,
                "a PF has no PF that would set its GUID or link state: they stay what they are"
            );
        }
        let rdma = RdmaBefore::of(&device)?;
        let driver_override = device.driver_override()?;
        let netdev = link.as_ref().map(Netdev::of).transpose()?;
        let ready =
            Self { wanted, device, driver_override, link, netdev, before, change: change(wanted), rdma };
        ready.warn_of_partition();
        Ok(ready)
    }

    fn warn_of_partition(&self) {
        let (Some(pkey), Some(link)) = (self.wanted.pkey, &self.link) else { return };
        if pkey.is_in_table_of(&link.name) == Some(false) {
            tracing::warn!(
                %pkey,
                device = %self.device.id(),
                "its port is not in this partition: there is no traffic in it until the subnet manager gives it to the GUID"
            );
        }
    }

    /// To be written down before [`move_to_pod`](Self::move_to_pod). Only what is to change is put back.
    pub fn undo(&self, request: &Request, key: AttachmentKey) -> IbUndo {
        let before = self.before.map(|before| Attributes {
            link_state: before.link_state.filter(|_| self.change.link_state.is_some()),
            node_guid: before.node_guid.filter(|_| self.change.node_guid.is_some()),
            port_guid: before.port_guid.filter(|_| self.change.port_guid.is_some()),
            ..Attributes::default()
        });
        // The address of an IPoIB interface is its port's and its queue pair's: nobody sets it.
        let netdev = self.netdev.clone().map(|netdev| Netdev { mac: None, ..netdev });
        IbUndo {
            device: self.device.id().to_string(),
            driver: self.device.driver().map(str::to_owned),
            driver_override: self.driver_override.clone(),
            ifname: key.ifname.clone(),
            key,
            index: None,
            netdev,
            guid: self.link.as_ref().and_then(guid_of),
            before,
            rdma: self.rdma.clone(),
            isolated: self.wanted.isolation,
            ipam: request.config.ipam_type.clone(),
        }
    }

    /// Takes the device and moves it into the pod. Moving the RDMA device builds its interface again, so that goes second.
    pub fn move_to_pod(
        &self,
        claimant: &Claimant<'_>,
        host: &mut Rtnetlink,
        pod: &mut Pod,
    ) -> Result<Option<Link>, attach::Error> {
        let id = self.device.id();
        holders(claimant.dirs).take(claimant, id, &pod.netns)?;
        self.administer(host)?;
        let Some(link) = &self.link else { return Ok(None) };
        let mut link = link.clone();
        if let Some(guid) = self.wanted.guid.filter(|guid| guid_of(&link) != Some(*guid)) {
            let driver = self.device.driver().unwrap_or_default();
            link = rebind(claimant.dirs, id, driver, Some(guid), self.rdma.as_ref(), host)?;
        }
        if self.wanted.isolation {
            let rdma = rdma_of(&self.device)?;
            let moved = Rdma::open()?.move_device(rdma.index, pod.netns.fd());
            moved.map_err(|source| immovable(&rdma, source))?;
            link = match self.rebuilt(&claimant.key.ifname, host, pod)? {
                Rebuilt::OnHost(link) => link,
                Rebuilt::InPod(link) => return Ok(Some(link)),
            };
        }
        let placement = Placement { ifname: &claimant.key.ifname, mtu: None };
        placement.move_to_pod(host, &link, pod).map(Some)
    }

    /// Waits for the interface of an RDMA device that has moved, which from Linux 6.17 on `ib_ipoib` builds where the device
    /// is. There it has a name of the kernel's choice.
    fn rebuilt(&self, ifname: &str, host: &mut Rtnetlink, pod: &mut Pod) -> Result<Rebuilt, attach::Error> {
        match await_either(&self.device, host, pod)? {
            Rebuilt::InPod(link) if link.name != ifname => {
                let name = Some(ifname.to_owned());
                pod.netlink.set_link(link.index, &LinkChange { name, ..LinkChange::default() })?;
                Ok(Rebuilt::InPod(Link { name: ifname.to_owned(), ..link }))
            }
            found => Ok(found),
        }
    }

    fn administer(&self, host: &mut Rtnetlink) -> Result<(), attach::Error> {
        let (Some(pf), Some(before)) = (self.device.pf(), &self.before) else { return Ok(()) };
        let admin = Admin::open(self.device.id(), pf, host)?;
        admin.apply(host, &self.change, before)
    }

    /// As the result has it. The GUIDs are in the address: its last 8 bytes.
    pub fn interface(&self, ifname: &str, link: Option<&Link>, pod: &Pod) -> Interface {
        Interface {
            name: ifname.to_owned(),
            mac: link.and_then(|link| link.address).map(|address| address.to_string()),
            mtu: link.map(|link| link.mtu),
            sandbox: Some(pod.netns.path().display().to_string()),
            pci_id: Some(self.device.id().to_string()),
            ..Interface::default()
        }
    }

    /// Writes the peer's cache: what is left to go by when the record is lost.
    pub fn save(
        &self,
        dirs: &Dirs,
        request: &Request,
        undo: &IbUndo,
        host: &mut Rtnetlink,
    ) -> Result<(), attach::Error> {
        let pf = match self.device.pf() {
            Some(pf) => Some((pf.link(self.device.id(), host)?.name, pf.vf)),
            None => None,
        };
        ib_sriov_cni::save(dirs, request, self.wanted, undo, pf)
    }
}

/// Where an interface came back.
enum Rebuilt {
    OnHost(Link),
    InPod(Link),
}

fn await_either(device: &Device, host: &mut Rtnetlink, pod: &mut Pod) -> Result<Rebuilt, attach::Error> {
    let start = Instant::now();
    let found = wait_here(REBUILD, || match device.link(host)? {
        Some(link) => Ok(Some(Rebuilt::OnHost(link))),
        None => Ok(in_pod(&mut pod.netlink, device.id(), None, "")?.map(Rebuilt::InPod)),
    })?;
    let away = || vf::Error::Away { device: device.id().to_string(), waited_ms: millis(start) };
    Ok(found.ok_or_else(away)?)
}

/// The last user first: what it found, the one before had left.
fn reclaim(dirs: &Dirs, id: &Id) -> Result<(), attach::Error> {
    let holders = holders(dirs);
    if let Some(owner) = holders.living(id)? {
        let (name, netns) = (owner.key.to_string(), owner.netns());
        return Err(vf::Error::Allocated { device: id.to_string(), owner: name, netns }.into());
    }
    ib_sriov_cni::repair(dirs, id, holders.cache(id)?.as_deref())?;
    holders.reclaim::<IbUndo>(id, |undo, context| undo.undo_locked(dirs, id, context))?;
    ib_sriov_cni::repair(dirs, id, None)
}

fn change(wanted: &IbSpec) -> Attributes {
    let guid = wanted.guid;
    Attributes { link_state: wanted.link_state, node_guid: guid, port_guid: guid, ..Attributes::default() }
}

fn require_guid(wanted: &IbSpec, device: &Device, link: Option<&Link>) -> Result<(), Error> {
    let own = link.and_then(guid_of).filter(|guid| guid.is_reserved());
    match (wanted.guid, own) {
        (None, Some(guid)) => Err(Error::NoGuid { device: device.id().to_string(), guid: guid.to_string() }),
        _ => Ok(()),
    }
}
