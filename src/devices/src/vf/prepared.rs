use attach::Pod;
use attach::claim::Claimant;
use cni::{Interface, Request};
use netlink::link::arphrd::INFINIBAND;
use netlink::{HwAddr, Link, Rtnetlink};
use state::{AttachmentKey, Dirs};
use sysfs::Root;

use super::apply::{Admin, set_own_mac};
use super::device::Device;
use super::netdev::{Netdev, Placement};
use super::sriov_cni::{Files, SriovCniCache};
use super::{Attributes, Error, VfSpec, VfUndo, owner};

/// A VF that was found fit for an ADD, whose caller has its lock: the steps, in their order, of every plugin that
/// attaches one.
#[derive(Debug)]
pub struct PreparedVf<'a> {
    wanted: &'a VfSpec,
    peer: Files,
    device: Device,
    driver_override: Option<String>,
    /// `None` with a user space driver.
    link: Option<Link>,
    netdev: Option<Netdev>,
    /// `None` without a PF.
    before: Option<Attributes>,
    pf: Option<Link>,
}

impl<'a> PreparedVf<'a> {
    /// Puts back what a pod that is gone had, and looks at the device.
    pub fn find(
        dirs: &Dirs,
        wanted: &'a VfSpec,
        peer: Files,
        host: &mut Rtnetlink,
    ) -> Result<Self, attach::Error> {
        owner::reclaim(dirs, &wanted.device, &peer)?;
        let device = Device::require(&Root::system(), &wanted.device)?;
        let link = device.require_link(host)?;
        if let Some(link) = &link {
            fit(&device, link)?;
        }
        let (pf, before) = match device.pf() {
            Some(pf) => {
                let admin = Admin::open(device.id(), pf, host)?;
                (Some(admin.link().clone()), Some(admin.read(host)?))
            }
            None => (None, without_pf(&device, wanted).map(|()| None)?),
        };
        check_mtu(wanted, pf.as_ref().or(link.as_ref()))?;
        let driver_override = device.driver_override()?;
        let netdev = link.as_ref().map(Netdev::of).transpose()?;
        Ok(Self { wanted, peer, device, driver_override, link, netdev, before, pf })
    }

    /// As it is after that.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// To be written down before [`move_to_pod`](Self::move_to_pod).
    pub fn undo(&self, request: &Request, key: AttachmentKey) -> VfUndo {
        VfUndo {
            device: self.device.id().to_string(),
            driver: self.device.driver().map(str::to_owned),
            driver_override: self.driver_override.clone(),
            ifname: key.ifname.clone(),
            key,
            index: None,
            netdev: self.netdev.clone(),
            before: self.before,
            ipam: request.config.ipam_type.clone(),
            peer: self.peer.clone(),
            lock: None,
        }
    }

    /// Takes the device, tells its PF what is to differ, and moves its interface into the pod.
    pub fn move_to_pod(
        &self,
        claimant: &Claimant<'_>,
        host: &mut Rtnetlink,
        pod: &mut Pod,
    ) -> Result<Option<Link>, attach::Error> {
        owner::take(claimant, self.device.id(), &pod.netns, &self.peer)?;
        self.administer(host)?;
        self.link.as_ref().map(|link| self.move_link(link, &claimant.key.ifname, host, pod)).transpose()
    }

    fn administer(&self, host: &mut Rtnetlink) -> Result<(), attach::Error> {
        let (Some(pf), Some(link), Some(before)) = (self.device.pf(), &self.pf, &self.before) else {
            return Ok(());
        };
        let admin = Admin::at(self.device.id(), pf, link.clone());
        admin.apply(host, &self.wanted.attributes, before)?;
        admin.settle(host, self.wanted.attributes.mac.filter(|mac| before.mac != Some(*mac)))
    }

    fn move_link(
        &self,
        link: &Link,
        ifname: &str,
        host: &mut Rtnetlink,
        pod: &mut Pod,
    ) -> Result<Link, attach::Error> {
        let mut link = Placement { ifname, mtu: self.wanted.mtu }.move_to_pod(host, link, pod)?;
        if let Some(mac) = self.wanted.mac {
            set_own_mac(&pod.netns, &mut pod.netlink, &link, mac)?;
            link.address = Some(mac);
        }
        Ok(link)
    }

    /// As the result has it.
    pub fn interface(&self, ifname: &str, arrived: Option<&Link>, pod: &Pod) -> Interface {
        let mac = self.wanted.mac.or_else(|| match arrived {
            Some(link) => link.address,
            None => self.before.and_then(|before| before.mac).filter(|mac: &HwAddr| !mac.is_zero()),
        });
        Interface {
            name: ifname.to_owned(),
            mac: mac.map(|mac| mac.to_string()),
            mtu: arrived.or(self.pf.as_ref()).map(|link| link.mtu),
            sandbox: Some(pod.netns.path().display().to_string()),
            pci_id: Some(self.device.id().to_string()).filter(|_| self.device.is_pci()),
            ..Interface::default()
        }
    }

    /// Writes the peer's cache: what is left to go by when the record is lost.
    pub fn save(&self, dirs: &Dirs, request: &Request, undo: &VfUndo) -> Result<(), attach::Error> {
        let pf = self.pf.as_ref().zip(self.device.pf()).map(|(link, pf)| (link.name.as_str(), pf.vf));
        undo.peer.save(dirs, &SriovCniCache::of(request, undo, self.wanted.mac, pf)?)
    }
}

fn without_pf(device: &Device, wanted: &VfSpec) -> Result<(), Error> {
    match wanted.attributes.first_option() {
        Some(option) => Err(Error::NoPf { device: device.id().to_string(), option }),
        None => Ok(()),
    }
}

fn check_mtu(wanted: &VfSpec, limit: Option<&Link>) -> Result<(), Error> {
    match (wanted.mtu, limit) {
        (Some(mtu), Some(pf)) if mtu > pf.mtu => Err(Error::Mtu { mtu, pf: pf.name.clone(), pf_mtu: pf.mtu }),
        _ => Ok(()),
    }
}

/// Whether the host can do without the interface, and `sriov` with it.
fn fit(device: &Device, link: &Link) -> Result<(), Error> {
    let problem = match link {
        Link { hardware_type: INFINIBAND, name, .. } => {
            format!("its interface {name} is InfiniBand: use `ib-sriov`")
        }
        Link { master: Some(_), name, .. } => {
            format!(
                "its interface {name} is a port of a bond or bridge on the host: take it out of that first"
            )
        }
        _ => return Ok(()),
    };
    Err(Error::Device { id: device.id().to_string(), problem })
}
