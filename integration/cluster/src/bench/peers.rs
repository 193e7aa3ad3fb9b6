//! The peers' chains: macvlan and sbr of Debian's package, with host-local or whereabouts for the addresses.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use cluster::{Cluster, Node, RAILS, WHEREABOUTS_KINDS, network, nic, whereabouts};
use serde_json::{Value, json};

/// Programs, kinds, and eight networks `host-local-N` and `whereabouts-N`.
pub(super) fn install(cluster: &Cluster) -> Result<()> {
    let whereabouts = whereabouts()?;
    for node in cluster.nodes() {
        install_macvlan(node)?;
        node.install(Path::new("/usr/lib/cni/sbr"))?;
        node.install(&whereabouts)?;
        configure_whereabouts(node)?;
    }
    let kubectl = cluster.kubectl();
    kubectl.apply(WHEREABOUTS_KINDS)?;
    kubectl.run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])?;
    for rail in 1..=RAILS {
        kubectl
            .apply(&network(&format!("host-local-{rail}"), &chain("host-local", rail, &host_local(rail))))?;
        kubectl.apply(&network(
            &format!("whereabouts-{rail}"),
            &chain("whereabouts", rail, &cluster_wide(rail)),
        ))?;
    }
    Ok(())
}

/// Under another name: its own is that of the plugin under test.
fn install_macvlan(node: &Node) -> Result<()> {
    let target = node.path("opt/cni/bin/peer-macvlan");
    fs::copy("/usr/lib/cni/macvlan", target).context("install Debian's macvlan").map(drop)
}

/// As its installer does.
fn configure_whereabouts(node: &Node) -> Result<()> {
    fs::create_dir_all(node.path("etc/cni/net.d/whereabouts.d"))?;
    let kubernetes = json!({"kubeconfig": "/etc/cni/net.d/multus.kubeconfig"});
    let config = json!({"datastore": "kubernetes", "kubernetes": kubernetes});
    node.put("etc/cni/net.d/whereabouts.d/whereabouts.conf", config.to_string())
}

fn chain(name: &str, rail: u8, ipam: &Value) -> Value {
    json!({"cniVersion": "1.0.0", "name": format!("{name}-{rail}"), "plugins": [
        {"type": "peer-macvlan", "master": nic(rail), "mode": "bridge", "ipam": ipam},
        {"type": "sbr"},
    ]})
}

fn host_local(rail: u8) -> Value {
    let net = format!("172.16.{}", 10 + rail);
    let range = json!({"subnet": format!("{net}.0/24"), "gateway": format!("{net}.254")});
    json!({"type": "host-local", "ranges": [[range]], "dataDir": "/run/cni/peers"})
}

fn cluster_wide(rail: u8) -> Value {
    let net = format!("172.16.{}", 10 + rail);
    json!({"type": "whereabouts", "range": format!("{net}.0/24"), "gateway": format!("{net}.254")})
}
