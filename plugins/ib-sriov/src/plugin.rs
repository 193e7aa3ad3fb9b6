use cni::{CniResult, Error, Plugin, Request, ValidAttachments};
use devices::vf::{self, VfKind};

use crate::conf::{isolation, wanted};

/// The plugin.
#[derive(Debug)]
pub struct IbSriov;

impl Plugin for IbSriov {
    fn about(&self) -> &'static str {
        "railcni ib-sriov: a VF of an InfiniBand PF, with its GUIDs and RDMA device, in the pod"
    }

    fn add(&self, request: &Request) -> Result<CniResult, Error> {
        vf::add(request, &wanted(request)?)
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        vf::del(request, VfKind::InfiniBand)
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        vf::check(request, &wanted(request)?)
    }

    fn gc(&self, request: &Request, valid: &ValidAttachments) -> Result<(), Error> {
        vf::gc(request, VfKind::InfiniBand, valid)
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        vf::status(request, isolation(request)?)
    }
}
