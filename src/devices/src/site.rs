use attach::Pod;
use netlink::Rtnetlink;
use state::Dirs;

use crate::rdma;

/// Where an ADD attaches: what is opened once for all of its rails.
#[derive(Debug)]
pub struct Site {
    /// Where claims, records and caches are.
    pub dirs: Dirs,
    /// rtnetlink on the host.
    pub host: Rtnetlink,
    /// The pod.
    pub pod: Pod,
    /// What is known of the node's RDMA.
    pub rdma: rdma::NodeRdma,
}
