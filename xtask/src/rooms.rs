//! The workspace's crates and the arrows between them, from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A crate below `src/` or `plugins/`.
#[derive(Debug, PartialEq)]
pub(crate) struct Room {
    pub(crate) name: String,
    pub(crate) is_plugin: bool,
    /// The names of rooms that it uses, without tests.
    pub(crate) uses: BTreeSet<String>,
}

pub(crate) fn of_workspace(root: &Path) -> Result<Vec<Room>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"]).current_dir(root);
    let output = cargo.output().context("cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    Ok(of_metadata(&serde_json::from_slice(&output.stdout)?))
}

fn of_metadata(metadata: &Value) -> Vec<Room> {
    let mut rooms = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let (name, path) = (text(&package["name"]), text(&package["manifest_path"]));
        let is_plugin = path.contains("/plugins/");
        if is_plugin || path.contains("/src/") {
            rooms.insert(name.clone(), Room { name, is_plugin, uses: uses(package) });
        }
    }
    let names: BTreeSet<_> = rooms.keys().cloned().collect();
    for room in rooms.values_mut() {
        room.uses.retain(|name| names.contains(name));
    }
    rooms.into_values().collect()
}

fn uses(package: &Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    dependencies.filter(|of| of["kind"].is_null()).map(|of| text(&of["name"])).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
