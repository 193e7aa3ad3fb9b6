//! What is left: nothing, on the node and in the pod, however it ends.

use serde_json::{Value, json};
use testkit::{Chain, Matrix, Share, Snapshot, assert_same, matrix_tests};

use super::Underlay;

fn config() -> Value {
    json!({
        "serviceCIDR": ["10.96.0.0/12", "fd00:96::/64"], "policyRoutes": [{ "dst": "10.9.0.0/16", "gw": "172.16.1.3" }],
        "podMACPrefix": "0a:1b", "podRPFilter": 2, "vethLinkAddress": "169.254.200.1", "vethMTU": 1400,
    })
}

#[track_caller]
pub(super) fn same(before: &(Snapshot, Vec<String>), after: &(Snapshot, Vec<String>)) {
    assert_same(&before.0, &after.0);
    assert_eq!(before.1, after.1);
}

#[test]
fn add_and_del_leave_nothing_in_any_order() {
    let scene = Underlay::new(3);
    let before = scene.snapshot();
    for order in [[3, 2, 1], [1, 2, 3], [2, 1, 3]] {
        for number in 1..=3 {
            let more = if number == 1 { config() } else { json!({ "serviceCIDR": ["10.96.0.0/12"] }) };
            scene.add(number, &more);
        }
        for number in order {
            scene.del(number);
        }
        same(&before, &scene.snapshot());
    }
}

/// More than there are to kill it at.
const MOST: Share = Share::About(300);

/// The links settle in a moment of the kernel's; what is left is compared by the matrix, and the firewall here.
fn matrix(run: impl FnOnce(&Matrix<'_>)) {
    let scene = Underlay::new(1);
    let chain = Chain::default().first(scene.plugin(1), scene.config(1, &config()));
    run(&Matrix::new("coordinator, underlay", &scene.world, chain, MOST, &["file state/locks/"]));
    assert_eq!(scene.ruleset(), [""; 0]);
}

matrix_tests! { matrix }

/// The record alone, the namespace gone, and twice.
#[test]
fn del_needs_no_namespace_and_cleans_the_node() {
    let scene = Underlay::new(2);
    let (host, path) = (scene.world.host(), scene.pod.path().to_owned());
    let node = || {
        [
            host.ip(&["rule"]),
            host.ip(&["-6", "rule"]),
            host.ip(&["route", "show", "table", "all", "proto", "211"]),
        ]
    };
    let before = node();
    scene.add(1, &config());
    scene.add(2, &json!({}));
    assert_ne!(node(), before);
    let plugins = [scene.plugin(1), scene.plugin(2)];
    let world = scene.world;
    drop(scene.pod);
    world.remove_pod("a");
    for (number, plugin) in [2, 1].into_iter().zip(plugins.iter().rev()) {
        let broken = json!({ "cniVersion": "1.1.0", "name": format!("rail{number}"), "type": "coordinator", "mode": 7 });
        plugin.del(&broken).success();
        plugin.clone().netns(&path).del(&broken).success();
    }
    let host = world.host();
    let node = [
        host.ip(&["rule"]),
        host.ip(&["-6", "rule"]),
        host.ip(&["route", "show", "table", "all", "proto", "211"]),
    ];
    assert_eq!(node, before);
    testkit::eventually(std::time::Duration::from_secs(5), || {
        (!host.has_link("veth0123456789a")).then_some(())
    })
    .unwrap();
    let left = world.snapshot().to_string();
    assert!(!left.lines().any(|line| line.starts_with("file state/attachments")), "{left}");
}

#[test]
fn gc_undoes_the_pair_the_marks_and_the_nodes_side() {
    let scene = Underlay::new(1);
    let before = scene.snapshot();
    scene.add(1, &config());
    let mut gc = Underlay::bare_config(1);
    gc["cni.dev/valid-attachments"] = json!([]);
    scene.plugin(1).gc(&gc).success();
    same(&before, &scene.snapshot());
}
