//! Rails of one pod that come and go together: the steps of the single plugins, each taken for all rails at once, under
//! one record.
//!
//! What an interface is made of is its [`LinkSpec`]: a link that is made, or a VF.

mod add;
mod check;
mod del;
mod link;
mod undo;
mod unrecorded;

pub use add::add;
pub use check::{check, devices_on_record, status};
pub use del::{del, gc};
pub use link::{ChildOrVf, LinkSpec};

use std::rc::Rc;

use addresses::Detection;
use attach::Error;
use cni::Request;
use devices::rdma::require_shared;
use routing::Settings;
use undo::RailsUndo;

/// Whose records these are.
pub const PLUGIN: &str = "rail";

/// One rail of an attachment.
pub struct Rail {
    /// What its single plugin would get: with the rail's own interface name and config.
    pub request: Request,
    /// What the interface is to be.
    pub link: LinkSpec,
    /// `None`: routes stay as the addresses bring them. The rails of a network share theirs.
    pub routing: Option<Rc<Settings>>,
    /// How the pod gets at RDMA.
    pub rdma: RdmaMode,
}

/// How a pod gets at RDMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RdmaMode {
    /// Not by this network.
    None,
    /// It sees the node's devices.
    Shared,
    /// It has the VF's own.
    Exclusive,
}

/// For the verbs that detect nothing: what is to be detected is valid.
fn require_detection(rails: &[Rail]) -> Result<(), cni::Error> {
    rails.iter().try_for_each(|rail| Detection::of(&rail.request.config).map(drop))
}

/// In exclusive mode the pod would see no device at all.
fn require_rdma(rails: &[Rail]) -> Result<(), Error> {
    if rails.iter().any(|rail| rail.rdma == RdmaMode::Shared) { require_shared() } else { Ok(()) }
}

impl Rail {
    fn ifname(&self) -> &str {
        &self.request.env.ifname
    }
}
