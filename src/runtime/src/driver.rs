//! Verbs of whole networks: lists of plugins, chained results, cached attachments.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use cni::conflist::Injection;
use cni::{CniResult, Command, Version};
use serde_json::Value;
use state::Dirs;

use crate::cache::{Cache, Entry};
use crate::call::Call;
use crate::network::Network;

/// A JSON object.
pub type Object = serde_json::Map<String, Value>;

/// The pairs of `CNI_ARGS`, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(pub Vec<[String; 2]>);

/// One attachment as a runtime names it to the plugins (libcni's `RuntimeConf`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuntimeConf {
    /// `CNI_CONTAINERID`
    pub container_id: String,
    /// `CNI_NETNS`; may lead nowhere at DEL.
    pub netns: String,
    /// `CNI_IFNAME`
    pub ifname: String,
    /// `CNI_ARGS`
    pub args: Pairs,
    /// Capability arguments; a plugin gets those that its config asks for.
    pub capabilities: Object,
}

/// Calls the plugins of networks and remembers what they answered.
#[derive(Debug)]
pub struct Driver {
    /// `CNI_PATH`
    pub(crate) path: Vec<PathBuf>,
    /// Results of ADD.
    pub cache: Cache,
    /// Those of the node's container runtime, for attachments that it has made: read only.
    pub of_runtime: Cache,
    /// Variables that the plugins get beside our own environment.
    pub env: Vec<(String, OsString)>,
    /// Takes what a plugin logged, and whether it failed.
    pub(crate) log: fn(&str, bool),
}

impl Driver {
    /// A driver that looks for plugins in `path`, and keeps its cache below the state directory.
    pub fn new(path: Vec<PathBuf>, dirs: &Dirs, log: fn(&str, bool)) -> Self {
        Self { path, cache: Cache::new(dirs), of_runtime: Cache::of_runtime(dirs), env: Vec::new(), log }
    }

    /// ADD of every plugin in order; the last result. After a failure every plugin gets a DEL, as runtimes do it; unless one of
    /// them is not there, which is seen before the first is called.
    pub fn add(&self, network: &Network, runtime: &RuntimeConf) -> Result<CniResult> {
        for plugin in &network.list.plugins {
            let found = self.find(plugin);
            found
                .with_context(|| format!("{:?} is not attached, and nothing was changed", network.name()))?;
        }
        let added = self.add_chain(network, runtime);
        added.map_err(|error| match self.undo(network, runtime) {
            None => error.context(format!(
                "{:?} is not attached; what had been done was undone by DEL",
                network.name()
            )),
            Some(left) => error.context(format!(
                "{:?} is not attached, and DEL failed as well ({left}): detach it later",
                network.name()
            )),
        })
    }

    fn add_chain(&self, network: &Network, runtime: &RuntimeConf) -> Result<CniResult> {
        let call = Call { verb: Command::Add, network, runtime };
        let mut result: Option<CniResult> = None;
        for plugin in &network.list.plugins {
            let added = Injection { prev_result: result.as_ref(), ..injection(runtime) };
            result = Some(self.call(call, plugin, added)?.result(network.version())?);
        }
        let result = result.unwrap_or_default();
        let printed = result.to_value(network.version())?;
        self.cache.save(&Entry::new(network, runtime, printed))?;
        Ok(result)
    }

    /// DEL of every plugin, whatever becomes of the others; what failed.
    pub fn undo(&self, network: &Network, runtime: &RuntimeConf) -> Option<String> {
        let call = Call { verb: Command::Del, network, runtime };
        let calls =
            network.list.plugins.iter().rev().map(|plugin| self.call(call, plugin, injection(runtime)));
        let errors: Vec<_> = calls.filter_map(Result::err).map(|error| format!("{error:#}")).collect();
        (!errors.is_empty()).then(|| errors.join("; "))
    }

    /// CHECK of every plugin in order, against the result of ADD; false when the network has `disableCheck`.
    pub fn check(&self, network: &Network, runtime: &RuntimeConf) -> Result<bool> {
        if network.version() < Version::V0_4_0 {
            bail!(
                "network {:?} has cniVersion {}, and CHECK came with 0.4.0",
                network.name(),
                network.version()
            );
        }
        if network.list.disable_check {
            return Ok(false);
        }
        let cached = self.cached(network.name(), runtime)?;
        let result = cached.map(|entry| cached_result(&entry.result, network)).transpose()?;
        let added = Injection { prev_result: result.as_ref(), ..injection(runtime) };
        for plugin in &network.list.plugins {
            self.call(Call { verb: Command::Check, network, runtime }, plugin, added)?;
        }
        Ok(true)
    }

    /// DEL of every plugin, the last first, with the result of ADD as far as it is known. Stops at a failure and keeps
    /// the cache for the next try.
    pub fn del(&self, network: &Network, runtime: &RuntimeConf) -> Result<()> {
        // A damaged cache must not hold a container back: a plugin has to do without anyway.
        let cached = self.cached(network.name(), runtime).ok().flatten();
        let result = cached.and_then(|entry| cached_result(&entry.result, network).ok());
        let result = result.filter(|_| network.version() >= Version::V0_4_0);
        let added = Injection { prev_result: result.as_ref(), ..injection(runtime) };
        for plugin in network.list.plugins.iter().rev() {
            self.call(Call { verb: Command::Del, network, runtime }, plugin, added)?;
        }
        self.cache.remove(network.name(), runtime)
    }

    /// STATUS of every plugin in order; false when the network's version has no STATUS.
    pub fn status(&self, network: &Network) -> Result<bool> {
        if network.version() < Version::V1_1_0 {
            return Ok(false);
        }
        let call = Call { verb: Command::Status, network, runtime: &RuntimeConf::default() };
        for plugin in &network.list.plugins {
            self.call(call, plugin, Injection::default())?;
        }
        Ok(true)
    }

    /// What is remembered of an ADD: ours, or the runtime's.
    fn cached(&self, name: &str, runtime: &RuntimeConf) -> Result<Option<Entry>> {
        match self.cache.load(name, runtime)? {
            Some(entry) => Ok(Some(entry)),
            None => self.of_runtime.load(name, runtime),
        }
    }

    /// The network as it was when this attachment was made, for one whose config is gone.
    pub fn remembered(&self, name: &str, runtime: &RuntimeConf) -> Result<Option<Network>> {
        let Some(entry) = self.cached(name, runtime)? else { return Ok(None) };
        Network::parse(&entry.config()?).map(Some).context("read the network from the cache")
    }
}

fn injection(runtime: &RuntimeConf) -> Injection<'_> {
    Injection { capability_args: Some(&runtime.capabilities), ..Injection::default() }
}

/// The config's version may have changed since ADD; the result says which one it has.
fn cached_result(cached: &Value, network: &Network) -> Result<CniResult> {
    CniResult::from_value(cached, network.version()).context("the cached result is no result")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_plugin_that_is_not_there_is_seen_before_the_first_is_called() {
        let world = tempfile::tempdir().unwrap();
        let (first, called) = (world.path().join("first"), world.path().join("called"));
        let script = format!("#!/bin/sh\n: >>{}\necho '{{\"cniVersion\":\"1.0.0\"}}'\n", called.display());
        state::file::replace(&first, script.as_bytes()).unwrap();
        fs::set_permissions(&first, fs::Permissions::from_mode(0o755)).unwrap();
        let dirs = Dirs::under(world.path());
        let driver = Driver::new(vec![world.path().to_owned()], &dirs, |_, _| ());
        let runtime =
            RuntimeConf { container_id: "pod".into(), ifname: "net1".into(), ..RuntimeConf::default() };
        let network = |second: &str| {
            let list = format!(
                r#"{{"cniVersion":"1.0.0","name":"x","plugins":[{{"type":"first"}},{{"type":"{second}"}}]}}"#
            );
            Network::parse(list.as_bytes()).unwrap()
        };

        let error = format!("{:#}", driver.add(&network("coordinatr"), &runtime).unwrap_err());
        let expected =
            "\"x\" is not attached, and nothing was changed: failed to find plugin \"coordinatr\" in path";
        assert!(error.starts_with(expected), "{error}");
        assert!(!called.exists(), "neither ADD nor DEL of the first");

        driver.add(&network("first"), &runtime).unwrap();
        assert!(called.exists());
    }
}
