//! Devices that a pod gets for its time, as steps that can be undone: VFs on Ethernet and `InfiniBand`, subfunctions, and
//! the RDMA devices that go with them.

mod claim;
mod holders;
mod rail;
pub mod rdma;
mod upstream;
pub mod vf;

pub use claim::Owner;
pub use rail::RailUndo;

use attach::Pod;
use netlink::Rtnetlink;
use state::Dirs;

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
