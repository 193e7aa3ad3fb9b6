//! `railctl release node NAME`: what a node had that will never come back goes to the others.

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;
use serde_json::Value;

use crate::{complete, kubectl, output};

#[derive(Debug, Subcommand)]
pub(crate) enum Release {
    /// Tell the controller that a node will never come back: what was granted to it is free
    Node(ReleaseNode),
}

#[derive(Args, Debug)]
pub(crate) struct ReleaseNode {
    /// Its name in Kubernetes
    #[arg(add = ArgValueCompleter::new(complete::rail_nodes))]
    pub(crate) name: String,
    /// Even if Kubernetes holds it to be Ready: it must be off, or its pods' addresses are given twice
    #[arg(long)]
    pub(crate) force: bool,
}

/// An admin's word, which the controller reads.
const RELEASED: &str = "railcni.dev/released";

pub(crate) fn node(args: &ReleaseNode) -> Result<()> {
    let name = &args.name;
    let found = kubectl::json(&["get", "railnode.railcni.dev", name, "--ignore-not-found"], None)?;
    ensure!(!found.is_null(), "there is no RailNode {name}: nothing was granted to a node of that name");
    let node = kubectl::json(&["get", "node", name, "--ignore-not-found"], None)?;
    // A living node goes on handing out what it has, while others do the same.
    ensure!(
        args.force || !is_ready(&node),
        "node {name} is Ready, and its pods have addresses of its grant: drain it and stop its agent first; --force is for a node \
         that is surely off"
    );
    let mark = format!("{RELEASED}=true");
    kubectl::text(&["annotate", "railnode.railcni.dev", name, &mark, "--overwrite"], None)?;
    output::line(&format!(
        "the controller takes back what node {name} had. Before it joins again: `kubectl annotate railnode {name} {RELEASED}-`"
    ))
}

fn is_ready(node: &Value) -> bool {
    let mut conditions = node["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
