use netlink::link::arphrd::INFINIBAND;
use netlink::{Link, LinkChange, Rtnetlink};
use state::Dirs;

use super::ledger::{Ledger, User};
use super::{Error, MasterSpec, bond, lock, release, vlan};

/// Has the masters in place for `user`. Nothing is changed that does not fit; what this call made is undone if it fails.
pub fn provide(dirs: &Dirs, wanted: &MasterSpec, user: &User) -> Result<(), attach::Error> {
    let mut host = Rtnetlink::open()?;
    let _lock = lock(dirs)?;
    let nics = nics(wanted, &mut host)?;
    let mut masters = Masters { dirs, user, wanted, host, made: Vec::new() };
    masters.verify(&nics)?;
    masters.put_in_place(&nics).map_err(|error| {
        error.and(release::remove_user_of_all(dirs, &user.key, &masters.made, &mut masters.host))
    })
}

pub(super) struct Masters<'a> {
    pub(super) dirs: &'a Dirs,
    pub(super) user: &'a User,
    pub(super) wanted: &'a MasterSpec,
    pub(super) host: Rtnetlink,
    /// What this call made.
    pub(super) made: Vec<String>,
}

/// The interfaces as they are.
pub(super) fn nics(wanted: &MasterSpec, host: &mut Rtnetlink) -> Result<Vec<Link>, attach::Error> {
    let find = |name: &String| -> Result<Link, attach::Error> {
        let link = host.link_by_name(name)?.ok_or_else(|| Error::NoInterface { name: name.clone() })?;
        if link.hardware_type == INFINIBAND && wanted.vlan.is_some() {
            return Err(Error::Infiniband { name: name.clone() }.into());
        }
        Ok(link)
    };
    wanted.interfaces.iter().map(find).collect()
}

impl Masters<'_> {
    /// Looks at everything that is there already, before anything is changed.
    fn verify(&mut self, nics: &[Link]) -> Result<(), attach::Error> {
        let below = match &self.wanted.bond {
            Some(bond) => self.verify_bond(bond, nics)?,
            None => nics.first().cloned(),
        };
        match (&self.wanted.vlan, below) {
            (Some(vlan), Some(below)) => self.verify_vlan(vlan, &below),
            // Without the bond there is no VLAN on it.
            (Some(vlan), None) => self.verify_absent(vlan),
            (None, _) => Ok(()),
        }
    }

    fn put_in_place(&mut self, nics: &[Link]) -> Result<(), attach::Error> {
        let below = match &self.wanted.bond {
            Some(bond) => Some(self.provide_bond(bond, nics)?),
            None => nics.first().cloned(),
        };
        if let (Some(vlan), Some(below)) = (&self.wanted.vlan, below) {
            self.provide_vlan(vlan, &below)?;
        }
        Ok(())
    }

    pub(super) fn bring_up(&mut self, link: &Link) -> Result<(), attach::Error> {
        if !link.is_up() {
            tracing::info!(ifname = link.name, "bringing up");
            self.host.set_link(link.index, &LinkChange::UP)?;
        }
        Ok(())
    }

    /// The link's ledger with this attachment among its users, in place before the link is touched.
    pub(super) fn record_user(
        &mut self,
        name: &str,
        kind: &str,
        present: Option<&Link>,
        below: Option<&Link>,
        fill: impl FnOnce(&mut Ledger),
    ) -> Result<Ledger, attach::Error> {
        let mut ledger = match Ledger::load(self.dirs, name)? {
            Some(ledger) => ledger,
            None => Ledger::new(name, kind)?,
        };
        ledger.join(self.user);
        ledger.cleanup = self.wanted.cleanup;
        match present {
            Some(link) if ledger.index.is_none_or(|index| index == link.index) => {
                ledger.index = Some(link.index);
            }
            // Another link than the one we knew: not made here.
            Some(link) => (ledger.index, ledger.made) = (Some(link.index), false),
            None => {
                (ledger.index, ledger.made, ledger.unfinished) = (None, true, true);
                fill(&mut ledger);
                self.made.push(name.to_owned());
            }
        }
        ledger.raise(present.into_iter().chain(below), &Ledger::read_all(self.dirs)?);
        ledger.save(self.dirs)?;
        Ok(ledger)
    }

    /// The link is complete.
    pub(super) fn settle(&mut self, mut ledger: Ledger) -> Result<Link, attach::Error> {
        let link = self.host.link_by_name(&ledger.name)?;
        let link = link.ok_or_else(|| Error::Vanished { name: ledger.name.clone() })?;
        (ledger.index, ledger.unfinished) = (Some(link.index), false);
        ledger.save(self.dirs)?;
        Ok(link)
    }

    /// As asked for, or as much as the NICs have.
    pub(super) fn mtu(&self, nics: &[Link]) -> Option<u32> {
        self.wanted.mtu.or(nics.iter().map(|nic| nic.mtu).min())
    }

    pub(super) fn require_mtu(&self, link: &Link) -> Result<(), attach::Error> {
        match self.wanted.mtu {
            Some(mtu) if mtu > link.mtu => {
                Err(Error::Mtu { mtu, have: link.mtu, name: link.name.clone() }.into())
            }
            _ => Ok(()),
        }
    }

    fn verify_vlan(&mut self, wanted: &super::VlanSpec, below: &Link) -> Result<(), attach::Error> {
        if self.wanted.bond.is_none() {
            self.require_mtu(below)?;
        }
        match self.host.link_by_name(&wanted.name)? {
            Some(link) => {
                vlan::verify(wanted, &link, below)?;
                self.require_mtu(&link)
            }
            None => vlan::require_free(wanted, below, &mut self.host),
        }
    }

    fn verify_absent(&mut self, wanted: &super::VlanSpec) -> Result<(), attach::Error> {
        match (self.host.link_by_name(&wanted.name)?, &self.wanted.bond) {
            (Some(link), Some(bond)) => Err(vlan::differs(wanted, &link, &bond.name).into()),
            _ => Ok(()),
        }
    }

    fn verify_bond(
        &mut self,
        wanted: &super::BondSpec,
        nics: &[Link],
    ) -> Result<Option<Link>, attach::Error> {
        let present = self.host.link_by_name(&wanted.name)?;
        let ledger = Ledger::load(self.dirs, &wanted.name)?;
        match &present {
            Some(link) => {
                bond::verify(wanted, link)?;
                self.require_mtu(link)?;
                // One that an ADD was killed in has some ports yet to get.
                let unfinished = ledger.is_some_and(|ledger| ledger.unfinished && ledger.link_is(link));
                bond::verify_ports(wanted, link, nics, unfinished, &mut self.host)?;
            }
            None => bond::require_free(nics, &mut self.host)?,
        }
        Ok(present)
    }
}

impl Ledger {
    fn link_is(&self, link: &Link) -> bool {
        self.index.is_none_or(|index| index == link.index)
    }
}
