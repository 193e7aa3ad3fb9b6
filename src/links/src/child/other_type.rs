//! An attachment of a network whose `type` has been changed since: its record is that of the plugin before.

use std::path::Path;

use attach::{Attachments, Error, UndoContext, Undone};
use state::AttachmentKey;

use super::PodLink;

/// Those that make a link in the pod, and keep the same record of it.
const OF_CHILDREN: [&str; 3] = ["macvlan", "ipvlan", "ipoib"];
/// Those that keep another one, which only they read.
const OF_OTHERS: [&str; 3] = ["sriov", "ib-sriov", "rail"];

/// Every plugin that attaches links.
pub fn plugins() -> impl Iterator<Item = &'static str> {
    OF_CHILDREN.into_iter().chain(OF_OTHERS)
}

/// Those of them that make a link of their own, of the kind of their name.
pub fn children() -> impl Iterator<Item = &'static str> {
    OF_CHILDREN.into_iter()
}

/// For a `plugin` that has no record of `key`: takes away the child link that another plugin made for it. An error names one
/// whose record nobody else reads: what it attached is there, and so are its addresses.
pub fn release(
    key: &AttachmentKey,
    plugin: &str,
    context: &UndoContext,
    cni_netns: Option<&Path>,
) -> Result<Option<Undone>, Error> {
    let dirs = &context.dirs;
    let written = state::record::names(dirs, &key.network)?;
    let has = |name: &str| written.iter().any(|(by, other)| by == name && other == key);
    let find = |names: &[&'static str]| names.iter().copied().find(|name| *name != plugin && has(name));
    // All that VFs need stands in caches, too, which `rail` reads.
    if let Some(other) = find(&OF_OTHERS).filter(|_| plugin != "rail") {
        return Err(super::Error::OtherType { key: key.clone(), plugin: other }.into());
    }
    let Some(other) = find(&OF_CHILDREN) else { return Ok(None) };
    tracing::info!(attachment = %key, plugin = other, "detaching what another plugin attached");
    let undone = Attachments::open(dirs, other)?.release::<PodLink>(key, cni_netns)?;
    Ok(undone.map(|undo| Undone::by(&undo)))
}
