use attach::{Error, Undo, UndoContext};
use links::child::PodLink;
use serde::{Deserialize, Serialize};

use crate::rdma::RdmaUndo;
use crate::vf::{VfKind, VfUndo};

/// The undo of one step of a rail, as the step's own plugin would have written it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is named after its plugin")]
pub enum StepUndo {
    Child(PodLink),
    Sriov(VfUndo),
    Rdma(RdmaUndo),
    IbSriov(VfUndo),
}

/// One rail of an attachment of several, as its record has it.
#[derive(Debug, Serialize, Deserialize)]
pub struct RailUndo {
    /// Its interface.
    pub ifname: String,
    /// The IPAM plugin that gave its addresses.
    pub ipam: Option<String>,
    /// In the order in which they were done.
    pub parts: Vec<StepUndo>,
}

/// What the record of such an attachment says of devices; the rest of it is not read.
#[derive(Debug, Deserialize)]
pub(crate) struct RailsOnRecord {
    rails: Vec<RailUndo>,
}

impl RailsOnRecord {
    /// The undo of the VF.
    pub(crate) fn vf(self, device: &str) -> Option<VfUndo> {
        self.find(|part| match part {
            StepUndo::Sriov(undo) | StepUndo::IbSriov(undo) if undo.device == device => Some(undo),
            _ => None,
        })
    }

    /// The undo of the VF's RDMA device.
    pub(crate) fn rdma(self, device: &str) -> Option<RdmaUndo> {
        self.find(|part| match part {
            StepUndo::Rdma(undo) if undo.device == device => Some(undo),
            _ => None,
        })
    }

    fn find<U>(self, pick: impl FnMut(StepUndo) -> Option<U>) -> Option<U> {
        self.rails.into_iter().flat_map(|rail| rail.parts).find_map(pick)
    }
}

impl RailUndo {
    /// Its VF, if it is one.
    pub fn vf(&self) -> Option<&VfUndo> {
        self.parts.iter().find_map(|part| match part {
            StepUndo::Sriov(undo) | StepUndo::IbSriov(undo) => Some(undo),
            _ => None,
        })
    }

    /// As [`vf`](Self::vf).
    pub fn vf_mut(&mut self) -> Option<&mut VfUndo> {
        self.parts.iter_mut().find_map(|part| match part {
            StepUndo::Sriov(undo) | StepUndo::IbSriov(undo) => Some(undo),
            _ => None,
        })
    }

    /// The RDMA device that went with it.
    pub fn rdma(&self) -> Option<&RdmaUndo> {
        self.parts.iter().find_map(|part| if let StepUndo::Rdma(undo) = part { Some(undo) } else { None })
    }

    /// The link that was made for it, if it is one.
    pub fn child(&self) -> Option<&PodLink> {
        self.parts.iter().find_map(|part| if let StepUndo::Child(link) = part { Some(link) } else { None })
    }

    /// As [`child`](Self::child).
    pub fn child_mut(&mut self) -> Option<&mut PodLink> {
        self.parts
            .iter_mut()
            .find_map(|part| if let StepUndo::Child(link) = part { Some(link) } else { None })
    }
}

impl From<VfUndo> for StepUndo {
    fn from(undo: VfUndo) -> Self {
        match undo.kind() {
            VfKind::Ethernet => Self::Sriov(undo),
            VfKind::InfiniBand => Self::IbSriov(undo),
        }
    }
}

impl StepUndo {
    /// Puts back what the step did. Links that were made go together, by [`delete_all`](links::child::delete_all).
    pub fn undo(&self, context: &mut UndoContext) -> Result<(), Error> {
        match self {
            // Within one grace period of the kernel.
            Self::Child(_) => Ok(()),
            Self::Sriov(undo) | Self::IbSriov(undo) => undo.undo(context),
            Self::Rdma(undo) => undo.undo(context),
        }
    }
}
