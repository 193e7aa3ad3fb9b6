use attach::{Error, Undo, UndoContext};
use cni::CniResult;
use devices::Part;
use links::child::{PodLink, delete_all};
use serde::{Deserialize, Serialize};

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

impl Made {
    /// Keeps in mind what each rail has got.
    pub(super) fn given(&mut self, results: Vec<CniResult>) {
        self.promised(&results);
        self.results = results;
    }

    /// And what each is about to get.
    pub(super) fn promised(&mut self, results: &[CniResult]) {
        for (rail, result) in self.rails.iter_mut().zip(results) {
            for part in &mut rail.parts {
                if let Part::Child(link) = part {
                    link.given(result.ips.iter().map(|ip| ip.address.addr()));
                }
            }
        }
    }

    /// The VF of each rail, by the interface that it is.
    pub(super) fn devices(&self) -> Vec<(String, String)> {
        let device = |rail: &MadeRail| Some(rail.parts.iter().find_map(Part::vf)?.device.clone());
        self.rails.iter().filter_map(|rail| Some((rail.ifname.clone(), device(rail)?))).collect()
    }

    fn children(&self) -> impl Iterator<Item = &PodLink> {
        let parts = self.rails.iter().flat_map(|rail| &rail.parts);
        parts.filter_map(|part| if let Part::Child(link) = part { Some(link) } else { None })
    }
}

impl Undo for Made {
    fn undo(&self, context: &mut UndoContext) -> Result<(), Error> {
        let deleted = |ifname: &str| self.children().any(|link| link.ifname == ifname);
        let mut outcomes = vec![routing::undo_all(&self.routing, context, deleted)];
        for rail in &self.rails {
            outcomes.extend(rail.parts.iter().rev().map(|part| part.undo(context)));
        }
        outcomes.push(delete_all(self.children(), context));
        Error::all(outcomes)
    }

    /// Links are known by more than their names, once they are made.
    fn silences(&self) -> bool {
        let mut parts = self.rails.iter().flat_map(|rail| &rail.parts);
        parts.all(|part| match part {
            Part::Child(link) => link.silences(),
            Part::Rdma(_) => true,
            Part::Sriov(_) | Part::IbSriov(_) => false,
        })
    }
}
