use attach::{Adding, Error, Undo, UndoContext};
use cni::CniResult;
use devices::{MadeRail, Owner, Part};
use links::child::{LinkRecord, PodLink, delete_all, staging_name};
use netlink::Link;
use netns::NetNs;
use serde::{Deserialize, Serialize};
use state::AttachmentKey;

use super::PLUGIN;

/// How to undo an attachment, and what CHECK compares with.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct RailsUndo {
    pub(super) rails: Vec<MadeRail>,
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
            if let Some(link) = rail.child_mut() {
                link.given(result.ips.iter().map(|ip| ip.address.addr()));
            }
        }
    }

    /// The VF of each rail, by the interface that it is.
    pub(super) fn devices(&self) -> Vec<(String, String)> {
        self.rails.iter().filter_map(|rail| Some((rail.ifname.clone(), rail.vf()?.device.clone()))).collect()
    }

    fn children(&self) -> impl Iterator<Item = &PodLink> {
        self.rails.iter().filter_map(MadeRail::child)
    }
}

impl Undo for RailsUndo {
    fn undo(&self, context: &mut UndoContext) -> Result<(), Error> {
        let deleted = |ifname: &str| self.children().any(|link| link.ifname == ifname);
        let mut outcomes = vec![routing::undo_all(&self.routing, context, deleted)];
        for rail in &self.rails {
            outcomes.extend(rail.parts.iter().rev().map(|part| part.undo(context)));
        }
        outcomes.push(delete_all(self.children(), context));
        Error::all(outcomes)
    }

    fn ipams(&self) -> Vec<(String, String)> {
        let named = |rail: &MadeRail| Some((rail.ifname.clone(), rail.ipam.clone()?));
        self.rails.iter().filter_map(named).collect()
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

/// One rail's part of the record of all, while the rail is attached.
pub(super) struct RailRecord<'a> {
    pub(super) key: AttachmentKey,
    pub(super) position: usize,
    pub(super) adding: &'a mut Adding<RailsUndo>,
}

impl RailRecord<'_> {
    /// On whose behalf a device is taken.
    pub(super) fn owner(&self, pod: &NetNs) -> Result<Owner, Error> {
        Owner::new(PLUGIN, self.key.clone(), Some(self.adding.key()), pod)
    }

    /// Writes down more to undo, before it is done.
    fn persist(&mut self, change: impl FnOnce(&mut MadeRail)) -> Result<(), Error> {
        let position = self.position;
        self.adding.persist(|made| change(&mut made.rails[position]))
    }

    /// Keeps in mind what helps the undo and is not needed for it.
    pub(super) fn set(&mut self, change: impl FnOnce(&mut MadeRail)) {
        let position = self.position;
        self.adding.set(|made| change(&mut made.rails[position]));
    }
}

impl LinkRecord for RailRecord<'_> {
    fn staged(&self) -> Option<String> {
        self.adding.undo().rails[self.position].child()?.staged.clone()
    }

    fn stage(&mut self) -> Result<String, Error> {
        let name = staging_name(&self.key);
        self.persist(|made| made.child_mut().into_iter().for_each(|undo| undo.staged = Some(name.clone())))?;
        Ok(name)
    }

    fn made(&mut self, link: &Link) -> Result<(), Error> {
        self.persist(|made| made.child_mut().into_iter().for_each(|undo| undo.made(link)))
    }
}
