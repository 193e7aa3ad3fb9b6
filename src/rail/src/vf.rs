use attach::locks::LockFile;
use attach::{Error, Failure, key_of, not_available};
use cni::{Interface, Request};
use devices::rdma::{self, Policy, RdmaUndo, require_exclusive};
use devices::vf::{self, Device, VfUndo};
use netlink::{Link, Rtnetlink};
use sysfs::Root;

use super::kind::Entry;
use super::{Kind, Part, Site, Step};

/// A VF, with its RDMA device if that goes along.
pub struct OfVf {
    /// As `sriov` or `ib-sriov` wants it.
    pub vf: vf::VfSpec,
    /// As `rdma` wants it.
    pub rdma: Option<rdma::RdmaSpec>,
}

impl Kind for OfVf {
    fn plan<'a>(&'a self, rail: &'a Request, site: &mut Site) -> Result<Box<dyn Step + 'a>, cni::Error> {
        if self.has_rdma() {
            site.rdma.require_exclusive()?;
        }
        let device = Device::require(&Root::system(), &self.vf.device)?;
        require_interface(&device)?;
        Ok(Box::new(Take { rail, kind: self, device, prepared: None }))
    }

    fn differences(&self, rail: &Request, made: &[Part], site: &mut Site) -> Result<Vec<String>, cni::Error> {
        let mut found = vf::differences(rail, &self.vf, vf_of(made), &mut site.host, &mut site.pod)?;
        if let (Some(_), Some(undo)) = (&self.rdma, rdma_of(made)) {
            found.extend(rdma::of_device(undo, &site.pod)?);
        }
        Ok(found)
    }

    fn require(&self, _: &mut Rtnetlink) -> Result<(), cni::Error> {
        if self.has_rdma() {
            require_exclusive(Policy::Exclusive).map_err(|error| not_available(error.into()))?;
        }
        Ok(())
    }
}

impl OfVf {
    /// Whether the pod gets its RDMA device.
    fn has_rdma(&self) -> bool {
        self.rdma.is_some() || self.vf.isolation
    }
}

/// Addresses and routes are what a rail is for.
fn require_interface(device: &Device) -> Result<(), cni::Error> {
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
    device: Device,
    prepared: Option<(vf::PreparedVf<'a>, Option<rdma::PreparedRdma<'a>>)>,
}

impl Step for Take<'_> {
    fn part(&self) -> Option<Part> {
        None
    }

    fn locks(&self, site: &Site) -> Result<Vec<LockFile>, Error> {
        self.kind.vf.locks(&site.dirs, &self.device)
    }

    fn plan_locked(&mut self, site: &mut Site) -> Result<Vec<Part>, Error> {
        let key = key_of(self.rail)?;
        let vf = vf::PreparedVf::find(&site.dirs, &self.kind.vf, &mut site.host)?;
        let mut parts = vec![Part::from(vf.undo(self.rail, key.clone(), site.pod.netns.path()))];
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
            if let Some(undo) = parts.first_mut().and_then(Part::vf_mut) {
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
        if let Some(undo) = vf_of(made) {
            vf.save(&site.dirs, self.rail, undo)?;
        }
        rdma_of(made).map_or(Ok(()), |undo| rdma::PreparedRdma::save(&site.dirs, undo))
    }
}

fn vf_of(parts: &[Part]) -> Option<&VfUndo> {
    parts.iter().find_map(Part::vf)
}

fn rdma_of(parts: &[Part]) -> Option<&RdmaUndo> {
    parts.iter().find_map(|part| if let Part::Rdma(undo) = part { Some(undo) } else { None })
}
