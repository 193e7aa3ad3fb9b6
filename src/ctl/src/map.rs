//! `railctl map`: where GPUs and NICs of this node hang.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use host::doctor::{self, Sight, Whose};
use serde_json::{Value, json};

use crate::cli::Format;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Map {
    /// Where the node's file system begins: its mount in a container
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

pub(crate) fn run(args: &Map) -> Result<()> {
    let mut sight = doctor::look(&args.root, Whose::Node);
    doctor::look_at_links(&mut sight)?;
    if !args.output.is_table() {
        return output::print(&functions(&sight), args.output);
    }
    let lines = doctor::map(&sight);
    if lines.is_empty() {
        return output::line("neither RDMA devices nor GPUs here");
    }
    lines.iter().try_for_each(|line| output::line(line))
}

/// GPUs and NICs for programs, each with the bridges above it, the root's first.
fn functions(sight: &Sight) -> Vec<Value> {
    let bridges =
        |path: &[doctor::Hop]| path.iter().skip(1).rev().map(|hop| hop.address.clone()).collect::<Vec<_>>();
    let gpus = sight.gpus.iter().map(|gpu| {
        json!({ "kind": "GPU", "address": gpu.pci.address, "numa": gpu.pci.numa, "bridges": bridges(&gpu.pci.path) })
    });
    // A VF hangs where its PF does.
    let nics = sight.devices.iter().filter(|device| device.pci.as_ref().is_none_or(|pci| pci.pf.is_none())).map(|device| {
        let pci = device.pci.as_ref();
        json!({
            "kind": "NIC", "name": device.name, "netdevs": device.netdevs(), "address": pci.map(|pci| &pci.address),
            "numa": pci.and_then(|pci| pci.numa), "bridges": pci.map(|pci| bridges(&pci.path)).unwrap_or_default(),
        })
    });
    gpus.chain(nics).collect()
}
