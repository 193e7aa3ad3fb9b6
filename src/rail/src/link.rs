use attach::locks::LockFile;
use attach::{Adding, Error, Failure, key_of, not_available};
use cni::{Interface, Request};
use devices::rdma::{self, Policy, PreparedRdma, require_exclusive};
use devices::vf::{self, Device, PreparedVf, VfSpec};
use devices::{Owner, RailUndo, Site};
use links::child::{self, Child, PodLink};
use netlink::{Link, Rtnetlink};

use super::PLUGIN;
use super::undo::RailsUndo;

/// One of the two sorts of interface that a rail can be, as a plan or as what has come of it.
pub enum ChildOrVf<C, V> {
    /// A link that is made on a master: macvlan, ipvlan, ipoib.
    Child(C),
    /// A VF, with its RDMA device if that goes along.
    Vf(V),
}

/// What a rail's interface is to be, as the config of its plugin says.
pub type LinkSpec = ChildOrVf<Box<dyn child::Kind>, Box<VfSpec>>;

/// What is known of it before its locks are held: of a VF no more than which device it is.
pub(super) type Found<'a> = ChildOrVf<Box<Child>, (&'a VfSpec, Device)>;

/// The attachment of one interface, in the order of its methods, each of which gets the same `rail`.
pub(super) type Step<'a> = ChildOrVf<Box<Child>, Box<PreparedVf<'a>>>;

impl LinkSpec {
    /// Looks for it, and changes nothing.
    pub(super) fn find(&self, site: &mut Site) -> Result<Found<'_>, cni::Error> {
        match self {
            Self::Child(kind) => {
                let child = kind.plan(&mut site.host, &mut site.pod)?;
                child.require_parent_free(&mut site.host)?;
                Ok(Found::Child(Box::new(child)))
            }
            Self::Vf(spec) => {
                if spec.has_rdma() {
                    site.rdma.require_exclusive()?;
                }
                let device = spec.find()?;
                require_interface(&device)?;
                Ok(Found::Vf((spec, device)))
            }
        }
    }

    /// How interface and device differ from what they are to be. `rail` has its part of `prevResult`.
    pub(super) fn differences(
        &self,
        rail: &Request,
        made: &RailUndo,
        site: &mut Site,
    ) -> Result<Vec<String>, cni::Error> {
        match self {
            Self::Child(kind) => child::differences(rail, kind.as_ref(), &mut site.host, &mut site.pod),
            Self::Vf(spec) => {
                let mut found = vf::differences(rail, spec, made.vf.as_ref(), &mut site.host, &mut site.pod)?;
                if let (Some(_), Some(undo)) = (&spec.rdma, &made.rdma) {
                    found.extend(rdma::of_device(undo, &site.pod)?);
                }
                Ok(found)
            }
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

impl<'a> Found<'a> {
    /// How to undo it, as far as that is known without a lock.
    pub(super) fn planned(&self, rail: &Request) -> Result<RailUndo, Error> {
        match self {
            Self::Child(child) => undo_of(rail, Some(child)),
            Self::Vf(_) => undo_of(rail, None),
        }
    }

    /// Files whose locks are to be held while it looks and acts, and no longer. Other pods may want the same.
    pub(super) fn locks(&self, site: &Site) -> Result<Vec<LockFile>, Error> {
        match self {
            Self::Child(_) => Ok(Vec::new()),
            Self::Vf((spec, device)) => spec.locks(&site.dirs, device),
        }
    }

    /// Looks once more, now that nobody else acts.
    pub(super) fn prepare(self, site: &mut Site) -> Result<Step<'a>, Error> {
        match self {
            Self::Child(child) => Ok(Step::Child(child)),
            Self::Vf((spec, _)) => Ok(Step::Vf(Box::new(PreparedVf::of(spec, site)?))),
        }
    }
}

impl Step<'_> {
    /// How to undo all that [`attach`](Self::attach) does.
    pub(super) fn undo(&self, rail: &Request, site: &Site) -> Result<RailUndo, Error> {
        match self {
            Self::Child(child) => undo_of(rail, Some(child)),
            Self::Vf(vf) => {
                let key = key_of(rail)?;
                let rdma = vf.rdma().map(|rdma| rdma.undo(key.clone(), &site.pod));
                let vf = Some(vf.undo(rail, key, site.pod.netns.path()));
                Ok(RailUndo { vf, rdma, ..undo_of(rail, None)? })
            }
        }
    }

    /// Brings the interface into the pod, complete and under its name. `position` is that of the rail in the record.
    pub(super) fn attach(
        &self,
        rail: &Request,
        position: usize,
        site: &mut Site,
        adding: &mut Adding<RailsUndo>,
    ) -> Result<Link, Error> {
        let key = key_of(rail)?;
        match self {
            Self::Child(child) => {
                let mut undo = PodLink::planned(&key, child, None);
                let persist = &mut |undo: &PodLink| adding.persist(|made| made.set_child(position, undo));
                let link = child.create(&mut site.host, &mut site.pod, &key, &mut undo, persist)?;
                adding.set(|made| made.set_child(position, &undo));
                Ok(link)
            }
            Self::Vf(vf) => {
                let owner = Owner::new(PLUGIN, key, Some(adding.key()), &site.pod.netns)?;
                let vanished = || Failure::Vanished { ifname: owner.key.ifname.clone() };
                let link = vf.move_to_pod(&owner, site)?.ok_or_else(vanished)?;
                adding.set(|made| made.set_vf(position, link.index));
                // After its interface: a RoCE port needs that in the same namespace.
                vf.rdma().map_or(Ok(()), |rdma| rdma.move_to_pod(&owner, &site.dirs, &site.pod))?;
                Ok(link)
            }
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
    pub(super) fn finish(&self, rail: &Request, site: &Site, made: &RailUndo) -> Result<(), Error> {
        if let (Self::Vf(vf), Some(undo)) = (self, &made.vf) {
            vf.save(&site.dirs, rail, undo)?;
        }
        made.rdma.as_ref().map_or(Ok(()), |undo| PreparedRdma::save(&site.dirs, undo))
    }
}

fn undo_of(rail: &Request, child: Option<&Child>) -> Result<RailUndo, Error> {
    let link = |child| Ok::<_, Error>(PodLink::planned(&key_of(rail)?, child, None));
    let child = child.map(link).transpose()?;
    Ok(RailUndo { child, ..RailUndo::of(rail.env.ifname.clone(), rail.config.ipam_type.clone()) })
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
