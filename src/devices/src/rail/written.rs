//! How a record has a rail: a list of parts, in the order in which they were done.

use links::child::PodLink;
use serde::{Deserialize, Serialize, Serializer};

use super::RailUndo;
use crate::rdma::RdmaUndo;
use crate::vf::{VfKind, VfUndo};

#[derive(Serialize, Deserialize)]
pub(super) struct Written<N, C, V, R> {
    ifname: N,
    ipam: Option<N>,
    parts: Vec<Part<C, V, R>>,
}

/// Each is named after its plugin.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part<C, V, R> {
    Child(C),
    Sriov(V),
    Rdma(R),
    IbSriov(V),
}

impl Serialize for RailUndo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let child = self.child.as_ref().map(Part::Child);
        let vf = self.vf.as_ref().map(|undo| match undo.kind() {
            VfKind::Ethernet => Part::Sriov(undo),
            VfKind::InfiniBand => Part::IbSriov(undo),
        });
        let rdma = self.rdma.as_ref().map(Part::Rdma);
        let parts = child.into_iter().chain(vf).chain(rdma).collect();
        Written { ifname: &self.ifname, ipam: self.ipam.as_ref(), parts }.serialize(serializer)
    }
}

impl From<Written<String, PodLink, VfUndo, RdmaUndo>> for RailUndo {
    /// No version has written two of one sort.
    fn from(written: Written<String, PodLink, VfUndo, RdmaUndo>) -> Self {
        let mut rail = Self::of(written.ifname, written.ipam);
        for part in written.parts {
            match part {
                Part::Child(link) => rail.child = Some(link),
                Part::Sriov(undo) | Part::IbSriov(undo) => rail.vf = Some(undo),
                Part::Rdma(undo) => rail.rdma = Some(undo),
            }
        }
        rail
    }
}
