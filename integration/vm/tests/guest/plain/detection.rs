//! `detection` on Debian's own kernel, and on links that build machines lack.

#[path = "../../../../netns/tests/detection/conflict.rs"]
mod conflict;
#[path = "../../../../netns/tests/detection/gateway.rs"]
mod gateway;
#[path = "../../../../netns/tests/detection/stage.rs"]
mod stage;

use serde_json::{Value, json};
use testkit::assert_same;

use stage::{Stage, addresses};

fn ipvlan(more: &Value) -> Value {
    let both = json!({ "conflict": true, "gateway": true, "interval": "20ms" });
    let mut config =
        stage::config(&both, Some("172.16.1.10-172.16.1.13"), Some("fd00:16:1::10-fd00:16:1::13"));
    config["type"] = json!("ipvlan");
    config.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    config
}

/// It has its master's MAC, and the answer to a probe goes to the master.
#[test]
fn an_ipvlan_passes_over_what_others_have() {
    let stage = Stage::new();
    stage.occupy(&["172.16.1.10/24", "fd00:16:1::10/64"]);
    stage.occupy_each(&["172.16.1.11/24"]);
    let plugin = stage.world.plugin("ipvlan").netns(stage.pod.path());
    let before = stage.picture();
    let result = plugin.add(&ipvlan(&json!({}))).success();
    assert_eq!(addresses(&result), ["172.16.1.12", "fd00:16:1::11"]);
    assert_eq!(stage.quarantined(), ["172.16.1.10-172.16.1.11", "fd00:16:1::10"]);
    plugin.del(&ipvlan(&json!({}))).success();
    assert_same(&before, &stage.picture());
}

#[test]
fn an_ipvlan_whose_gateway_is_silent() {
    let stage = Stage::new();
    stage.remove_address("172.16.1.254/24");
    let before = stage.picture();
    let error = stage.world.plugin("ipvlan").netns(stage.pod.path()).add(&ipvlan(&json!({}))).error();
    assert_eq!(error.code, 103, "{error:?}");
    assert_same(&before, &stage.picture());
    assert!(stage.held().is_empty());
}

#[test]
fn an_ipvlan_without_arp_is_refused() {
    let stage = Stage::new();
    let before = stage.picture();
    for mode in ["l3", "l3s"] {
        let plugin = stage.world.plugin("ipvlan").netns(stage.pod.path());
        let error = plugin.add(&ipvlan(&json!({ "mode": mode }))).error();
        let said =
            "interface net1 has no ARP and no neighbour discovery: leave out `detection` for this network";
        assert_eq!((error.code, error.msg.as_str()), (7, said));
        assert_same(&before, &stage.picture());
        assert!(stage.held().is_empty());
    }
}
