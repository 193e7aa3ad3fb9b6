//! kubectl, as people use it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command::{fed, output};
use crate::programs::Programs;

/// kubectl for one cluster and namespace.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    /// nsenter with its arguments, where the API server is in a network of its own.
    prefix: Vec<String>,
}

impl Kubectl {
    pub(crate) fn new(program: PathBuf, kubeconfig: PathBuf, network: Option<String>) -> Self {
        let nsenter = network.map(|path| vec!["nsenter".into(), format!("--net={path}")]);
        Self { program, kubeconfig, prefix: nsenter.unwrap_or_default() }
    }

    /// For what needs no cluster, such as `kubectl kustomize`.
    pub fn offline() -> Result<Self> {
        let program = Programs::of_chart()?.path("kubectl");
        Ok(Self::new(program, "/dev/null".into(), None))
    }

    /// A command to add arguments to.
    pub fn command(&self) -> Command {
        let program = self.program.display().to_string();
        let mut words = self.prefix.iter().chain([&program]);
        let mut command = Command::new(words.next().unwrap_or(&program));
        command.args(words).arg("--kubeconfig").arg(&self.kubeconfig);
        // Of discovery: clusters come and go, and each is new.
        command.env("KUBECACHEDIR", self.kubeconfig.with_extension("cache"));
        command
    }

    /// Runs it; what it printed.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        output(self.command().args(args))
    }

    /// `kubectl get ARGS -o json`
    pub fn get(&self, args: &[&str]) -> Result<Value> {
        let text = output(self.command().arg("get").args(args).args(["-o", "json"]))?;
        serde_json::from_str(&text).context("parse what kubectl printed")
    }

    /// `kubectl apply`, with documents on standard input.
    pub fn apply(&self, documents: &str) -> Result<String> {
        fed(self.command().args(["apply", "-f", "-"]), documents)
    }

    /// `kubectl create`, with documents on standard input.
    pub fn create(&self, documents: &str) -> Result<String> {
        fed(self.command().args(["create", "-f", "-"]), documents)
    }
}
