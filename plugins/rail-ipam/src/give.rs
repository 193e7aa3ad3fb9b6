//! The addresses of one ADD, from what this node may hand out at the moment at which they are leased.

use std::net::IpAddr;

use cni::{CniResult, Error, Request};
use ipam::{AttachmentKey, Declined, Leases, Namespace, Present, RangeSet, Store, allocate};
use state::Dirs;

use crate::conf::{self, Conf};
use crate::interfaces::{Glance, Interfaces};
use crate::lost::Lost;
use crate::pools::Pools;
use crate::{failure, plugin, reply};

/// What an ADD wants, and the pools as they were last read.
pub(crate) struct Give<'r> {
    request: &'r Request,
    conf: &'r Conf,
    dirs: &'r Dirs,
    requested: &'r [IpAddr],
    key: AttachmentKey,
    owner: Option<String>,
    foreign: RangeSet,
    lost: Lost,
    declined: Declined,
    interfaces: Interfaces,
    pools: Pools,
    /// Pools in which the owner has no address anywhere.
    unpinned: Vec<String>,
}

impl<'r> Give<'r> {
    /// Reads all that it depends on, and validates it; nothing is locked yet.
    pub(crate) fn new(
        request: &'r Request,
        conf: &'r Conf,
        dirs: &'r Dirs,
        requested: &'r [IpAddr],
        glance: &Glance,
    ) -> Result<Self, Error> {
        let pools = Pools::load(request, conf, dirs, namespace(request)).map_err(failure::of)?;
        let sets = pools.select(request, namespace(request)).map_err(failure::of)?;
        conf::fits_version(request.config.cni_version, &plugin::families(&sets))?;
        let lost = Lost::look(&plugin::store(dirs, conf.lock_timeout)?, dirs)?;
        Ok(Self {
            foreign: plugin::foreign(request, conf, dirs)?.joined(lost.addresses()),
            lost,
            declined: conf::declined(request)?,
            key: plugin::key(request),
            owner: plugin::owner(request),
            interfaces: Interfaces::of(request, glance)?,
            pools,
            unpinned: Vec::new(),
            request,
            conf,
            dirs,
            requested,
        })
    }

    /// The owner has no address of the pool on any node: another one will do.
    pub(crate) fn take_any(&mut self, pool: String) {
        self.unpinned.push(pool);
    }

    /// Takes over what the agent has written meanwhile.
    pub(crate) fn load_again(&mut self) -> Result<(), ipam::Error> {
        self.pools = self.load()?;
        Ok(())
    }

    fn load(&self) -> Result<Pools, ipam::Error> {
        Pools::load(self.request, self.conf, self.dirs, namespace(self.request))
    }

    /// Leases them, all or none.
    pub(crate) fn addresses(&self) -> Result<CniResult, ipam::Error> {
        let store = ipam::JournalStore::new(self.dirs, self.conf.lock_timeout)?;
        let mut result = CniResult::default();
        let decide = &mut |leases: &dyn Leases| {
            // What the agent has given back since belongs to another node by now.
            let are_current = self.pools.are_current()?;
            let fresh = if are_current { None } else { Some(self.load()?) };
            self.choose(fresh.as_ref().unwrap_or(&self.pools), leases, &mut result)
        };
        store.update(decide)?;
        Ok(result)
    }

    /// What the runtime is told.
    pub(crate) fn failure(&self, error: ipam::Error) -> Error {
        use ipam::Error::{Exhausted, NotGranted, Spent};
        let is_empty = matches!(error, Exhausted { .. } | Spent { .. } | NotGranted { .. });
        let mut error = failure::of(error);
        if let Some(why) = self.lost.why().filter(|_| is_empty) {
            error.msg = format!("{}; {why}", error.msg);
        }
        error
    }

    fn choose(
        &self,
        pools: &Pools,
        leases: &dyn Leases,
        result: &mut CniResult,
    ) -> Result<Vec<ipam::Change>, ipam::Error> {
        let sets = pools.select(self.request, namespace(self.request))?;
        let holder = &|ip| self.interfaces.holder(ip);
        let present = &Present { node: self.interfaces.node(), pod: self.interfaces.pod(), holder };
        let wish = ipam::Request {
            key: &self.key,
            sets: &sets,
            requested: self.requested,
            owner: self.owner.as_deref(),
            unpinned: &self.unpinned,
            foreign: &self.foreign,
            present,
            declined: &self.declined,
            now: ipam::journal::now(),
        };
        let allocation = allocate(&wish, leases)?;
        *result = reply::result(self.conf, &allocation.grants, pools.have_default_route());
        Ok(allocation.changes)
    }
}

fn namespace(request: &Request) -> Namespace<'_> {
    request.env.args.get("K8S_POD_NAMESPACE").map_or(Namespace::Unknown, Namespace::Named)
}
