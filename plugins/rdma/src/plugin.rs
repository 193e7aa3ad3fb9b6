use cni::{CniResult, Error, Plugin, Request, ValidAttachments};
use devices::rdma;

use crate::conf::wanted;

/// The plugin.
#[derive(Debug)]
pub struct RdmaPlugin;

impl Plugin for RdmaPlugin {
    fn about(&self) -> &'static str {
        "railcni rdma: the RDMA device of the chain's interface, in the pod"
    }

    fn add(&self, request: &Request) -> Result<CniResult, Error> {
        rdma::add(request, &wanted(request)?)
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        rdma::del(request)
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        rdma::check(request, &wanted(request)?)
    }

    fn gc(&self, request: &Request, valid: &ValidAttachments) -> Result<(), Error> {
        rdma::gc(request, valid)
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        rdma::status(wanted(request)?.policy)
    }

    fn log_name(&self) -> &'static str {
        "rdma-cni"
    }
}
