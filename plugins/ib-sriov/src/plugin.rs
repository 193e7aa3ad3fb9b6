use cni::{CniResult, Error, Plugin, Request, ValidAttachments};
use devices::ib;

use crate::conf::{isolation, wanted};

/// The plugin.
#[derive(Debug)]
pub struct IbSriov;

impl Plugin for IbSriov {
    fn about(&self) -> &'static str {
        "railcni ib-sriov: a VF of an InfiniBand PF, with its GUIDs and RDMA device, in the pod"
    }

    fn add(&self, request: &Request) -> Result<CniResult, Error> {
        ib::add(request, &wanted(request)?)
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        ib::del(request)
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        ib::check(request, &wanted(request)?)
    }

    fn gc(&self, request: &Request, valid: &ValidAttachments) -> Result<(), Error> {
        ib::gc(request, valid)
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        ib::status(request, isolation(request)?)
    }
}
