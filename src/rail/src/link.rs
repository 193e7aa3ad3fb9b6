use attach::locks::LockFile;
use attach::{Error, key_of, not_available};
use cni::{Interface, Request};
use devices::rdma::{Policy, require_exclusive};
use devices::vf::{PreparedVf, VfSpec};
use devices::{MadeRail, Part, Site};
use links::child::{self, Child, PodLink};
use netlink::{Link, Rtnetlink};

use super::undo::RailRecord;
use super::vf;

/// What a rail's interface is to be, as the config of its plugin says.
pub enum LinkSpec {
    /// A link that is made on a master: macvlan, ipvlan, ipoib.
    Child(Box<dyn child::Kind>),
    /// A VF, with its RDMA device if that goes along.
    Vf(Box<VfSpec>),
}

impl LinkSpec {
    /// What there is to do; looks, and changes nothing.
    pub(super) fn plan(&self, site: &mut Site) -> Result<Step<'_>, cni::Error> {
        match self {
            Self::Child(kind) => {
                let child = kind.plan(&mut site.host, &mut site.pod)?;
                child.require_parent_free(&mut site.host)?;
                Ok(Step::Child(Box::new(child)))
            }
            Self::Vf(spec) => Ok(Step::Vf(Box::new(vf::find(spec, site)?))),
        }
    }

    /// How interface and device differ from what they are to be. `rail` has its part of `prevResult`.
    pub(super) fn differences(
        &self,
        rail: &Request,
        made: &MadeRail,
        site: &mut Site,
    ) -> Result<Vec<String>, cni::Error> {
        match self {
            Self::Child(kind) => child::differences(rail, kind.as_ref(), &mut site.host, &mut site.pod),
            Self::Vf(spec) => vf::differences(spec, rail, made, site),
        }
    }

    /// For STATUS, which knows neither pod nor device: the node can serve.
    pub(super) fn require(&self, host: &mut Rtnetlink) -> Result<(), cni::Error> {
        match self {
            Self::Child(kind) => kind.require_parent(host).map_err(not_available),
            Self::Vf(spec) if spec.has_rdma() => {
                require_exclusive(Policy::Exclusive).map_err(|error| not_available(error.into()))?;
                Ok(())
            }
            Self::Vf(_) => Ok(()),
        }
    }
}

/// The attachment of one interface, in the order of its methods, each of which gets the same `rail`.
pub(super) enum Step<'a> {
    Child(Box<Child>),
    Vf(Box<PreparedVf<'a>>),
}

impl Step<'_> {
    /// How to undo it, where that is known without a lock.
    pub(super) fn planned(&self, rail: &Request) -> Result<Vec<Part>, Error> {
        match self {
            Self::Child(child) => Ok(vec![Part::Child(PodLink::planned(&key_of(rail)?, child, None))]),
            Self::Vf(_) => Ok(Vec::new()),
        }
    }

    /// Files whose locks are to be held while it looks and acts, and no longer. Other pods may want the same.
    pub(super) fn locks(&self, site: &Site) -> Result<Vec<LockFile>, Error> {
        match self {
            Self::Child(_) => Ok(Vec::new()),
            Self::Vf(vf) => vf.locks(&site.dirs),
        }
    }

    /// Looks once more, now that nobody else acts; how to undo all that [`attach`](Self::attach) does.
    pub(super) fn plan_locked(&mut self, rail: &Request, site: &mut Site) -> Result<Vec<Part>, Error> {
        match self {
            Self::Child(_) => self.planned(rail),
            Self::Vf(vf) => vf::prepare(vf, rail, site),
        }
    }

    /// Brings the interface into the pod, complete and under its name.
    pub(super) fn attach(&mut self, site: &mut Site, record: &mut RailRecord<'_>) -> Result<Link, Error> {
        match self {
            Self::Child(child) => {
                let ifname = record.key.ifname.clone();
                let link = child.create(&mut site.host, &mut site.pod, &ifname, record)?;
                record.set(|made| made.child_mut().into_iter().for_each(|undo| undo.made(&link)));
                Ok(link)
            }
            Self::Vf(vf) => vf::move_to_pod(vf, site, record),
        }
    }

    /// The parent on the host, if it hears what is meant for the interface.
    pub(super) fn hears_for(&self) -> Option<&Link> {
        if let Self::Child(child) = self { child.hears_for() } else { None }
    }

    /// As the result has it.
    pub(super) fn interface(&self, rail: &Request, link: &Link, site: &Site) -> Interface {
        match self {
            Self::Child(_) => child::interface(link, rail),
            Self::Vf(vf) => vf.interface(&rail.env.ifname, Some(link), &site.pod),
        }
    }

    /// Leaves what others look for once all is done.
    pub(super) fn finish(&self, rail: &Request, site: &Site, made: &MadeRail) -> Result<(), Error> {
        if let Self::Vf(vf) = self { vf::save(vf, rail, site, made) } else { Ok(()) }
    }
}
