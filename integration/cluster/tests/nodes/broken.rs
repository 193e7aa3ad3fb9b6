//! Plugins that are broken on purpose: each has to be found, or the other tests prove nothing.

use crate::cluster;
use crate::pods::{await_event, await_ready, delete_all, node, sleeper, start};
use crate::verdict::{await_clean, await_clean_within, check_distinct, check_pod};
use cluster::{Cluster, Node, RAILS_NAMESPACE};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;
use testkit::binary;

/// Puts a script in the place of `rail` on node1, which has the true one as `rail.true`.
fn break_rail(node: &Node, script: &str) {
    let rail = node.path("opt/cni/bin/rail");
    fs::rename(&rail, node.path("opt/cni/bin/rail.true")).unwrap();
    node.put("opt/cni/bin/rail", format!("#!/bin/sh\ntrue=/opt/cni/bin/rail.true\n{script}\n")).unwrap();
    fs::set_permissions(rail, fs::Permissions::from_mode(0o755)).unwrap();
}

fn mend_rail(node: &Node) {
    fs::remove_file(node.path("opt/cni/bin/rail.true")).unwrap();
    fs::remove_file(node.path("opt/cni/bin/rail")).unwrap();
    node.install(&binary("rail")).unwrap();
}

/// A pod under a broken plugin; `find` has to find it. Then all is as it was.
fn found(script: &str, find: impl Fn(&Cluster, &Node) -> String) -> String {
    let cluster = cluster();
    let node = node(&cluster, "node1");
    break_rail(node, script);
    start(&cluster, &[sleeper("broken", "node1", "gpu-rails")]).unwrap();
    let said = find(&cluster, node);
    mend_rail(node);
    delete_all(&cluster, &[]).unwrap();
    await_clean(&cluster).unwrap();
    said
}

/// What the systemd unit runs.
fn command_of_timer() -> (&'static str, Vec<&'static str>) {
    let unit = include_str!("../../../../deploy/systemd/railcni-gc.service");
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let mut words = command.split_whitespace();
    (words.next().unwrap(), words.collect())
}

#[test]
fn a_route_that_is_missing_is_found() {
    let script = r#"
"$true" || exit
[ "$CNI_COMMAND" != ADD ] || nsenter --net="$CNI_NETNS" ip route del default table 103 >&2"#;
    let said =
        found(script, |cluster, node| format!("{:#}", check_pod(cluster, node, "broken").unwrap_err()));
    assert!(said.contains("table 103 has"), "{said}");
}

#[test]
fn an_address_that_is_doubled_is_found() {
    let script = r#"
"$true" || exit
[ "$CNI_COMMAND" = ADD ] || exit 0
nsenter --net="$CNI_NETNS" sh -c "ip addr flush dev net1; ip addr add 172.16.11.150/24 dev net1" >&2"#;
    let said = found(script, |cluster, node| {
        start(cluster, &[sleeper("double", "node1", "gpu-rails")]).unwrap();
        format!("{:#}", check_distinct(node, &["broken", "double"]).unwrap_err())
    });
    assert!(said.contains("172.16.11.150"), "{said}");
}

#[test]
fn a_deletion_that_leaks_is_found() {
    let cluster = cluster();
    let node = node(&cluster, "node1");
    break_rail(node, r#"[ "$CNI_COMMAND" = DEL ] || exec "$true""#);
    start(&cluster, &[sleeper("leaky", "node1", "gpu-rails")]).unwrap();
    delete_all(&cluster, &[]).unwrap();
    let said = format!("{:#}", await_clean_within(&cluster, Duration::from_secs(10)).unwrap_err());
    mend_rail(node);
    assert!(said.contains("node1 has attachments"), "{said}");

    // What the leak left is what the node's timer is for.
    let (program, args) = command_of_timer();
    assert_eq!(program, "/usr/local/bin/railctl");
    node.output(Command::new(binary("railctl")).args(args).env_clear().env("PATH", "/usr/bin:/usr/sbin"))
        .unwrap();
    await_clean(&cluster).unwrap();
}

#[test]
fn half_a_copy_of_a_plugin_is_found() {
    let cluster = cluster();
    let node = node(&cluster, "node1");
    let whole = fs::read(binary("rail")).unwrap();
    node.put("opt/cni/bin/rail", &whole[..whole.len() / 2]).unwrap();
    cluster.kubectl().create(&sleeper("half", "node1", "gpu-rails").to_string()).unwrap();
    let found = await_event(&cluster, RAILS_NAMESPACE, "half", "error adding container to network");
    node.install(&binary("rail")).unwrap();
    found.unwrap();
    // kubelet tries again, and what half a plugin could not delete is deleted.
    await_ready(&cluster, &["half"]).unwrap();
    check_pod(&cluster, node, "half").unwrap();
    delete_all(&cluster, &[]).unwrap();
    await_clean(&cluster).unwrap();
}
