//! Pods as people write them, and what becomes of them.

mod any;
mod asked;
mod configs;
mod given;

use fabric::Options;
use inject::{Injection, NETWORKS, Namespace, Networks, Outcome, Policy, Refusal, inject};
use serde_json::{Value, json};

const MACVLAN: &str = include_str!("../../../../conf-examples/fabric/macvlan-shared.yaml");
const ROCE: &str = include_str!("../../../../conf-examples/fabric/sriov-roce-per-node.yaml");
const RDMA: &str = "cni.spidernet.io/rdma-resource-inject";

fn config(name: &str, master: &str, key: &str) -> String {
    format!(
        "kind: SpiderMultusConfig\nmetadata: {{name: {name}, namespace: rails, annotations: {{{key}: gpu}}}}\n\
         spec: {{cniType: macvlan, macvlan: {{master: [{master}], rdmaResourceName: spidernet.io/{master}}}}}\n"
    )
}

fn vf(name: &str, resource: &str) -> String {
    format!(
        "kind: SpiderMultusConfig\nmetadata: {{name: {name}, namespace: rails, annotations: {{{RDMA}: gpu}}}}\n\
         spec: {{cniType: sriov, sriov: {{resourceName: {resource}}}}}\n"
    )
}

fn networks(texts: &[String]) -> Networks {
    let mut networks = Networks::default();
    for text in texts {
        let documents = yaml::documents(text).expect("YAML");
        for document in documents {
            if document["kind"] == "Fabric" {
                let fabric = fabric::fabrics(&[document]).expect("a fabric").remove(0);
                networks.add_fabric(&fabric, &Options::of_cluster("default"));
            } else {
                networks.add_config(&document);
            }
        }
    }
    networks
}

/// Ten rails, added in the order in which an API server lists them.
fn ten_rails() -> Networks {
    let numbers = [1, 10, 2, 3, 4, 5, 6, 7, 8, 9];
    networks(&numbers.map(|number| config(&format!("gpu-{number}"), &format!("eno{number}"), RDMA)))
}

fn pod(annotations: &Value) -> Value {
    json!({
        "metadata": { "name": "a", "annotations": annotations },
        "spec": { "containers": [{ "name": "main" }, { "name": "second" }] },
    })
}

fn asks() -> Value {
    pod(&json!({ RDMA: "gpu" }))
}

/// The configs of namespace rails are the admin's.
fn of_rails() -> Policy {
    Policy { configs: ["rails".to_owned()].into(), ..Policy::default() }
}

fn outcome(pod: &Value, networks: &Networks) -> Result<Outcome, Refusal> {
    inject(pod, &Namespace::named("jobs"), networks, &of_rails())
}

#[track_caller]
fn injected(pod: &Value, networks: &Networks) -> Injection {
    match outcome(pod, networks) {
        Ok(Outcome::Injected(injection)) => injection,
        other => panic!("{other:?}"),
    }
}

fn refused(annotations: &Value) -> String {
    outcome(&pod(annotations), &ten_rails()).expect_err("refused").to_string()
}

fn list(pod: &Value) -> Vec<String> {
    let text = pod["metadata"]["annotations"][NETWORKS].as_str().expect("networks");
    text.split(',').map(str::to_owned).collect()
}

fn applied(pod: &Value, injection: &Injection) -> Value {
    let patch: json_patch::Patch = serde_json::from_value(injection.patch.clone().into()).expect("a patch");
    let mut pod = pod.clone();
    json_patch::patch(&mut pod, &patch).expect("applies");
    pod
}
