use std::path::Path;

use attach::attachment::identity;
use attach::{Attachments, Del, Pod, Undo, UndoContext, Undone, verdict};
use cni::{CniResult, Error, Plugin, Request, ValidAttachments};
use routing::{self, PLUGIN, PodNic, RoutingUndo, Settings, result};
use state::{AttachmentKey, Dirs};

/// The plugin.
pub(crate) struct Coordinator;

impl Plugin for Coordinator {
    fn about(&self) -> &'static str {
        "railcni coordinator: policy routing in the pod, after the plugin that made the interface"
    }

    fn add(&self, request: &Request) -> Result<CniResult, Error> {
        let previous = chained(request)?;
        let Some(settings) = Settings::of(&request.config, &request.env.args)? else {
            return Ok(previous.clone());
        };
        let mut pod = Pod::open(netns(request)?)?;
        let addresses = result::addresses(previous, &request.env.ifname);
        let nic = PodNic { key: key_of(request)?, addresses, settings: &settings };
        let outcome = routing::attach(&dirs()?, &mut pod, &nic)?;
        Ok(result::with(previous.clone(), &request.env.ifname, &outcome))
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        Del::without_addresses(request)
            .run::<RoutingUndo>(PLUGIN, |key, context| unrecorded(request, key, context))
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        let previous = chained(request)?;
        if Settings::of(&request.config, &request.env.args)?.is_none() {
            return Ok(());
        }
        let mut pod = Pod::open(netns(request)?)?;
        let dirs = dirs()?;
        let record = Attachments::open(&dirs, PLUGIN)?.on_record::<RoutingUndo>(&key_of(request)?)?;
        let found = match record.about(&pod.netns) {
            Ok(None) => {
                vec!["there is no record of it: it was not coordinated, or its DEL has run".to_owned()]
            }
            Err(differs) => vec![differs],
            Ok(Some(undo)) => routing::differences(&dirs, &mut pod, &undo, &previous.routes)?,
        };
        verdict(&request.env.ifname, &found)
    }

    fn gc(&self, request: &Request, valid: &ValidAttachments) -> Result<(), Error> {
        let attachments = Attachments::open(&dirs()?, PLUGIN)?;
        let (released, mut errors) = attachments.collect::<RoutingUndo>(&request.config.name, valid)?;
        errors.extend(routing::forget_older_boots(&dirs()?));
        for key in &released {
            tracing::info!(attachment = %key, "released: not among the valid attachments");
        }
        Error::join(errors.into_iter().map(Error::from)).map_or(Ok(()), Err)
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        Settings::of(&request.config, &request.env.args).map(|_| ())
    }
}

fn chained(request: &Request) -> Result<&CniResult, Error> {
    request.config.prev_result.as_ref().ok_or_else(|| {
        Error::invalid_config(
            "prevResult is missing: coordinator makes no interface, so chain it after the plugin that does, \
             as in \"plugins\": [{\"type\": \"macvlan\", ...}, {\"type\": \"coordinator\"}]",
        )
    })
}

fn netns(request: &Request) -> Result<&Path, Error> {
    request.env.require_netns()
}

fn key_of(request: &Request) -> Result<AttachmentKey, Error> {
    let key = AttachmentKey::new(&request.config.name, &request.env.container_id, &request.env.ifname);
    Ok(key.map_err(attach::Error::from)?)
}

fn dirs() -> Result<Dirs, Error> {
    Ok(Dirs::from_env().map_err(attach::Error::from)?)
}

/// What carries our mark goes, unless the namespace is gone, and all that was in it, or the interface is another attachment's by
/// now.
fn unrecorded(
    request: &Request,
    key: &AttachmentKey,
    context: &mut UndoContext,
) -> Result<Undone, attach::Error> {
    let is_anothers = context.is_anothers_by(&key.ifname, |plugin| [PLUGIN, "rail"].contains(&plugin))?;
    if let Some(pod) = context.pod.as_ref().filter(|_| !is_anothers) {
        let given = request.config.prev_result.as_ref().map(|given| result::addresses(given, &key.ifname));
        let addresses = given.unwrap_or_default().iter().map(|address| address.net.addr()).collect();
        RoutingUndo::without_record(key.clone(), identity(&pod.netns), addresses).undo(context)?;
    }
    Ok(Undone::default())
}
