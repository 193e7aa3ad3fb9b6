//! What there is to undo when there is no record to tell.

use attach::{Error, UndoContext, identity, key_of};
use cni::{CniResult, Request};
use devices::vf::{self, VfKind};
use devices::{RailUndo, StepUndo, rdma};
use links::child::PodLink;

use super::RailsUndo;

impl RailsUndo {
    /// What the caches say that the steps of VFs leave where the plugins that ours replace do.
    pub(super) fn of_caches(rails: &[Request], context: &mut UndoContext) -> Result<Self, Error> {
        let mut made = Self::default();
        for rail in rails {
            let kind = VfKind::of_plugin(&rail.config.plugin_type);
            let parts = kind.map_or(Ok(Vec::new()), |kind| of_vf(kind, rail, context))?;
            made.rails.push(RailUndo { ifname: rail.env.ifname.clone(), ipam: None, parts });
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
                made.parts.push(StepUndo::Child(PodLink::named(
                    &rail.env.ifname,
                    &rail.config.plugin_type,
                    None,
                )));
            }
        }
        Ok(self)
    }
}

fn of_vf(kind: VfKind, rail: &Request, context: &mut UndoContext) -> Result<Vec<StepUndo>, Error> {
    let key = key_of(rail)?;
    let netns = rail.env.netns.clone().unwrap_or_default();
    let vf = vf::find_unrecorded(kind, &key, &netns, context)?.map(StepUndo::from);
    let rdma = match kind {
        VfKind::Ethernet => rdma::find_unrecorded(&context.dirs, &key, netns, context.pod.as_mut())?,
        VfKind::InfiniBand => None,
    };
    Ok(vf.into_iter().chain(rdma.map(StepUndo::Rdma)).collect())
}
