use cni::{CniResult, Error, Plugin, Request, ValidAttachments};
use devices::vf;

use crate::conf::wanted;

/// The CNI type, the file name, and the peer's folder.
const NAME: vf::Plugin = vf::Plugin { name: "sriov" };

/// The plugin.
#[derive(Debug)]
pub struct Sriov;

impl Plugin for Sriov {
    fn about(&self) -> &'static str {
        "railcni sriov: a VF of an Ethernet PF, in the pod"
    }

    fn add(&self, request: &Request) -> Result<CniResult, Error> {
        vf::add(request, NAME, &wanted(request)?)
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        vf::del(request, NAME)
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        vf::check(request, NAME, &wanted(request)?)
    }

    fn gc(&self, request: &Request, valid: &ValidAttachments) -> Result<(), Error> {
        vf::gc(request, NAME, valid)
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        vf::status(request)
    }

    /// What the operator's conformance suite looks for in the log.
    fn log_name(&self) -> &'static str {
        "sriov-cni"
    }
}
