use attach::{Error, Undo, UndoContext};
use cni::CniResult;
use devices::RailUndo;
use links::child::{PodLink, delete_all};
use serde::{Deserialize, Serialize};

/// How to undo an attachment, and what CHECK compares with.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct RailsUndo {
    pub(super) rails: Vec<RailUndo>,
    pub(super) routing: Vec<routing::RoutingUndo>,
    /// One for each rail, once all is done.
    pub(super) results: Vec<CniResult>,
}

impl RailsUndo {
    /// Keeps in mind what each rail has got.
    pub(super) fn given(&mut self, results: Vec<CniResult>) {
        self.promised(&results);
        self.results = results;
    }

    /// And what each is about to get.
    pub(super) fn promised(&mut self, results: &[CniResult]) {
        for (rail, result) in self.rails.iter_mut().zip(results) {
            if let Some(link) = &mut rail.child {
                link.given(result.ips.iter().map(|ip| ip.address.addr()));
            }
        }
    }

    /// The VF of each rail, by the interface that it is.
    pub(super) fn devices(&self) -> Vec<(String, String)> {
        self.rails
            .iter()
            .filter_map(|rail| Some((rail.ifname.clone(), rail.vf.as_ref()?.device.clone())))
            .collect()
    }

    /// Keeps in mind what the link of a rail has come to be.
    pub(super) fn set_child(&mut self, position: usize, link: &PodLink) {
        self.rails[position].child = Some(link.clone());
    }

    /// And which index its VF has there.
    pub(super) fn set_vf(&mut self, position: usize, index: u32) {
        if let Some(vf) = &mut self.rails[position].vf {
            vf.index = Some(index);
        }
    }

    fn children(&self) -> impl Iterator<Item = &PodLink> {
        self.rails.iter().filter_map(|rail| rail.child.as_ref())
    }
}

impl Undo for RailsUndo {
    fn undo(&self, context: &mut UndoContext) -> Result<(), Error> {
        let deleted = |ifname: &str| self.children().any(|link| link.ifname == ifname);
        let mut outcomes = vec![routing::undo_all(&self.routing, context, deleted)];
        for rail in &self.rails {
            outcomes.extend(rail.undo(context));
        }
        outcomes.push(delete_all(self.children(), context));
        Error::all(outcomes)
    }

    fn ipams(&self) -> Vec<(String, String)> {
        let named = |rail: &RailUndo| Some((rail.ifname.clone(), rail.ipam.clone()?));
        self.rails.iter().filter_map(named).collect()
    }

    /// Links are known by more than their names, once they are made.
    fn silences(&self) -> bool {
        self.rails.iter().all(|rail| rail.vf.is_none() && rail.child.iter().all(PodLink::silences))
    }
}
