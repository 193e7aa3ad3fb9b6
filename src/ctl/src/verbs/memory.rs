//! What is known of a network in a pod before a plugin is called.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use netlink::Rtnetlink;
use netns::NetNs;
use runtime::{
    Driver, Network, RuntimeConf,
    records::{self, Attachment},
};
use state::{AttachmentKey, Dirs};

use crate::pod::NAMED;

/// The interfaces that a container has from a network, by our cache, by the runtime's and by the records of the plugins.
pub(super) fn ifnames(driver: &Driver, network: &str, container_id: &str) -> Result<Vec<String>> {
    let mut names = driver.cache.ifnames(network, container_id)?;
    // The runtime's own is nobody's to trust in when it cannot be read: then the records have to do.
    names.extend(driver.of_runtime.ifnames(network, container_id).unwrap_or_default());
    let is_of = |attachment: &Attachment| {
        (attachment.key.network.as_str(), attachment.key.container_id.as_str()) == (network, container_id)
    };
    let recorded = records::attachments(&Dirs::from_env()?)?.into_iter().filter(is_of);
    names.extend(recorded.map(|attachment| attachment.key.ifname));
    names.sort();
    names.dedup();
    Ok(names)
}

/// Whether the pod has the network by this interface, as far as anybody remembers.
pub(super) fn is_attached(driver: &Driver, network: &str, runtime: &RuntimeConf) -> Result<bool> {
    Ok(ifnames(driver, network, &runtime.container_id)?.contains(&runtime.ifname))
}

/// That it was there before nobody knows: most often its name was mistyped.
fn no_netns(netns: &str, error: netns::Error) -> anyhow::Error {
    if !error.is_gone() {
        return anyhow::Error::from(error).context("the pod has no network namespace to attach to");
    }
    let cure = Path::new(netns).strip_prefix(NAMED).map_or_else(
        |_| "give the path of one".to_owned(),
        |name| format!("`ip netns add {}` makes it, or give the path of one", name.display()),
    );
    anyhow!("there is no network namespace {netns}, and nothing was changed: {cure}")
}

/// Refuses what an ADD, and the DEL that follows when it fails, would take from whoever has it.
pub(super) fn require_free(driver: &Driver, network: &Network, runtime: &RuntimeConf) -> Result<()> {
    let (name, RuntimeConf { container_id, ifname, netns, .. }) = (network.name(), runtime);
    let nothing = "nothing was changed";
    let cached = driver.cache.load(name, runtime).ok().flatten();
    if cached.is_some_and(|entry| NetNs::open(Path::new(&entry.netns)).is_ok()) {
        bail!("{name:?} is attached to {container_id} as {ifname} already, and {nothing}: detach it first");
    }
    let recorded = records::of(&Dirs::from_env()?, &AttachmentKey::new(name, container_id, ifname)?)?;
    if !recorded.plugins.is_empty() && recorded.is_alive() {
        let by = recorded.plugins.join(", ");
        bail!(
            "{name:?} is attached to {container_id} as {ifname} by {by} already, and {nothing}: detach it first"
        );
    }
    let netns = NetNs::open(Path::new(netns)).map_err(|error| no_netns(netns, error))?;
    if Rtnetlink::open_in(&netns)?.link_by_name(ifname)?.is_some() {
        bail!(
            "{} has an interface {ifname} already, and {nothing}: give another name by -i",
            netns.path().display()
        );
    }
    Ok(())
}
