//! Whose an interface is, where its name is all that there is to go by.

use std::collections::HashSet;

use netns::NetNs;
use serde_json::Value;
use state::{AttachmentKey, Dirs, Record};

use crate::Error;
use crate::attachment::is;

/// The attachment other than `but` whose record, by whichever plugin, has the interface of that name in the namespace.
pub fn other_owner(
    dirs: &Dirs,
    pod: &NetNs,
    ifname: &str,
    but: Option<&AttachmentKey>,
) -> Result<Option<AttachmentKey>, Error> {
    other_owner_by(dirs, pod, ifname, but, |_| true)
}

/// The same, by one of certain plugins.
pub(crate) fn other_owner_by(
    dirs: &Dirs,
    pod: &NetNs,
    ifname: &str,
    but: Option<&AttachmentKey>,
    plugins: impl Fn(&str) -> bool,
) -> Result<Option<AttachmentKey>, Error> {
    // One of several interfaces bears the name of the first.
    let may_own = |plugin: &str, key: &AttachmentKey| {
        plugins(plugin) && Some(key) != but && (key.ifname == ifname || plugin == OF_SEVERAL)
    };
    let records =
        state::record::whole(dirs, may_own, |error| tracing::warn!(%error, "passed over: no record"))?;
    let owner = records.into_iter().find(|record| {
        record.netns.as_ref().is_some_and(|netns| is(pod, netns)) && has_interface(record, ifname)
    });
    Ok(owner.map(|record| record.key))
}

/// Containers that have, or are about to have, several interfaces of the network on one record: its key names the first only.
pub fn containers_of_several(dirs: &Dirs, network: &str) -> Result<HashSet<String>, Error> {
    let records = state::record::names(dirs, network)?.into_iter();
    Ok(records.filter(|(plugin, _)| plugin == OF_SEVERAL).map(|(_, key)| key.container_id).collect())
}

/// The plugin whose attachments have several interfaces.
const OF_SEVERAL: &str = "rail";

fn has_interface(record: &Record<Value>, ifname: &str) -> bool {
    // The record of what a pod shares is no attachment, and has no phase.
    let is_attachment = record.body.get("phase").is_some();
    let rails = record.body.pointer("/undo/rails").and_then(Value::as_array);
    is_attachment
        && match rails {
            Some(rails) => rails.iter().any(|rail| rail["ifname"] == ifname),
            None => record.key.ifname == ifname,
        }
}
