//! GC: a DEL for what the cache holds and nobody uses, then the verb, so that the plugins release what no cache knows.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use cni::conflist::Injection;
use cni::{Attachment, Command, Version};
use netns::{Living, NetNs};
use state::Dirs;

use crate::call::Call;
use crate::driver::{Driver, RuntimeConf};
use crate::network::Network;
use crate::records;

/// Which attachments of a network stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Those whose network namespace is alive.
    Living,
    /// None.
    Nothing,
}

impl Driver {
    /// Releases what is not to be kept. Goes on after failures and returns them all as one; false when `disableGC` is set.
    pub fn gc(&self, network: &Network, keep: Keep, dirs: &Dirs) -> Result<bool> {
        if network.list.disable_gc {
            return Ok(false);
        }
        let known = self.known(dirs)?;
        let mut valid = match keep {
            Keep::Nothing => BTreeSet::new(),
            Keep::Living => self.living(dirs)?,
        };
        let mut errors = self.del_stale(network, &valid)?;
        if network.version() >= Version::V1_1_0 {
            // DELs take their time, and whatever was attached meanwhile, by any runtime, nobody has judged.
            valid.extend(self.known(dirs)?.difference(&known).cloned());
            errors.extend(self.gc_verb(network, &valid));
        }
        match errors.as_slice() {
            [] => Ok(true),
            errors => Err(anyhow!(
                "{}",
                errors.iter().map(|error| format!("{error:#}")).collect::<Vec<_>>().join("; ")
            )),
        }
    }

    /// Container IDs and interface names on record, here or with our plugins.
    fn known(&self, dirs: &Dirs) -> Result<BTreeSet<(String, String)>> {
        let cached = self.cache.list()?.into_iter().map(|entry| (entry.container_id, entry.if_name));
        let recorded = records::attachments(dirs)?.into_iter();
        Ok(cached.chain(recorded.map(|of| (of.key.container_id, of.key.ifname))).collect())
    }

    /// Container IDs and interface names in use: what our cache holds, and what other runtimes had our plugins attach.
    fn living(&self, dirs: &Dirs) -> Result<BTreeSet<(String, String)>> {
        let cached = self.cache.list()?.into_iter();
        let cached =
            cached.filter(|entry| is_alive(&entry.netns)).map(|entry| (entry.container_id, entry.if_name));
        let recorded = records::attachments(dirs)?.into_iter();
        let living = Living::look().context("look for network namespaces in /proc")?;
        let recorded = recorded.filter(|attachment| attachment.is_alive() || attachment.is_held(&living));
        Ok(cached
            .chain(recorded.map(|attachment| (attachment.key.container_id, attachment.key.ifname)))
            .collect())
    }

    fn del_stale(&self, network: &Network, valid: &BTreeSet<(String, String)>) -> Result<Vec<anyhow::Error>> {
        let mut errors = Vec::new();
        for entry in self.cache.list()?.into_iter().filter(|entry| entry.network_name == network.name()) {
            let runtime = entry.runtime();
            if !valid.contains(&(runtime.container_id.clone(), runtime.ifname.clone())) {
                let stale = format!("release {} of {}", runtime.ifname, runtime.container_id);
                errors.extend(self.del(network, &runtime).err().map(|error| error.context(stale)));
            }
        }
        Ok(errors)
    }

    fn gc_verb(&self, network: &Network, valid: &BTreeSet<(String, String)>) -> Vec<anyhow::Error> {
        let valid: Vec<_> = valid.iter().cloned().map(attachment).collect();
        let call = Call { verb: Command::Gc, network, runtime: &RuntimeConf::default() };
        let added = Injection { valid_attachments: Some(&valid), ..Injection::default() };
        network.list.plugins.iter().filter_map(|plugin| self.call(call, plugin, added).err()).collect()
    }
}

fn attachment((container_id, ifname): (String, String)) -> Attachment {
    Attachment { container_id, ifname }
}

fn is_alive(netns: &str) -> bool {
    // What cannot be looked into may be in use.
    !matches!(NetNs::open(Path::new(netns)), Err(error) if error.is_gone())
}
