use attach::locks::LockFile;
use attach::{Error, Failure, key_of, not_available};
use cni::{Interface, Request};
use devices::ib::{self, IbUndo};
use devices::rdma::{Policy, require_exclusive};
use devices::vf::Device;
use netlink::{Link, Rtnetlink};
use sysfs::Root;

use super::kind::Entry;
use super::vf::require_interface;
use super::{Kind, Part, Site, Step};

/// A VF of an InfiniBand PF, whose RDMA device goes along if that is isolated.
pub struct OfIb {
    /// As `ib-sriov` wants it.
    pub ib: ib::IbSpec,
}

impl Kind for OfIb {
    fn plan<'a>(&'a self, rail: &'a Request, _: &mut Site) -> Result<Box<dyn Step + 'a>, cni::Error> {
        if self.ib.isolation {
            require_exclusive(Policy::Exclusive)?;
        }
        let device = Device::require(&Root::system(), &self.ib.device)?;
        require_interface(&device)?;
        Ok(Box::new(Take { rail, kind: self, device, prepared: None }))
    }

    fn differences(&self, rail: &Request, made: &[Part], site: &mut Site) -> Result<Vec<String>, cni::Error> {
        ib::differences(rail, &self.ib, ib_sriov(made), &mut site.host, &mut site.pod)
    }

    fn require(&self, _: &mut Rtnetlink) -> Result<(), cni::Error> {
        if self.ib.isolation {
            require_exclusive(Policy::Exclusive).map_err(|error| not_available(error.into()))?;
        }
        Ok(())
    }
}

struct Take<'a> {
    rail: &'a Request,
    kind: &'a OfIb,
    device: Device,
    prepared: Option<ib::PreparedIb<'a>>,
}

impl Step for Take<'_> {
    fn part(&self) -> Option<Part> {
        None
    }

    fn locks(&self, site: &Site) -> Result<Vec<LockFile>, Error> {
        ib::lock_files(&site.dirs, &self.device)
    }

    fn plan_locked(&mut self, site: &mut Site) -> Result<Vec<Part>, Error> {
        let prepared = ib::PreparedIb::find(&site.dirs, &self.kind.ib, &mut site.host)?;
        let undo = prepared.undo(self.rail, key_of(self.rail)?);
        self.prepared = Some(prepared);
        Ok(vec![Part::IbSriov(undo)])
    }

    fn attach(&mut self, site: &mut Site, entry: &mut Entry<'_>) -> Result<Link, Error> {
        let Site { dirs, host, pod, .. } = site;
        let vanished = || Failure::Vanished { ifname: self.rail.env.ifname.clone() };
        let prepared = self.prepared.as_ref().ok_or_else(vanished)?;
        let link = prepared.move_to_pod(&entry.claimant(dirs), host, pod)?.ok_or_else(vanished)?;
        entry.set(|parts| {
            if let [Part::IbSriov(undo)] = parts {
                undo.index = Some(link.index);
            }
        });
        Ok(link)
    }

    fn interface(&self, link: &Link, site: &Site) -> Interface {
        let prepared = self.prepared.as_ref();
        prepared
            .map(|prepared| prepared.interface(&self.rail.env.ifname, Some(link), &site.pod))
            .unwrap_or_default()
    }

    fn finish(&self, site: &mut Site, made: &[Part]) -> Result<(), Error> {
        match (&self.prepared, ib_sriov(made)) {
            (Some(prepared), Some(undo)) => prepared.save(&site.dirs, self.rail, undo, &mut site.host),
            _ => Ok(()),
        }
    }
}

fn ib_sriov(parts: &[Part]) -> Option<&IbUndo> {
    parts.iter().find_map(|part| if let Part::IbSriov(undo) = part { Some(undo) } else { None })
}
