use cni::{CniResult, Error, Plugin, Request, ValidAttachments};
use devices::vf::{self, VfKind};

use crate::conf::wanted;

/// The plugin.
#[derive(Debug)]
pub struct Sriov;

impl Plugin for Sriov {
    fn about(&self) -> &'static str {
        "railcni sriov: a VF of an Ethernet PF, in the pod"
    }

    fn add(&self, request: &Request) -> Result<CniResult, Error> {
        vf::add(request, &wanted(request)?)
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        vf::del(request, VfKind::Ethernet)
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        vf::check(request, &wanted(request)?)
    }

    fn gc(&self, request: &Request, valid: &ValidAttachments) -> Result<(), Error> {
        vf::gc(request, VfKind::Ethernet, valid)
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        vf::status(request, false)
    }

    /// What the operator's conformance suite looks for in the log.
    fn log_name(&self) -> &'static str {
        "sriov-cni"
    }
}
