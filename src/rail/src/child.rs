use attach::{Error, key_of, not_available};
use cni::{Interface, Request};
use links::child::{self, Child, Ledger, PodLink, interface, staging_name};
use netlink::{Link, Rtnetlink};

use super::kind::Entry;
use super::{Kind, Part, Site, Step};

/// A link that is made on a master: macvlan, ipvlan, ipoib.
impl Kind for Box<dyn child::Kind> {
    fn plan(&self, site: &mut Site) -> Result<Box<dyn Step + '_>, cni::Error> {
        let child = self.as_ref().plan(&mut site.host, &mut site.pod)?;
        child.require_parent_free(&mut site.host)?;
        Ok(Box::new(child))
    }

    fn differences(&self, rail: &Request, _: &[Part], site: &mut Site) -> Result<Vec<String>, cni::Error> {
        child::differences(rail, self.as_ref(), &mut site.host, &mut site.pod)
    }

    fn require(&self, host: &mut Rtnetlink) -> Result<(), cni::Error> {
        self.require_parent(host).map_err(not_available)
    }
}

impl Step for Child {
    fn part(&self, rail: &Request) -> Result<Option<Part>, Error> {
        Ok(Some(Part::Child(PodLink::planned(&key_of(rail)?, self, None))))
    }

    fn plan_locked(&mut self, rail: &Request, _: &mut Site) -> Result<Vec<Part>, Error> {
        Ok(self.part(rail)?.into_iter().collect())
    }

    fn attach(&mut self, site: &mut Site, entry: &mut Entry<'_>) -> Result<Link, Error> {
        let ifname = entry.key.ifname.clone();
        let link = self.create(&mut site.host, &mut site.pod, &ifname, entry)?;
        entry.set(|parts| of_link(parts, |undo| undo.made(&link)));
        Ok(link)
    }

    fn hears_for(&self) -> Option<&Link> {
        self.hears_for()
    }

    fn interface(&self, rail: &Request, link: &Link, _: &Site) -> Interface {
        interface(link, rail)
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
