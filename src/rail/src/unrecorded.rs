//! What there is to undo when there is no record to tell.

use attach::{Error, UndoContext, identity, key_of};
use cni::{CniResult, Request};
use devices::vf::{self, VfKind};
use devices::{RailUndo, rdma};
use links::child::PodLink;

use super::RailsUndo;

impl RailsUndo {
    /// What the caches say that the steps of VFs leave where the plugins that ours replace do.
    pub(super) fn of_caches(rails: &[Request], context: &mut UndoContext) -> Result<Self, Error> {
        let mut made = Self::default();
        for rail in rails {
            let kind = VfKind::of_plugin(&rail.config.plugin_type);
            let mut undo = RailUndo::of(rail.env.ifname.clone(), None);
            if let Some(kind) = kind {
                find_vf(kind, rail, context, &mut undo)?;
            }
            made.rails.push(undo);
        }
        Ok(made)
    }

    /// And what the config says that there was in the pod: names and kinds of links say what is ours.
    pub(super) fn with_config(
        mut self,
        rails: &[Request],
        given: Option<&CniResult>,
        context: &UndoContext,
    ) -> Result<Self, Error> {
        let Some(netns) = context.pod.as_ref().map(|pod| identity(&pod.netns)) else { return Ok(self) };
        for (rail, made) in rails.iter().zip(&mut self.rails) {
            if context.is_anothers(&rail.env.ifname)? {
                continue;
            }
            let given = given.map(|given| routing::result::addresses(given, &rail.env.ifname));
            let addresses = given.unwrap_or_default().iter().map(|address| address.net.addr()).collect();
            self.routing.push(routing::RoutingUndo::without_record(key_of(rail)?, netns.clone(), addresses));
            if VfKind::of_plugin(&rail.config.plugin_type).is_none() {
                made.child = Some(PodLink::named(&rail.env.ifname, &rail.config.plugin_type, None));
            }
        }
        Ok(self)
    }
}

fn find_vf(
    kind: VfKind,
    rail: &Request,
    context: &mut UndoContext,
    undo: &mut RailUndo,
) -> Result<(), Error> {
    let key = key_of(rail)?;
    let netns = rail.env.netns.clone().unwrap_or_default();
    undo.vf = vf::find_unrecorded(kind, &key, &netns, context)?;
    if kind == VfKind::Ethernet {
        undo.rdma = rdma::find_unrecorded(&context.dirs, &key, netns, context.pod.as_mut())?;
    }
    Ok(())
}
