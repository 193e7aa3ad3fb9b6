//! A Fabric that is to go.

use std::collections::{BTreeMap, BTreeSet};

use admission::{Request, going, removal};
use fabric::Options;
use serde_json::{Value, json};

fn fabric(annotations: &Value) -> Value {
    json!({
        "apiVersion": "railcni.dev/v1alpha1", "kind": "Fabric", "metadata": { "name": "gpu", "annotations": annotations },
        "spec": {
            "link": "macvlan", "rails": [{ "interface": "eno1" }, { "interface": "eno2" }],
            "addressing": { "shared": { "subnet": "172.16.11.0/24" } },
        },
    })
}

fn request(operation: &str, old: &Value) -> Request {
    let kind = json!({ "group": "railcni.dev", "kind": old["kind"] });
    let review = json!({ "request": { "uid": "u", "operation": operation, "kind": kind, "oldObject": old } });
    Request::parse(review.to_string().as_bytes()).expect("a request")
}

fn networks(request: &Request) -> BTreeSet<String> {
    going(request, &Options::of_cluster("default"))
}

/// The answer where these pods are attached.
fn refusal(attached: &[(&str, &[&str])]) -> Option<String> {
    let request = request("DELETE", &fabric(&Value::Null));
    let owned = |pods: &[&str]| pods.iter().map(|&pod| pod.to_owned()).collect::<Vec<_>>();
    let attached: BTreeMap<_, _> =
        attached.iter().map(|(network, pods)| ((*network).to_owned(), owned(pods))).collect();
    removal(&request, &networks(&request), &attached).refusal
}

#[test]
fn its_networks_are_those_of_either_form() {
    let all = ["default/gpu", "default/gpu-rail1", "default/gpu-rail2"].map(str::to_owned);
    assert_eq!(networks(&request("DELETE", &fabric(&Value::Null))), all.into());
}

#[test]
fn who_edits_it_who_means_it_and_who_removes_something_else_is_asked_nothing() {
    let meant = json!({ "railcni.dev/change-networks-in-use": "true" });
    let mut other = fabric(&Value::Null);
    other["kind"] = "SpiderMultusConfig".into();
    let unreadable = json!({ "kind": "Fabric", "metadata": { "name": "gpu" }, "spec": 1 });
    for (operation, old) in [
        ("UPDATE", fabric(&Value::Null)),
        ("DELETE", fabric(&meant)),
        ("DELETE", other),
        ("DELETE", unreadable),
    ] {
        assert!(networks(&request(operation, &old)).is_empty(), "{operation} {old}");
    }
}

#[test]
fn pods_on_its_rails_are_named_once_and_not_by_hundreds() {
    assert_eq!(refusal(&[]), None);
    assert_eq!(refusal(&[("default/other", &["ai/a"]), ("ai/gpu", &["ai/b"])]), None);
    let both =
        refusal(&[("default/gpu-rail1", &["ai/a"]), ("default/gpu-rail2", &["ai/a"])]).expect("refused");
    assert!(both.starts_with("Fabric \"gpu\" has pods on its rails: ai/a; "), "{both}");
    assert!(
        both.contains("delete these pods first") && both.contains("change-networks-in-use: \"true\""),
        "{both}"
    );
    let crowd: Vec<_> = (0..7).map(|number| format!("ai/train-{number}")).collect();
    let crowd: Vec<_> = crowd.iter().map(String::as_str).collect();
    let crowd = refusal(&[("default/gpu", &crowd)]).expect("refused");
    assert!(crowd.contains("ai/train-4 and 2 more; ") && !crowd.contains("train-5"), "{crowd}");
}
