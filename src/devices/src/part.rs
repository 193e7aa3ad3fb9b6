use attach::claim::Claimed;
use attach::{Error, Undo, UndoContext};
use serde::{Deserialize, Serialize};

use crate::rdma::RdmaUndo;
use crate::vf::{VfKind, VfUndo};
use links::child::PodLink;

/// The undo of one step of a rail, as the step's own plugin would have written it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is named after its plugin")]
pub enum Part {
    Child(PodLink),
    Sriov(VfUndo),
    Rdma(RdmaUndo),
    IbSriov(VfUndo),
}

/// What the record of an attachment of several rails says of devices; the rest of it is not read.
#[derive(Debug, Deserialize)]
pub struct Parts {
    rails: Vec<RailParts>,
}

#[derive(Debug, Deserialize)]
struct RailParts {
    parts: Vec<Part>,
}

impl Parts {
    fn of_device<U>(self, device: &str, pick: impl FnMut(Part) -> Option<U>) -> Option<U> {
        let parts = self.rails.into_iter().flat_map(|rail| rail.parts);
        parts.filter(|part| part.device() == Some(device)).find_map(pick)
    }
}

impl Claimed for VfUndo {
    type Shared = Parts;

    fn of_device(shared: Parts, device: &str) -> Option<Self> {
        shared.of_device(device, |part| match part {
            Part::Sriov(undo) | Part::IbSriov(undo) => Some(undo),
            _ => None,
        })
    }
}

impl Claimed for RdmaUndo {
    type Shared = Parts;

    fn of_device(shared: Parts, device: &str) -> Option<Self> {
        shared.of_device(device, |part| if let Part::Rdma(undo) = part { Some(undo) } else { None })
    }
}

impl From<VfUndo> for Part {
    fn from(undo: VfUndo) -> Self {
        match undo.kind() {
            VfKind::Ethernet => Self::Sriov(undo),
            VfKind::InfiniBand => Self::IbSriov(undo),
        }
    }
}

impl Part {
    /// The VF's, if it is one.
    pub fn vf(&self) -> Option<&VfUndo> {
        match self {
            Self::Sriov(undo) | Self::IbSriov(undo) => Some(undo),
            _ => None,
        }
    }

    /// As [`vf`](Self::vf).
    pub fn vf_mut(&mut self) -> Option<&mut VfUndo> {
        match self {
            Self::Sriov(undo) | Self::IbSriov(undo) => Some(undo),
            _ => None,
        }
    }

    /// `None` for a link that is made.
    fn device(&self) -> Option<&str> {
        match self {
            Self::Child(_) => None,
            Self::Sriov(undo) | Self::IbSriov(undo) => Some(&undo.device),
            Self::Rdma(undo) => Some(&undo.device),
        }
    }

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
