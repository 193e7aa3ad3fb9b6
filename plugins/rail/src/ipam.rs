use attach::ipam::{Delegated, Ipam, is_ours};
use cni::{CniResult, Error, Plugin, Request, ValidAttachments};
use rail_ipam::RailIpam;

/// Our own IPAM without a process of its own, and any other as its plugin.
#[derive(Default)]
pub(crate) struct InProcessIpam {
    ours: RailIpam,
}

impl Ipam for InProcessIpam {
    fn require(&self, request: &Request, plugin: &str) -> Result<(), Error> {
        if is_ours(plugin) { Ok(()) } else { Delegated.require(request, plugin) }
    }

    fn add(&self, request: &Request, plugin: &str) -> Result<CniResult, Error> {
        if is_ours(plugin) { self.ours.add(request) } else { Delegated.add(request, plugin) }
    }

    fn del(&self, request: &Request, plugin: &str) -> Result<(), Error> {
        if is_ours(plugin) { self.ours.del(request) } else { Delegated.del(request, plugin) }
    }

    fn check(&self, request: &Request, plugin: &str) -> Result<(), Error> {
        if is_ours(plugin) { self.ours.check(request) } else { Delegated.check(request, plugin) }
    }

    fn gc(&self, request: &Request, plugin: &str) -> Result<(), Error> {
        if !is_ours(plugin) {
            return Delegated.gc(request, plugin);
        }
        ValidAttachments::from_config(&request.config)?.map_or(Ok(()), |valid| self.ours.gc(request, &valid))
    }

    fn status(&self, request: &Request, plugin: &str) -> Result<(), Error> {
        if is_ours(plugin) { self.ours.status(request) } else { Delegated.status(request, plugin) }
    }
}
