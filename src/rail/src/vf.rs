use attach::locks::LockFile;
use attach::{Error, Failure, key_of, not_available};
use cni::{Interface, Request};
use devices::rdma::{self, Policy, PreparedRdma, RdmaUndo, require_exclusive};
use devices::vf::{self, Device, PreparedVf, VfSpec, VfUndo};
use netlink::{Link, Rtnetlink};

use super::kind::Entry;
use super::{Kind, Part, Site, Step};

/// A VF, with its RDMA device if that goes along.
impl Kind for VfSpec {
    fn plan(&self, site: &mut Site) -> Result<Box<dyn Step + '_>, cni::Error> {
        if self.has_rdma() {
            site.rdma.require_exclusive()?;
        }
        let vf = PreparedVf::find(self)?;
        require_interface(vf.device())?;
        Ok(Box::new(vf))
    }

    fn differences(&self, rail: &Request, made: &[Part], site: &mut Site) -> Result<Vec<String>, cni::Error> {
        let mut found = vf::differences(rail, self, vf_of(made), &mut site.host, &mut site.pod)?;
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

impl Step for PreparedVf<'_> {
    fn locks(&self, site: &Site) -> Result<Vec<LockFile>, Error> {
        self.locks(&site.dirs)
    }

    fn plan_locked(&mut self, rail: &Request, site: &mut Site) -> Result<Vec<Part>, Error> {
        let key = key_of(rail)?;
        self.prepare(&site.dirs, &mut site.host)?;
        self.prepare_rdma(&site.dirs, &mut site.rdma)?;
        let vf = self.undo(rail, key.clone(), site.pod.netns.path());
        let rdma = self.rdma().map(|rdma| Part::Rdma(rdma.undo(key, &site.pod)));
        Ok([Part::from(vf)].into_iter().chain(rdma).collect())
    }

    fn attach(&mut self, site: &mut Site, entry: &mut Entry<'_>) -> Result<Link, Error> {
        let Site { dirs, host, pod, .. } = site;
        let vanished = || Failure::Vanished { ifname: entry.key.ifname.clone() };
        let link = self.move_to_pod(&entry.claimant(dirs), host, pod)?.ok_or_else(vanished)?;
        entry.set(|parts| {
            if let Some(undo) = parts.first_mut().and_then(Part::vf_mut) {
                undo.index = Some(link.index);
            }
        });
        if let Some(rdma) = self.rdma() {
            rdma.move_to_pod(&entry.claimant(dirs), pod)?;
        }
        Ok(link)
    }

    fn interface(&self, rail: &Request, link: &Link, site: &Site) -> Interface {
        self.interface(&rail.env.ifname, Some(link), &site.pod)
    }

    fn finish(&self, rail: &Request, site: &mut Site, made: &[Part]) -> Result<(), Error> {
        if let Some(undo) = vf_of(made) {
            self.save(&site.dirs, rail, undo)?;
        }
        rdma_of(made).map_or(Ok(()), |undo| PreparedRdma::save(&site.dirs, undo))
    }
}

fn vf_of(parts: &[Part]) -> Option<&VfUndo> {
    parts.iter().find_map(Part::vf)
}

fn rdma_of(parts: &[Part]) -> Option<&RdmaUndo> {
    parts.iter().find_map(|part| if let Part::Rdma(undo) = part { Some(undo) } else { None })
}
