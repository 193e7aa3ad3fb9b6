use attach::locks::LockFile;
use attach::{Error, Failure, Pod, key_of, not_available};
use cni::{Interface, Request};
use devices::rdma::{self, Policy, RdmaUndo, require_exclusive};
use devices::vf::sriov_cni::Files;
use devices::vf::{self, Device, FOLDER, VfUndo};
use netlink::{Link, Rtnetlink};
use sysfs::Root;

use super::kind::Entry;
use super::{Kind, Part, Site, Step};

/// A VF of an Ethernet PF, with its RDMA device if that goes along.
pub struct OfVf {
    /// As `sriov` wants it.
    pub vf: vf::VfSpec,
    /// As `rdma` wants it.
    pub rdma: Option<rdma::RdmaSpec>,
}

impl Kind for OfVf {
    fn plan<'a>(&'a self, rail: &'a Request, site: &mut Site) -> Result<Box<dyn Step + 'a>, cni::Error> {
        if self.rdma.is_some() {
            site.rdma.require_exclusive()?;
        }
        require_interface(&Device::require(&Root::system(), &self.vf.device)?)?;
        Ok(Box::new(Take { rail, kind: self, prepared: None }))
    }

    fn differences(&self, rail: &Request, made: &[Part], site: &mut Site) -> Result<Vec<String>, cni::Error> {
        let mut found = vf::differences(rail, &self.vf, sriov(made), &mut site.host, &mut site.pod)?;
        if let (Some(_), Some(undo)) = (&self.rdma, rdma_of(made)) {
            found.extend(rdma::of_device(undo, &site.pod)?);
        }
        Ok(found)
    }

    fn require(&self, _: &mut Rtnetlink) -> Result<(), cni::Error> {
        match self.rdma {
            Some(_) => require_exclusive(Policy::Exclusive).map(drop).map_err(|e| not_available(e.into())),
            None => Ok(()),
        }
    }
}

/// Addresses and routes are what a rail is for.
pub(super) fn require_interface(device: &Device) -> Result<(), cni::Error> {
    if !device.is_userspace() {
        return Ok(());
    }
    let driver = device.driver().unwrap_or_default();
    Err(cni::Error::invalid_config(format!(
        "deviceID \"{}\": its driver {driver} gives it to user space, so it has no interface for a rail: use `sriov` or \
         `ib-sriov`, or bind its kernel driver",
        device.id()
    )))
}

struct Take<'a> {
    rail: &'a Request,
    kind: &'a OfVf,
    prepared: Option<(vf::PreparedVf<'a>, Option<rdma::PreparedRdma<'a>>)>,
}

impl Take<'_> {
    fn files(&self, pod: &Pod) -> Files {
        Files::of(FOLDER, self.rail, pod.netns.path())
    }
}

impl Step for Take<'_> {
    fn part(&self) -> Option<Part> {
        None
    }

    fn locks(&self, site: &Site) -> Result<Vec<LockFile>, Error> {
        Ok(vec![vf::lock_file(&site.dirs, &self.kind.vf.device)?])
    }

    fn plan_locked(&mut self, site: &mut Site) -> Result<Vec<Part>, Error> {
        let (key, files) = (key_of(self.rail)?, self.files(&site.pod));
        let vf = vf::PreparedVf::find(&site.dirs, &self.kind.vf, files, &mut site.host)?;
        let mut parts = vec![Part::Sriov(vf.undo(self.rail, key.clone()))];
        let rdma = self.kind.rdma.as_ref();
        let find = |wanted| rdma::PreparedRdma::find(&site.dirs, vf.device().clone(), wanted, &mut site.rdma);
        let rdma = rdma.map(find).transpose()?;
        parts.extend(rdma.iter().map(|rdma| Part::Rdma(rdma.undo(key.clone(), &site.pod))));
        self.prepared = Some((vf, rdma));
        Ok(parts)
    }

    fn attach(&mut self, site: &mut Site, entry: &mut Entry<'_>) -> Result<Link, Error> {
        let Site { dirs, host, pod, .. } = site;
        let vanished = || Failure::Vanished { ifname: self.rail.env.ifname.clone() };
        let (vf, rdma) = self.prepared.as_ref().ok_or_else(vanished)?;
        let link = vf.move_to_pod(&entry.claimant(dirs), host, pod)?.ok_or_else(vanished)?;
        entry.set(|parts| {
            if let Some(Part::Sriov(undo)) = parts.first_mut() {
                undo.index = Some(link.index);
            }
        });
        if let Some(rdma) = rdma
            && rdma.move_to_pod(&entry.claimant(dirs), pod)?
        {
            entry.set(|parts| {
                if let Some(Part::Rdma(undo)) = parts.last_mut() {
                    undo.device_info = self.kind.rdma.as_ref().and_then(|wanted| wanted.device_info.clone());
                }
            });
        }
        Ok(link)
    }

    fn interface(&self, link: &Link, site: &Site) -> Interface {
        let vf = self.prepared.as_ref().map(|(vf, _)| vf);
        vf.map(|vf| vf.interface(&self.rail.env.ifname, Some(link), &site.pod)).unwrap_or_default()
    }

    fn finish(&self, site: &mut Site, made: &[Part]) -> Result<(), Error> {
        let Some((vf, _)) = &self.prepared else { return Ok(()) };
        if let Some(undo) = sriov(made) {
            vf.save(&site.dirs, self.rail, undo)?;
        }
        rdma_of(made).map_or(Ok(()), |undo| rdma::PreparedRdma::save(&site.dirs, undo))
    }
}

fn sriov(parts: &[Part]) -> Option<&VfUndo> {
    parts.iter().find_map(|part| if let Part::Sriov(undo) = part { Some(undo) } else { None })
}

fn rdma_of(parts: &[Part]) -> Option<&RdmaUndo> {
    parts.iter().find_map(|part| if let Part::Rdma(undo) = part { Some(undo) } else { None })
}
