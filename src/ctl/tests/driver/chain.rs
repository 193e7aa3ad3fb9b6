//! The verbs of a network: which plugins are called in which order, and with what.

use std::fs;

use serde_json::{Value, json};

use crate::fake::{Fake, NETNS, fails, result, succeeds};

#[test]
fn add_goes_forward_with_results_and_del_goes_back_with_the_last() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "b", "c"]);
    let printed = succeeds(&fake.railctl(&["attach", "net", NETNS]));
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), result("1.1.0", 3));

    let calls = fake.take_calls();
    assert_eq!(calls.iter().map(|call| call.what.as_str()).collect::<Vec<_>>(), ["ADD a", "ADD b", "ADD c"]);
    let previous: Vec<_> = calls.iter().map(|call| call.stdin.get("prevResult").cloned()).collect();
    assert_eq!(previous, [None, Some(result("1.1.0", 1)), Some(result("1.1.0", 2))]);
    assert!(calls.iter().all(|call| call.stdin["name"] == "net" && call.stdin["cniVersion"] == "1.1.0"));

    succeeds(&fake.railctl(&["check", "net", NETNS]));
    let checks = fake.take_calls();
    assert!(checks.iter().all(|call| call.stdin["prevResult"] == result("1.1.0", 3)));
    assert_eq!(
        checks.iter().map(|call| call.what.as_str()).collect::<Vec<_>>(),
        ["CHECK a", "CHECK b", "CHECK c"]
    );

    succeeds(&fake.railctl(&["detach", "net", NETNS]));
    let deletions = fake.take_calls();
    assert_eq!(
        deletions.iter().map(|call| call.what.as_str()).collect::<Vec<_>>(),
        ["DEL c", "DEL b", "DEL a"]
    );
    assert!(deletions.iter().all(|call| call.stdin["prevResult"] == result("1.1.0", 3)));
    assert!(fake.cached().is_empty());
}

#[test]
fn all_six_variables_are_set_even_when_empty() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a"]);
    succeeds(&fake.railctl(&[
        "attach",
        "net",
        NETNS,
        "--container-id",
        "pod",
        "-i",
        "eth7",
        "--args",
        "K=V;L=W",
    ]));
    succeeds(&fake.railctl(&["status", "net"]));
    let calls = fake.calls();
    let path = format!("CNI_PATH={}", fake.path("bin").display());
    let netns = format!("CNI_NETNS={NETNS}");
    let add =
        ["CNI_ARGS=K=V;L=W", "CNI_COMMAND=ADD", "CNI_CONTAINERID=pod", "CNI_IFNAME=eth7", &netns, &path];
    assert_eq!(calls[0].env, add);
    let status = ["CNI_ARGS=", "CNI_COMMAND=STATUS", "CNI_CONTAINERID=", "CNI_IFNAME=", "CNI_NETNS=", &path];
    assert_eq!(calls[1].env, status);
}

#[test]
fn the_cache_has_the_shape_of_libcni() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a"]);
    let capabilities = r#"{"mac":"c2:00:00:00:00:01"}"#;
    succeeds(&fake.railctl(&[
        "attach",
        "net",
        NETNS,
        "--container-id",
        "pod",
        "--cap-args",
        capabilities,
        "--args",
        "K=V",
    ]));
    assert_eq!(fake.cached(), ["net-pod-net1"]);
    let bytes = fs::read(fake.path("state/railctl/results/net-pod-net1")).unwrap();
    let mut cached: Value = serde_json::from_slice(&bytes).unwrap();
    let config = cached["config"].take();
    let expected = json!({
        "kind": "cniCacheV1", "containerId": "pod", "config": null, "ifName": "net1", "networkName": "net",
        "netns": NETNS, "cniArgs": [["K", "V"]], "capabilityArgs": {"mac": "c2:00:00:00:00:01"},
        "result": result("1.1.0", 1),
    });
    assert_eq!(cached, expected);
    assert!(config.as_str().unwrap().starts_with("ey"), "base64 of a JSON object: {config}");
}

#[test]
fn capability_arguments_go_to_plugins_that_ask() {
    let fake = Fake::new();
    let list = json!({ "cniVersion": "1.1.0", "name": "net", "plugins": [
        { "type": "a", "capabilities": { "mac": true, "ips": false } }, { "type": "b" },
    ]});
    fake.write("net.d/net.conflist", &list.to_string());
    let capabilities = r#"{"mac":"c2:00:00:00:00:01","ips":["10.0.0.9"]}"#;
    succeeds(&fake.railctl(&["attach", "net", NETNS, "--cap-args", capabilities]));
    // DEL gets what ADD got, from the command line as well as from a runtime's memory.
    succeeds(&fake.railctl(&["detach", "net", NETNS, "--cap-args", capabilities]));
    for call in fake.calls() {
        let expected = call.what.ends_with('a').then(|| json!({ "mac": "c2:00:00:00:00:01" }));
        assert_eq!(call.stdin.get("runtimeConfig").cloned(), expected, "{}", call.what);
    }
}

#[test]
fn a_failure_at_the_second_of_three_is_undone_by_del() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "b", "c"]);
    fake.fail("ADD", "b");
    let error = fails(&fake.railctl(&["attach", "net", NETNS]));
    assert!(error.contains("ADD of b failed as the test wants it"), "{error}");
    assert!(error.contains("is not attached; what had been done was undone by DEL"), "{error}");
    let calls = fake.take_calls();
    let order: Vec<_> = calls.iter().map(|call| call.what.as_str()).collect();
    assert_eq!(order, ["ADD a", "ADD b", "DEL c", "DEL b", "DEL a"]);
    assert!(calls[2..].iter().all(|call| call.stdin.get("prevResult").is_none()));
    assert!(fake.cached().is_empty());
}

#[test]
fn a_failure_of_both_names_both() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "b"]);
    fake.fail("ADD", "b");
    fake.fail("DEL", "b");
    let error = fails(&fake.railctl(&["attach", "net", NETNS]));
    assert!(error.contains("ADD of b failed") && error.contains("DEL of b failed"), "{error}");
}

#[test]
fn a_failing_del_stops_and_keeps_the_cache() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "b", "c"]);
    succeeds(&fake.railctl(&["attach", "net", NETNS]));
    fake.take_calls();
    fake.fail("DEL", "b");
    let error = fails(&fake.railctl(&["detach", "net", NETNS]));
    assert!(error.contains("DEL of b failed"), "{error}");
    assert_eq!(fake.order(), ["DEL c", "DEL b"]);
    fs::remove_file(fake.path("fail-DEL-b")).unwrap();
    succeeds(&fake.railctl(&["detach", "net", NETNS]));
    assert!(fake.calls().iter().all(|call| call.stdin["prevResult"] == result("1.1.0", 3)));
}

#[test]
fn a_damaged_cache_does_not_hold_a_container_back() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a"]);
    succeeds(&fake.railctl(&["attach", "net", NETNS, "--container-id", "pod"]));
    fake.write("state/railctl/results/net-pod-net1", "");
    fake.take_calls();
    fails(&fake.railctl(&["check", "net", NETNS, "--container-id", "pod"]));
    assert!(fake.calls().is_empty());
    succeeds(&fake.railctl(&["detach", "net", NETNS, "--container-id", "pod"]));
    assert!(fake.take_calls()[0].stdin.get("prevResult").is_none());
    assert!(fake.cached().is_empty());
}

#[test]
fn a_network_whose_config_is_gone_is_detached_from_memory() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "b"]);
    succeeds(&fake.railctl(&["attach", "net", NETNS]));
    fs::remove_file(fake.path("net.d/net.conflist")).unwrap();
    fake.take_calls();
    succeeds(&fake.railctl(&["detach", "net", NETNS]));
    assert_eq!(fake.order(), ["DEL b", "DEL a"]);
    fails(&fake.railctl(&["detach", "net", NETNS]));
}

#[test]
fn versions_decide_which_verbs_there_are() {
    let fake = Fake::new();
    for version in ["0.3.1", "1.0.0"] {
        fake.network("net", version, &["a"]);
        fake.answer_in(version);
        succeeds(&fake.railctl(&["attach", "net", NETNS]));
        fake.take_calls();
        let text = succeeds(&fake.railctl(&["status", "net"]));
        assert!(text.contains("has no STATUS"), "{text}");
        let checked = fake.railctl(&["check", "net", NETNS]);
        if version == "0.3.1" {
            fails(&checked)
        } else {
            succeeds(&checked)
        };
        succeeds(&fake.railctl(&["detach", "net", NETNS]));
        let with_result = fake.take_calls().last().unwrap().stdin.get("prevResult").is_some();
        assert_eq!(with_result, version == "1.0.0");
    }
}

#[test]
fn disabled_verbs_call_nobody() {
    let fake = Fake::new();
    let list = json!({ "cniVersion": "1.1.0", "name": "net", "disableCheck": true, "disableGC": true,
                       "plugins": [{ "type": "a" }] });
    fake.write("net.d/net.conflist", &list.to_string());
    succeeds(&fake.railctl(&["check", "net", NETNS]));
    succeeds(&fake.railctl(&["gc", "net"]));
    succeeds(&fake.railctl(&["gc", "net", "--all"]));
    assert!(fake.calls().is_empty());
}

#[test]
fn status_stops_at_the_first_that_is_not_ready() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "b"]);
    fake.fail("STATUS", "a");
    fails(&fake.railctl(&["status", "net"]));
    assert_eq!(fake.order(), ["STATUS a"]);
}

#[test]
fn a_plugin_that_is_not_installed_is_named() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "missing"]);
    let error = fails(&fake.railctl(&["attach", "net", NETNS]));
    assert!(error.contains("missing"), "{error}");
}
