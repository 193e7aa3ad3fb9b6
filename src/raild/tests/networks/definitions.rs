//! `raild networks` on a real API server: made, repaired, left alone, and the pods that nobody injected.

use std::time::Duration;

use cluster::{Api, Kubectl};
use serde_json::{Value, json};
use testkit::{eventually, pause};

use crate::{Process, prepared, raild};

const WAIT: Duration = Duration::from_secs(60);
const FABRIC: &str = "
apiVersion: railcni.dev/v1alpha1
kind: Fabric
metadata: {name: gpu}
spec:
  link: macvlan
  rails: [{interface: eno1}, {interface: eno2}]
  addressing: {perNode: {supernet: 172.16.0.0/16, prefixLength: 27, gateway: 1}}
";

pub(crate) fn start(api: &Api) -> Process {
    Process(raild(api, "networks").spawn().unwrap())
}

pub(crate) fn node(name: &str) -> String {
    format!("apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n---\n")
}

#[track_caller]
pub(crate) fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let found = eventually(WAIT, || {
        pause(Duration::from_millis(200));
        found()
    });
    found.unwrap_or_else(|| panic!("{what}"))
}

pub(crate) fn get(kubectl: &Kubectl, kind: &str, name: &str) -> Option<Value> {
    kubectl.get(&[kind, name]).ok()
}

pub(crate) fn condition(kubectl: &Kubectl, kind: &str, name: &str, reason: &str) -> Option<String> {
    let object = get(kubectl, kind, name)?;
    let condition = &object["status"]["conditions"][0];
    (condition["reason"] == reason).then(|| condition["message"].as_str().unwrap_or_default().to_owned())
}

fn event(kubectl: &Kubectl, name: &str, reason: &str) -> Option<String> {
    let events = kubectl
        .get(&["events", "--field-selector", &format!("involvedObject.name={name},reason={reason}")])
        .ok()?;
    Some(events["items"][0]["message"].as_str()?.to_owned())
}

fn config(spec: &Value) -> String {
    json!({
        "apiVersion": "spiderpool.spidernet.io/v2beta1", "kind": "SpiderMultusConfig",
        "metadata": { "name": "rail1", "namespace": "default",
            "annotations": { "cni.spidernet.io/network-resource-inject": "gpu" } },
        "spec": spec,
    })
    .to_string()
}

#[test]
fn a_network_follows_its_config_and_a_pod_that_was_missed_is_told_of() {
    let api = prepared();
    let kubectl = api.kubectl();
    let _networks = start(&api);
    kubectl.apply(&config(&json!({ "cniType": "macvlan", "macvlan": { "master": ["eno1"] } }))).unwrap();
    let made = until("the network is made", || get(&kubectl, "net-attach-def", "rail1"));
    assert_eq!(made["metadata"]["ownerReferences"][0]["kind"], "SpiderMultusConfig");
    assert!(made["spec"]["config"].as_str().unwrap().contains("\"master\":\"eno1\""));
    until("the condition", || condition(&kubectl, "smc", "rail1", "Rendered"));

    // Edited and deleted, it is put back.
    kubectl
        .run(&["patch", "net-attach-def", "rail1", "--type=merge", "-p", r#"{"spec":{"config":"{}"}}"#])
        .unwrap();
    let config_of = || Some(get(&kubectl, "net-attach-def", "rail1")?["spec"]["config"].clone());
    until("the network is repaired", || config_of().filter(|config| *config == made["spec"]["config"]));
    kubectl.run(&["delete", "net-attach-def", "rail1"]).unwrap();
    until("the network is made again", || config_of().filter(|config| *config == made["spec"]["config"]));

    // What cannot be rendered leaves the network to those that have it.
    kubectl.apply(&config(&json!({ "cniType": "macvlan", "macvlan": { "master": ["a", "b"] } }))).unwrap();
    let problem = until("the condition turns", || condition(&kubectl, "smc", "rail1", "NotRendered"));
    assert!(problem.contains("spec.macvlan.master has 2 entries"), "{problem}");
    assert_eq!(config_of().as_ref(), Some(&made["spec"]["config"]));
    assert!(until("the event", || event(&kubectl, "rail1", "NotRendered")).contains("spec.macvlan.master"));
    kubectl.apply(&config(&json!({ "cniType": "macvlan", "macvlan": { "master": ["eno1"] } }))).unwrap();
    until("the condition turns back", || condition(&kubectl, "smc", "rail1", "Rendered"));

    // There is no webhook.
    let pod = |name: &str, annotations: Value| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "annotations": annotations },
            "spec": { "containers": [{ "name": "main", "image": "none" }] },
        })
    };
    kubectl.create(&pod("other", json!({})).to_string()).unwrap();
    kubectl
        .create(&pod("missed", json!({ "cni.spidernet.io/network-resource-inject": "gpu" })).to_string())
        .unwrap();
    assert!(
        until("the event of the pod", || event(&kubectl, "missed", "NotInjected"))
            .contains("nobody injected it")
    );
    assert_eq!(event(&kubectl, "other", "NotInjected"), None);
    // Whose pods are left alone, nobody misses.
    let mut of_system = pod("system", json!({ "cni.spidernet.io/network-resource-inject": "gpu" }));
    of_system["metadata"]["namespace"] = "kube-system".into();
    kubectl.create(&of_system.to_string()).unwrap();
    kubectl
        .create(&pod("missed-too", json!({ "cni.spidernet.io/network-resource-inject": "gpu" })).to_string())
        .unwrap();
    until("the event of the next pod", || event(&kubectl, "missed-too", "NotInjected"));
    let events =
        kubectl.get(&["events", "-n", "kube-system", "--field-selector", "reason=NotInjected"]).unwrap();
    assert_eq!(events["items"], json!([]));
}

#[test]
fn a_fabric_becomes_pools_and_networks_and_an_admins_word_becomes_a_conflict() {
    let api = prepared();
    let kubectl = api.kubectl();
    kubectl.apply(&format!("{}{}", node("b"), node("c"))).unwrap();
    let networks = start(&api);
    kubectl.apply(FABRIC).unwrap();
    until("the fabric is applied", || condition(&kubectl, "fabric", "gpu", "Applied"));
    let subnet = |node: &str| {
        Some(get(&kubectl, "spiderippool", &format!("gpu-rail1.{node}"))?["spec"]["subnet"].clone())
    };
    let (b, c) = (subnet("b").unwrap(), subnet("c").unwrap());
    assert_eq!(
        get(&kubectl, "net-attach-def", "gpu").unwrap()["metadata"]["ownerReferences"][0]["kind"],
        "Fabric"
    );

    // A node that comes takes nobody's slice, whoever plans.
    drop(networks);
    kubectl.apply(&node("a")).unwrap();
    let _networks = start(&api);
    let a = until("the new node's pool", || subnet("a"));
    assert_eq!((subnet("b"), subnet("c")), (Some(b.clone()), Some(c.clone())));
    assert!(a != b && a != c);

    // An admin's word stays, and is named.
    let pool = get(&kubectl, "spiderippool", "gpu-rail2.b").unwrap();
    let gateway = pool["spec"]["ips"][0].as_str().unwrap().split('-').next().unwrap().to_owned();
    let own = json!({
        "apiVersion": "spiderpool.spidernet.io/v2beta1", "kind": "SpiderIPPool", "metadata": { "name": "gpu-rail2.b" },
        "spec": { "subnet": pool["spec"]["subnet"], "gateway": gateway },
    });
    let file = api.dir().join("own.json");
    state::file::replace(&file, own.to_string().as_bytes()).unwrap();
    let file = file.display().to_string();
    kubectl
        .run(&["apply", "--server-side", "--force-conflicts", "--field-manager=admin", "-f", &file])
        .unwrap();
    let conflict = until("the conflict", || condition(&kubectl, "fabric", "gpu", "Conflict"));
    assert!(conflict.contains("gpu-rail2.b") && conflict.contains(".spec.gateway"), "{conflict}");
    assert_eq!(
        get(&kubectl, "spiderippool", "gpu-rail2.b").unwrap()["spec"]["gateway"],
        own["spec"]["gateway"]
    );

    // What cannot be planned says why, and takes nothing away.
    kubectl.run(&["patch", "fabric", "gpu", "--type=merge", "-p", r#"{"spec":{"vfs":8}}"#]).unwrap();
    let problem = until("the condition", || condition(&kubectl, "fabric", "gpu", "NotPlanned"));
    assert!(problem.contains("spec.vfs \"8\""), "{problem}");
    assert_eq!(subnet("b"), Some(b));
}
