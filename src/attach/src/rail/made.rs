use cni::CniResult;
use serde::{Deserialize, Serialize};

use crate::child::{PodLink, delete_all};
use crate::ib::IbUndo;
use crate::rdma::RdmaUndo;
use crate::routing;
use crate::vf::VfUndo;
use crate::{Error, Scene, Undo};

/// How to undo an attachment, and what CHECK compares with.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Made {
    pub(super) rails: Vec<MadeRail>,
    pub(super) routing: Vec<routing::Undo>,
    /// One for each rail, once all is done.
    pub(super) results: Vec<CniResult>,
}

/// One rail of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MadeRail {
    pub(super) ifname: String,
    /// The IPAM plugin that gave its addresses.
    pub(super) ipam: Option<String>,
    /// In the order in which they were done.
    pub(super) parts: Vec<Part>,
}

/// The undo of one step of a rail, as the step's own plugin would have written it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is named after its plugin")]
pub enum Part {
    Child(PodLink),
    Sriov(VfUndo),
    Rdma(RdmaUndo),
    IbSriov(IbUndo),
}

/// An undo that may be a part of a rail's record.
pub(crate) trait FromPart: Sized {
    /// The undo, if the part is one of this kind.
    fn from_part(part: Part) -> Option<Self>;
}

impl FromPart for VfUndo {
    fn from_part(part: Part) -> Option<Self> {
        if let Part::Sriov(undo) = part { Some(undo) } else { None }
    }
}

impl FromPart for RdmaUndo {
    fn from_part(part: Part) -> Option<Self> {
        if let Part::Rdma(undo) = part { Some(undo) } else { None }
    }
}

impl FromPart for IbUndo {
    fn from_part(part: Part) -> Option<Self> {
        if let Part::IbSriov(undo) = part { Some(undo) } else { None }
    }
}

impl Part {
    /// `None` for a link that is made.
    fn device(&self) -> Option<&str> {
        match self {
            Self::Child(_) => None,
            Self::Sriov(undo) => Some(&undo.device),
            Self::Rdma(undo) => Some(&undo.device),
            Self::IbSriov(undo) => Some(&undo.device),
        }
    }

    fn undo(&self, scene: &mut Scene) -> Vec<Error> {
        match self {
            // These go together, within one grace period of the kernel.
            Self::Child(_) => Vec::new(),
            Self::Sriov(undo) => undo.undo(scene),
            Self::Rdma(undo) => undo.undo(scene),
            Self::IbSriov(undo) => undo.undo(scene),
        }
    }
}

impl Made {
    /// The undo of one kind of a device's.
    pub(crate) fn into_part<U: FromPart>(self, device: &str) -> Option<U> {
        let parts = self.rails.into_iter().flat_map(|rail| rail.parts);
        parts.filter(|part| part.device() == Some(device)).find_map(U::from_part)
    }

    fn children(&self) -> impl Iterator<Item = &PodLink> {
        let parts = self.rails.iter().flat_map(|rail| &rail.parts);
        parts.filter_map(|part| if let Part::Child(link) = part { Some(link) } else { None })
    }
}

impl Undo for Made {
    fn undo(&self, scene: &mut Scene) -> Vec<Error> {
        let deleted = |ifname: &str| self.children().any(|link| link.ifname == ifname);
        let mut errors = routing::leave_before(&self.routing, scene, deleted);
        for rail in &self.rails {
            errors.extend(rail.parts.iter().rev().flat_map(|part| part.undo(scene)));
        }
        errors.extend(delete_all(self.children(), scene));
        errors
    }
}
