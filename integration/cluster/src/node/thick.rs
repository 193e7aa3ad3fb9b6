//! Multus as a daemon of the node, in the place of the plugin that asks the API server itself.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use testkit::eventually;

use super::{Node, STARTED};
use crate::api::SERVICE;
use crate::server::Server;
use crate::settings;

const ACCOUNT: &str = "run/secrets/kubernetes.io/serviceaccount";
const CONFIG: &str = "etc/cni/net.d/00-multus.conf";
const DEFAULT: &str = "etc/cni/net.d/10-pods.conf";

impl Node {
    /// Puts Multus' daemon in the place of its plugin. The daemon finds the API server as a pod does.
    pub(crate) fn start_multus_daemon(&mut self, token: &str, authority: &[u8]) -> Result<()> {
        fs::create_dir_all(self.path(ACCOUNT))?;
        self.put(&format!("{ACCOUNT}/token"), token)?;
        self.put(&format!("{ACCOUNT}/ca.crt"), authority)?;
        self.put("etc/cni/multus.json", settings::multus_daemon().to_string())?;
        self.put(DEFAULT, settings::bridge(&self.pod_subnet()).to_string())?;
        fs::remove_file(self.path(CONFIG)).context("remove the thin Multus' config")?;
        self.install(&self.programs.path("multus-shim"))?;
        fs::remove_file(self.path("opt/cni/bin/multus")).context("remove the thin Multus")?;

        let mut command = Command::new(self.programs.path("multus-daemon"));
        command.args(["-config", "/etc/cni/multus.json"]).env("MULTUS_NODE_NAME", self.name());
        command.env("KUBERNETES_SERVICE_HOST", SERVICE.to_string()).env("KUBERNETES_SERVICE_PORT", "443");
        let mut daemon = Server::start(&self.keeper, "multus-daemon", &mut command, &self.logs)?;
        // Which it writes when it answers.
        let ready = || fs::read_to_string(self.path(CONFIG)).is_ok_and(|text| text.contains("multus-shim"));
        let started = eventually(STARTED, || match daemon.alive() {
            Err(error) => Some(Err(error)),
            Ok(()) => ready().then_some(Ok(())),
        });
        started.unwrap_or_else(|| bail!("Multus' daemon is not ready:\n{}", daemon.said()))?;
        self.multus = Some(daemon);
        self.restart_containerd()
    }

    /// Ends the daemon, which removes its config, and puts the plugin back.
    pub fn end_multus_daemon(&mut self) -> Result<()> {
        self.multus.take().map_or(Ok(()), |mut daemon| daemon.end(Signal::SIGTERM))?;
        fs::remove_file(self.path(DEFAULT)).context("remove the default network's config")?;
        self.install(&self.programs.path("multus"))?;
        self.set_default_network(None)?;
        self.restart_containerd()
    }
}
