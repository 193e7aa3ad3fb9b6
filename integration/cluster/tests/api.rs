//! The API server alone: what a client finds there, and what a test may do to it.

use cluster::Api;
use serde_json::json;

fn config_map(name: &str, value: &str) -> String {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": value}})
        .to_string()
}

#[test]
fn objects_outlive_a_server_that_was_killed_and_not_a_restored_backup() {
    let mut api = Api::start().unwrap();
    let kubectl = api.kubectl();
    let value = || kubectl.get(&["configmap", "one"]).unwrap()["data"]["key"].clone();
    kubectl.create(&config_map("one", "first")).unwrap();

    let saved = api.save("first").unwrap();
    kubectl.apply(&config_map("one", "second")).unwrap();
    api.kill_server().unwrap();
    assert!(kubectl.run(&["get", "--raw", "/readyz", "--request-timeout=2s"]).is_err(), "it was killed");
    api.start_server().unwrap();
    assert_eq!(value(), "second");

    api.restore(&saved).unwrap();
    assert_eq!(value(), "first");
}

#[test]
fn two_servers_at_once_do_not_meet() {
    let (one, two) = (Api::start().unwrap(), Api::start().unwrap());
    assert_ne!(one.url(), two.url());
    one.kubectl().create(&config_map("mine", "one")).unwrap();
    assert!(two.kubectl().get(&["configmap", "mine"]).is_err());
}

#[test]
fn a_frozen_server_answers_when_it_is_thawed() {
    let api = Api::start().unwrap();
    let ask = || api.kubectl().run(&["get", "--raw", "/readyz", "--request-timeout=2s"]);
    api.freeze_server().unwrap();
    assert!(ask().is_err());
    api.thaw_server().unwrap();
    assert_eq!(ask().unwrap(), "ok");
}
