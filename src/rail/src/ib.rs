use attach::locks::LockFile;
use attach::{Error, Failure, key_of, not_available};
use cni::{Interface, Request};
use links::ib::{self, IbUndo};
use links::rdma::{Policy, require_exclusive};
use links::vf::Device;
use netlink::{Link, Route};
use sysfs::Root;

use super::kind::Entry;
use super::vf::require_interface;
use super::{Kind, Part, Site, Step};

/// A VF of an InfiniBand PF, whose RDMA device goes along if that is isolated.
pub struct OfIb {
    /// As `ib-sriov` wants it.
    pub ib: ib::Wanted,
}

impl Kind for OfIb {
    fn plan<'a>(&'a self, rail: &'a Request, _: &mut Site) -> Result<Box<dyn Step + 'a>, cni::Error> {
        if self.ib.isolation {
            require_exclusive(Policy::Exclusive)?;
        }
        let device = Device::require(&Root::system(), &self.ib.device)?;
        require_interface(&device)?;
        Ok(Box::new(Take { rail, kind: self, device, ready: None }))
    }

    fn differences(&self, rail: &Request, made: &[Part], site: &mut Site) -> Result<Vec<String>, cni::Error> {
        ib::differences(rail, &self.ib, ib_sriov(made), &mut site.host, &mut site.pod)
    }

    fn require(&self, _: &mut Route) -> Result<(), cni::Error> {
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
    ready: Option<ib::Ready<'a>>,
}

impl Step for Take<'_> {
    fn part(&self) -> Option<Part> {
        None
    }

    fn locks(&self, site: &Site) -> Result<Vec<LockFile>, Error> {
        ib::lock_files(&site.dirs, &self.device)
    }

    fn secure(&mut self, site: &mut Site) -> Result<Vec<Part>, Error> {
        let ready = ib::Ready::find(&site.dirs, &self.kind.ib, &mut site.host)?;
        let undo = ready.undo(self.rail, key_of(self.rail)?);
        self.ready = Some(ready);
        Ok(vec![Part::IbSriov(undo)])
    }

    fn enter(&mut self, site: &mut Site, entry: &mut Entry<'_>) -> Result<Link, Error> {
        let Site { dirs, host, pod, .. } = site;
        let vanished = || Failure::Vanished { ifname: self.rail.env.ifname.clone() };
        let ready = self.ready.as_ref().ok_or_else(vanished)?;
        let link = ready.enter(&entry.claimant(dirs), host, pod)?.ok_or_else(vanished)?;
        entry.note(|parts| {
            if let [Part::IbSriov(undo)] = parts {
                undo.index = Some(link.index);
            }
        });
        Ok(link)
    }

    fn interface(&self, link: &Link, site: &Site) -> Interface {
        let ready = self.ready.as_ref();
        ready.map(|ready| ready.interface(&self.rail.env.ifname, Some(link), &site.pod)).unwrap_or_default()
    }

    fn finish(&self, site: &mut Site, made: &[Part]) -> Result<(), Error> {
        match (&self.ready, ib_sriov(made)) {
            (Some(ready), Some(undo)) => ready.save(&site.dirs, self.rail, undo, &mut site.host),
            _ => Ok(()),
        }
    }
}

fn ib_sriov(parts: &[Part]) -> Option<&IbUndo> {
    parts.iter().find_map(|part| if let Part::IbSriov(undo) = part { Some(undo) } else { None })
}
