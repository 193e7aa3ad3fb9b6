//! The plugins under test on every node, with the pools and networks of conf-examples.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::binary;

use crate::cluster::Cluster;
use crate::node::Node;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// The namespace of the networks, and of the pods that have them.
pub const RAILS_NAMESPACE: &str = "rails";

impl Cluster {
    /// Plugins, pools, the eight networks `gpuN-macvlan`, and `gpu-rails`, which is all of them as one.
    pub fn install_suite(&self) -> Result<()> {
        for node in self.nodes() {
            install_plugins(node)?;
            self.install_pools(node)?;
        }
        self.kubectl().run(&["create", "namespace", RAILS_NAMESPACE])?;
        self.wait_account(RAILS_NAMESPACE)?;
        self.kubectl().apply(&example("nad/macvlan-rails.yaml")?)?;
        let rails: Value = serde_json::from_str(&example("rail/rails.conflist")?)?;
        self.kubectl().apply(&network("gpu-rails", &rails))?;
        Ok(())
    }

    /// The pools of conf-examples, of which each node gets its part.
    fn install_pools(&self, node: &Node) -> Result<()> {
        let pools = example("pools/rails-shared-subnet.yaml")?;
        let (first, last) = addresses_of(node.number(), self.nodes().len());
        let own = pools.lines().map(|line| match line.trim().split_once("-172.16.") {
            Some((start, _)) if start.starts_with("- 172.16.") => {
                let net = start.trim_start_matches("- ").trim_end_matches(".1");
                format!("    - {net}.{first}-{net}.{last}\n")
            }
            _ => format!("{line}\n"),
        });
        node.put("etc/railcni/pools.d/rails.yaml", own.collect::<String>())
    }
}

/// The host parts of the addresses that a node hands out: 1 to 200, in equal parts.
pub(crate) fn addresses_of(number: u8, nodes: usize) -> (usize, usize) {
    let share = 200 / nodes.max(1);
    let before = share * usize::from(number - 1);
    (before + 1, before + share)
}

/// A `NetworkAttachmentDefinition` of this config, in the namespace of the networks.
pub fn network(name: &str, config: &Value) -> String {
    let definition = json!({
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": RAILS_NAMESPACE},
        "spec": {"config": config.to_string()},
    });
    definition.to_string()
}

/// A file of conf-examples.
pub(crate) fn example(path: &str) -> Result<String> {
    let path = Path::new(ROOT).join("conf-examples").join(path);
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

/// The names of the plugins: a directory each.
pub fn plugins() -> Result<Vec<String>> {
    let entries = fs::read_dir(Path::new(ROOT).join("plugins")).context("list the plugins")?;
    let dirs = entries.flatten().filter(|entry| entry.path().is_dir());
    Ok(dirs.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

fn install_plugins(node: &Node) -> Result<()> {
    plugins()?.iter().try_for_each(|name| node.install(&binary(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_share_the_addresses() {
        assert_eq!(addresses_of(1, 2), (1, 100));
        assert_eq!(addresses_of(2, 2), (101, 200));
    }
}
