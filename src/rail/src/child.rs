use attach::locks::LockFile;
use attach::{Error, key_of, not_available};
use cni::{Interface, Request};
use links::child::{self, Child, Ledger, PodLink, interface, staging_name};
use netlink::{Link, Rtnetlink};
use state::AttachmentKey;

use super::kind::Entry;
use super::{Kind, Part, Site, Step};

/// A link that is made on a master: macvlan, ipvlan, ipoib.
pub struct OfChild {
    /// As the config of its plugin wants it.
    pub kind: Box<dyn child::Kind>,
}

impl Kind for OfChild {
    fn plan<'a>(&'a self, rail: &'a Request, site: &mut Site) -> Result<Box<dyn Step + 'a>, cni::Error> {
        let child = self.kind.plan(&mut site.host, &mut site.pod)?;
        child.require_parent_free(&mut site.host)?;
        Ok(Box::new(Make { rail, key: key_of(rail)?, child }))
    }

    fn differences(&self, rail: &Request, _: &[Part], site: &mut Site) -> Result<Vec<String>, cni::Error> {
        child::differences(rail, self.kind.as_ref(), &mut site.host, &mut site.pod)
    }

    fn require(&self, host: &mut Rtnetlink) -> Result<(), cni::Error> {
        self.kind.require_parent(host).map_err(not_available)
    }
}

struct Make<'a> {
    rail: &'a Request,
    key: AttachmentKey,
    child: Child,
}

impl Make<'_> {
    fn undo(&self) -> Part {
        Part::Child(PodLink::planned(&self.key, &self.child, None))
    }
}

impl Step for Make<'_> {
    fn part(&self) -> Option<Part> {
        Some(self.undo())
    }

    fn locks(&self, _: &Site) -> Result<Vec<LockFile>, Error> {
        Ok(Vec::new())
    }

    fn plan_locked(&mut self, _: &mut Site) -> Result<Vec<Part>, Error> {
        Ok(vec![self.undo()])
    }

    fn attach(&mut self, site: &mut Site, entry: &mut Entry<'_>) -> Result<Link, Error> {
        let link = self.child.create(&mut site.host, &mut site.pod, &self.rail.env.ifname, entry)?;
        entry.set(|parts| of_link(parts, |undo| undo.made(&link)));
        Ok(link)
    }

    fn hears_for(&self) -> Option<&Link> {
        self.child.hears_for()
    }

    fn interface(&self, link: &Link, _: &Site) -> Interface {
        interface(link, self.rail)
    }

    fn finish(&self, _: &mut Site, _: &[Part]) -> Result<(), Error> {
        Ok(())
    }
}

impl Ledger for Entry<'_> {
    fn staged(&self) -> Option<String> {
        match self.parts() {
            [Part::Child(undo)] => undo.staged.clone(),
            _ => None,
        }
    }

    fn stage(&mut self) -> Result<String, Error> {
        let name = staging_name(&self.key);
        self.persist(|parts| of_link(parts, |undo| undo.staged = Some(name.clone())))?;
        Ok(name)
    }

    fn made(&mut self, link: &Link) -> Result<(), Error> {
        self.persist(|parts| of_link(parts, |undo| undo.made(link)))
    }
}

fn of_link(parts: &mut [Part], change: impl FnOnce(&mut PodLink)) {
    if let [Part::Child(undo)] = parts {
        change(undo);
    }
}
