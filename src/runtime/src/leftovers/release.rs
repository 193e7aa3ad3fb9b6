//! A leftover is released by those who made it: DEL of each plugin, which needs nothing but the record.

use anyhow::{Result, bail};
use serde_json::json;
use state::{AttachmentKey, Dirs};

use super::leases::Leases;
use crate::records::{self, Attachment};
use crate::suite::{self, Part};
use crate::{Driver, Network, RuntimeConf};

pub(super) fn attachment(
    driver: &Driver,
    dirs: &Dirs,
    attachment: &Attachment,
    leases: &Leases,
) -> Result<()> {
    let now = records::of(dirs, &attachment.key)?;
    if (&now.netns, now.created) != (&attachment.netns, attachment.created) {
        bail!("it was attached again meanwhile, and is left alone");
    }
    let took_part = |plugin: &&str| {
        let has_record = |list: &[String]| list.iter().any(|name| name == plugin);
        has_record(&now.plugins) || has_record(&now.void)
    };
    // DEL goes through it the other way.
    let chain: Vec<&str> =
        suite::plugins(&[Part::Master, Part::Link, Part::Chained]).filter(took_part).collect();
    let netns = attachment.open().map(|netns| netns.path().display().to_string()).unwrap_or_default();
    del(driver, &attachment.key, &netns, &chain)?;
    // The plugins give back what they had from our IPAM; the rest was a foreign plugin's.
    leases.left(dirs, &attachment.key)?.into_iter().try_for_each(|key| lease(driver, key))
}

pub(super) fn lease(driver: &Driver, key: &AttachmentKey) -> Result<()> {
    del(driver, key, "", &suite::plugins(&[Part::Ipam]).collect::<Vec<_>>())
}

fn del(driver: &Driver, key: &AttachmentKey, netns: &str, chain: &[&str]) -> Result<()> {
    let plugins: Vec<_> = chain.iter().map(|plugin| json!({ "type": plugin })).collect();
    let list = json!({ "cniVersion": "1.1.0", "name": key.network, "plugins": plugins });
    let network = Network::parse(list.to_string().as_bytes())?;
    let runtime = RuntimeConf {
        container_id: key.container_id.clone(),
        netns: netns.to_owned(),
        ifname: key.ifname.clone(),
        ..RuntimeConf::default()
    };
    match driver.undo(&network, &runtime) {
        None => driver.cache.remove(&key.network, &runtime),
        Some(failed) => bail!("{failed}"),
    }
}
