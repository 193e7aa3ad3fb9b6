use std::path::Path;

use attach::Pod;
use cni::{Interface, Request};
use links::whole::require_unaddressed;
use netlink::{Link, Rtnetlink};
use state::{AttachmentKey, Dirs};
use sysfs::Root;

use super::apply::Admin;
use super::infiniband::RdmaBefore;
use super::{Attributes, Device, Error, Netdev, VfSpec, VfUndo, owner};
use crate::Site;
use crate::claim::Owner;
use crate::rdma::PreparedRdma;

/// A VF in an ADD, found fit under its [locks](VfSpec::locks): the steps, in their order, of every plugin that attaches one.
#[derive(Debug)]
pub struct PreparedVf<'a> {
    pub(super) wanted: &'a VfSpec,
    pub(super) device: Device,
    driver_override: Option<String>,
    /// `None` with a user space driver.
    pub(super) link: Option<Link>,
    netdev: Option<Netdev>,
    /// `None` without a PF.
    pub(super) pf: Option<PfView>,
    pub(super) rdma: Option<RdmaBefore>,
    /// Its RDMA device, if that is to be moved besides.
    moves: Option<PreparedRdma<'a>>,
}

/// A VF as its PF had it before.
#[derive(Debug)]
pub(super) struct PfView {
    /// The PF's interface.
    pub(super) link: Link,
    pub(super) before: Attributes,
}

impl PfView {
    fn of(admin: &Admin<'_>, host: &mut Rtnetlink) -> Result<Self, attach::Error> {
        Ok(Self { link: admin.link().clone(), before: admin.read(host)? })
    }
}

impl<'a> PreparedVf<'a> {
    /// Puts back what a pod that is gone had, and looks whether the device fits; then the same of its RDMA device, if that is
    /// to be moved besides.
    pub fn of(wanted: &'a VfSpec, site: &mut Site) -> Result<Self, attach::Error> {
        let special = wanted.kind.special();
        let host = &mut site.host;
        owner::reclaim(wanted.kind, &site.dirs, &wanted.device)?;
        let device = Device::require(&Root::system(), &wanted.device)?;
        special.require_device(wanted, &device)?;
        let link = device.require_link(host)?;
        if let Some(link) = &link {
            special.require_link(wanted, &device, link)?;
            require_alone(&device, link)?;
            require_unaddressed(link, host)?;
        }
        let pf = device.pf().map(|pf| PfView::of(&Admin::open(device.id(), pf, host)?, host)).transpose()?;
        require_mtu(wanted, pf.as_ref().map(|pf| &pf.link).or(link.as_ref()))?;
        let driver_override = device.driver_override()?;
        let netdev = link.as_ref().map(Netdev::of).transpose()?;
        let rdma = special.rdma(&device)?;
        let find = |wanted| PreparedRdma::find(&site.dirs, device.clone(), wanted, &mut site.rdma);
        let moves = wanted.rdma.as_ref().map(find).transpose()?;
        Ok(Self { wanted, device, driver_override, link, netdev, pf, rdma, moves })
    }

    /// The RDMA device that is to be moved after it.
    pub fn rdma(&self) -> Option<&PreparedRdma<'a>> {
        self.moves.as_ref()
    }

    /// To be written down before [`move_to_pod`](Self::move_to_pod).
    pub fn undo(&self, request: &Request, key: AttachmentKey, netns: &Path) -> VfUndo {
        let mut undo = VfUndo {
            driver: self.device.driver().map(str::to_owned),
            driver_override: self.driver_override.clone(),
            netdev: self.netdev.clone(),
            before: self.pf.as_ref().map(|pf| pf.before),
            ipam: request.config.ipam_type.clone(),
            ..VfUndo::of(self.wanted.kind, key, self.device.id(), netns.to_owned())
        };
        self.wanted.kind.special().complete(self, &mut undo);
        undo
    }

    /// Takes the device, tells its PF what is to differ, and moves its interface into the pod.
    pub fn move_to_pod(&self, owner: &Owner, site: &mut Site) -> Result<Option<Link>, attach::Error> {
        let kind = self.wanted.kind;
        kind.holders(&site.dirs).lend(self.device.id(), owner)?;
        self.administer(&mut site.host)?;
        let Some(link) = &self.link else { return Ok(None) };
        kind.special().move_to_pod(self, link, &owner.key.ifname, site).map(Some)
    }

    fn administer(&self, host: &mut Rtnetlink) -> Result<(), attach::Error> {
        let Some((pf, PfView { link, before })) = self.device.pf().zip(self.pf.as_ref()) else {
            return Ok(());
        };
        let admin = Admin::at(self.device.id(), pf, link.clone());
        admin.apply(host, &self.wanted.attributes, before)?;
        admin.settle(host, self.wanted.attributes.mac.filter(|mac| before.mac != Some(*mac)))
    }

    /// The PF's interface, and the VF's number there.
    pub(super) fn on_pf(&self) -> Option<(&str, u32)> {
        self.pf.as_ref().zip(self.device.pf()).map(|(seen, pf)| (seen.link.name.as_str(), pf.vf))
    }

    /// As the result has it. On `InfiniBand` the GUIDs are in the address: its last 8 bytes.
    pub fn interface(&self, ifname: &str, arrived: Option<&Link>, pod: &Pod) -> Interface {
        let (mac, mtu) = match arrived {
            Some(link) => (link.address, Some(link.mtu)),
            None => self.wanted.kind.special().in_user_space(self),
        };
        Interface {
            name: ifname.to_owned(),
            mac: mac.map(|mac| mac.to_string()),
            mtu,
            sandbox: Some(pod.netns.path().display().to_string()),
            pci_id: Some(self.device.id().to_string()).filter(|_| self.device.is_pci()),
            ..Interface::default()
        }
    }

    /// Writes the upstream plugin's cache: what is left to go by when the record is lost.
    pub fn save(&self, dirs: &Dirs, request: &Request, undo: &VfUndo) -> Result<(), attach::Error> {
        self.wanted.kind.special().save(self, dirs, request, undo)
    }
}

fn require_mtu(wanted: &VfSpec, limit: Option<&Link>) -> Result<(), Error> {
    match (wanted.mtu, limit) {
        (Some(mtu), Some(pf)) if mtu > pf.mtu => Err(Error::Mtu { mtu, pf: pf.name.clone(), pf_mtu: pf.mtu }),
        _ => Ok(()),
    }
}

/// Whether the host can do without the interface.
fn require_alone(device: &Device, link: &Link) -> Result<(), Error> {
    if link.master.is_none() {
        return Ok(());
    }
    let problem = format!(
        "its interface {} is a port of a bond or bridge on the host: take it out of that first",
        link.name
    );
    Err(Error::Device { id: device.id().to_string(), problem })
}
