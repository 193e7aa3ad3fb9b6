//! What there is to undo when there is no record to tell.

use attach::{Error, UndoContext, identity, key_of};
use cni::{CniResult, Request};
use devices::vf::sriov_cni::Files;
use devices::vf::{self, FOLDER};
use devices::{ib, rdma};
use links::child::PodLink;
use state::{AttachmentKey, Dirs};

use super::made::MadeRail;
use super::{Made, Part};

impl Made {
    /// What the caches say that the steps of VFs leave where the plugins that ours replace do.
    pub(super) fn of_caches(
        dirs: &Dirs,
        rails: &[Request],
        context: &mut UndoContext,
    ) -> Result<Self, Error> {
        let mut made = Self::default();
        for rail in rails {
            let parts = match rail.config.plugin_type.as_str() {
                "sriov" => of_vf(dirs, rail, &key_of(rail)?, context)?,
                "ib-sriov" => ib::find_unrecorded(dirs, &key_of(rail)?, context)?
                    .map(Part::IbSriov)
                    .into_iter()
                    .collect(),
                _ => Vec::new(),
            };
            made.rails.push(MadeRail { ifname: rail.env.ifname.clone(), ipam: None, parts });
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
            self.routing.push(routing::Undo::without_record(key_of(rail)?, netns.clone(), addresses));
            if !matches!(rail.config.plugin_type.as_str(), "sriov" | "ib-sriov") {
                made.parts.push(Part::Child(PodLink::named(
                    &rail.env.ifname,
                    &rail.config.plugin_type,
                    None,
                )));
            }
        }
        Ok(self)
    }
}

fn of_vf(
    dirs: &Dirs,
    rail: &Request,
    key: &AttachmentKey,
    context: &mut UndoContext,
) -> Result<Vec<Part>, Error> {
    let netns = rail.env.netns.clone().unwrap_or_default();
    let files = Files::of(FOLDER, rail, &netns);
    let vf = vf::find_unrecorded(dirs, key, &files, context)?.map(|undo| Part::Sriov(*undo));
    let rdma = rdma::find_unrecorded(dirs, key, netns, context.pod.as_mut())?.map(Part::Rdma);
    Ok(vf.into_iter().chain(rdma).collect())
}
