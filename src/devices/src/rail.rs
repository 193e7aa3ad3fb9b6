//! What there is to undo of one rail, as the record of an attachment of several has it.

mod written;

use attach::{Error, Undo, UndoContext};
use links::child::PodLink;
use serde::Deserialize;

use self::written::Written;
use crate::rdma::RdmaUndo;
use crate::vf::VfUndo;

/// One rail: what was done for it, each as that one's own plugin would have written it.
#[derive(Debug, Deserialize)]
#[serde(from = "Written<String, PodLink, VfUndo, RdmaUndo>")]
pub struct RailUndo {
    /// Its interface.
    pub ifname: String,
    /// The IPAM plugin that gave its addresses.
    pub ipam: Option<String>,
    /// The link that was made for it.
    pub child: Option<PodLink>,
    /// Its VF, of either kind.
    pub vf: Option<VfUndo>,
    /// The RDMA device that went with the VF.
    pub rdma: Option<RdmaUndo>,
}

impl RailUndo {
    /// Before anything is done.
    pub fn of(ifname: String, ipam: Option<String>) -> Self {
        Self { ifname, ipam, child: None, vf: None, rdma: None }
    }

    /// Puts back RDMA device and VF, the last first. A link that was made stays: those of all rails go together, by
    /// [`delete_all`](links::child::delete_all), within one grace period of the kernel.
    pub fn undo(&self, context: &mut UndoContext) -> [Result<(), Error>; 2] {
        let rdma = self.rdma.as_ref().map_or(Ok(()), |undo| undo.undo(context));
        let vf = self.vf.as_ref().map_or(Ok(()), |undo| undo.undo(context));
        [rdma, vf]
    }
}

/// What the record of such an attachment says of devices; the rest of it is not read.
#[derive(Debug, Deserialize)]
pub(crate) struct RailsOnRecord {
    rails: Vec<RailUndo>,
}

impl RailsOnRecord {
    /// The undo of the VF.
    pub(crate) fn vf(self, device: &str) -> Option<VfUndo> {
        self.rails.into_iter().filter_map(|rail| rail.vf).find(|undo| undo.device == device)
    }

    /// The undo of the VF's RDMA device.
    pub(crate) fn rdma(self, device: &str) -> Option<RdmaUndo> {
        self.rails.into_iter().filter_map(|rail| rail.rdma).find(|undo| undo.device == device)
    }
}
