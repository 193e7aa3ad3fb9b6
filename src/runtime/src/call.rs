//! One plugin called once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use cni::conflist::{Injection, PluginConf};
use cni::exec::{self, ExecError, Invocation, Output};
use cni::{CniArgs, Command, Env};

use crate::driver::{Driver, RuntimeConf};
use crate::network::Network;
use crate::suite;

/// How long a plugin may take: twice as long as it waits for the slowest of what it calls itself.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whom a call concerns; for GC and STATUS the runtime is empty.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) verb: Command,
    pub(crate) network: &'a Network,
    pub(crate) runtime: &'a RuntimeConf,
}

impl Driver {
    /// Runs a plugin to its end.
    pub(crate) fn call(&self, call: Call<'_>, plugin: &PluginConf, added: Injection<'_>) -> Result<Output> {
        let output = self.invoke(call, plugin, added);
        output.with_context(|| format!("{} of plugin {:?}", call.verb.as_str(), plugin.plugin_type))
    }

    /// Where the plugin is; one of the suite may be beside railctl.
    pub fn find(&self, plugin: &PluginConf) -> Result<PathBuf> {
        let name = &plugin.plugin_type;
        match exec::find(name, &self.path) {
            Err(missing @ ExecError::Missing { .. }) if suite::has(name) => {
                let railctl = std::env::current_exe().unwrap_or_default();
                let beside =
                    railctl.parent().map(|directory| directory.join(name)).filter(|file| file.is_file());
                beside.with_context(|| format!("{missing}: `make install` puts it into /opt/cni/bin, --bin-dir names another directory"))
            }
            found => Ok(found?),
        }
    }

    /// Where the plugin looks for those that it calls itself: at last where it was found.
    fn path_of(&self, plugin: &Path) -> Vec<PathBuf> {
        let own = plugin.parent().map(Path::to_path_buf).filter(|own| !self.path.contains(own));
        self.path.iter().cloned().chain(own).collect()
    }

    fn invoke(&self, call: Call<'_>, plugin: &PluginConf, added: Injection<'_>) -> Result<Output> {
        let binary = self.find(plugin)?;
        let mut env = self.env.clone();
        env.extend(call.runtime.env(call.verb, self.path_of(&binary)).variables(call.verb));
        let stdin = call.network.list.stdin(plugin, added)?;
        let output = Invocation { binary, env, stdin, timeout: PATIENCE }.run();
        let log = output.as_ref().map_or_else(ExecError::stderr, |output| &output.stderr);
        (self.log)(&String::from_utf8_lossy(log), output.is_err());
        Ok(output?)
    }
}

impl RuntimeConf {
    fn env(&self, command: Command, path: Vec<PathBuf>) -> Env {
        let args: Vec<_> = self.args.0.iter().map(|pair| pair.join("=")).collect();
        Env {
            command,
            container_id: self.container_id.clone(),
            netns: Some(self.netns.clone().into()),
            ifname: self.ifname.clone(),
            args: CniArgs::parse(&args.join(";")),
            path,
            declined: Vec::new(),
            unrecorded: false,
        }
    }
}
