//! `node.yaml`: what is the same for all networks of a node.

use serde_json::json;
use testkit::assert_same;

use crate::pod::{Scene, Stack};

#[expect(clippy::disallowed_methods, reason = "nobody reads a test's own file while it is written")]
fn say(scene: &Scene, text: &str) {
    std::fs::write(scene.world.dirs().config.join("node.yaml"), text).unwrap();
}

/// V00007: the node's word has the lowest precedence, and DEL does not ask for it.
#[test]
fn the_nodes_word_counts_where_the_network_says_nothing() {
    let scene = Scene::new(2, Stack::V4);
    say(&scene, "coordinator:\n  serviceCIDR: [10.96.0.0/12]\n  hostRuleTable: 600\n");
    let before = scene.snapshot();
    scene.add(1, &json!({}));
    scene.add(2, &json!({ "serviceCIDR": ["10.7.0.0/16"], "hostRuleTable": 0 }));
    let [one, two] = ["101", "102"].map(|table| scene.table("-4", table).join("\n"));
    assert!(one.contains("10.96.0.0/12 via 169.254.1.1 dev eth0") && !one.contains("10.7.0.0/16"), "{one}");
    assert!(two.contains("10.7.0.0/16 via 169.254.1.1 dev eth0") && !two.contains("10.96.0.0/12"), "{two}");
    let on_node = scene.world.host().ip(&["route", "show", "table", "all", "proto", "211"]);
    assert_eq!((on_node[0]["table"].clone(), on_node.as_array().map(Vec::len)), (json!("600"), Some(1)));
    say(&scene, "coordinator: {mode: nonsense}\n");
    scene.del(2);
    scene.del(1);
    assert_same(&before.without("file config/"), &scene.snapshot().without("file config/"));
}

#[test]
fn a_mode_of_the_node_is_every_networks() {
    let scene = Scene::new(1, Stack::V4);
    say(&scene, "coordinator: {mode: disabled}\n");
    let before = scene.snapshot();
    scene.add(1, &json!({}));
    assert_same(&before, &scene.snapshot());
    scene.add(1, &json!({ "mode": "auto" }));
    assert_eq!(scene.rules("-4").len(), 5);
}

#[test]
fn a_bad_file_is_named_and_nothing_is_touched() {
    let scene = Scene::new(1, Stack::V4);
    say(&scene, "coordinator: {serviceCIDRs: [10.96.0.0/12]}\n");
    let before = scene.snapshot();
    let config = scene.config(&scene.rails[0], &json!({}));
    for outcome in [scene.plugin("net1").add(&config), scene.plugin("net1").status(&config)] {
        let error = outcome.error();
        let expected =
            "config/node.yaml: coordinator: there is no key \"serviceCIDRs\": did you mean \"serviceCIDR\"?";
        assert!(error.code == 7 && error.msg.ends_with(expected), "{error:?}");
    }
    assert_same(&before, &scene.snapshot());
}

/// C00020 by `CNI_ARGS`.
#[test]
fn cni_args_name_the_default_nic() {
    let scene = Scene::new(1, Stack::V4);
    let plugin = scene.plugin("net1").args("IgnoreUnknown=1;podDefaultRouteNic=net1");
    plugin.add(&scene.config(&scene.rails[0], &json!({}))).success();
    assert_eq!(scene.way_out("-4"), "net1");
}
