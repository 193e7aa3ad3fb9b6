//! A Fabric that changes under pods: what can change does, and what would be taken from under them waits and says for whom. What
//! nodes say of themselves: whether they are ready, and which NICs they have.

use cluster::{Api, Kubectl};
use serde_json::{Value, json};

use crate::definitions::{condition, get, node, start, until};
use crate::prepared;

pub(crate) fn fabric(spec: &Value) -> String {
    json!({ "apiVersion": "railcni.dev/v1alpha1", "kind": "Fabric", "metadata": { "name": "gpu" }, "spec": spec }).to_string()
}

pub(crate) fn spec(link: &str, supernet: &str) -> Value {
    json!({
        "link": link, "rails": [{ "interface": "eno1" }, { "interface": "eno2" }],
        "addressing": { "perNode": { "supernet": supernet, "prefixLength": 27 } },
    })
}

/// A pod that nobody runs: on a node, with a network, and with an address that it says it has.
pub(crate) fn pod(kubectl: &Kubectl, name: &str, networks: &str, address: &str) {
    let status = json!([{ "name": "rails", "ips": [address] }]).to_string();
    let annotations =
        json!({ "k8s.v1.cni.cncf.io/networks": networks, "k8s.v1.cni.cncf.io/network-status": status });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "annotations": annotations },
        "spec": { "nodeName": "b", "containers": [{ "name": "main", "image": "none" }] },
    });
    kubectl.create(&pod.to_string()).unwrap();
}

/// A tenant's pod that no node will ever have.
fn never(kubectl: &Kubectl, networks: &str) {
    let annotations = json!({ "k8s.v1.cni.cncf.io/networks": networks });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "never", "annotations": annotations },
        "spec": { "nodeSelector": { "no": "node" }, "containers": [{ "name": "main", "image": "none" }] },
    });
    kubectl.create(&pod.to_string()).unwrap();
}

pub(crate) fn delete_pod(kubectl: &Kubectl, name: &str) {
    kubectl.run(&["delete", "pod", name, "--force", "--grace-period=0"]).unwrap();
}

fn say(kubectl: &Kubectl, node: &str, status: &Value) {
    let status = json!({ "status": status }).to_string();
    kubectl.run(&["patch", "railnode", node, "--subresource=status", "--type=merge", "-p", &status]).unwrap();
}

fn subnet(kubectl: &Kubectl, pool: &str) -> Option<String> {
    Some(get(kubectl, "spiderippool", pool)?["spec"]["subnet"].as_str()?.to_owned())
}

/// b has given an address of its first rail to a pod; both nodes are there, and b is ready.
fn books(kubectl: &Kubectl) {
    for name in ["b", "c"] {
        kubectl.apply(&node(name)).unwrap();
        let of_node = json!({
            "apiVersion": "railcni.dev/v1alpha1", "kind": "RailNode", "metadata": { "name": name }, "spec": { "epoch": 1 },
        });
        kubectl.apply(&of_node.to_string()).unwrap();
    }
    let block = json!({
        "apiVersion": "railcni.dev/v1alpha1", "kind": "RailBlock", "metadata": { "name": "gpu-rail1.b-0" },
        "spec": {
            "group": "gpu-rail1.b", "first": 0, "count": 128, "epoch": 1, "pools": ["gpu-rail1.b"],
            "subnets": ["172.16.0.0/27"], "rails": ["b=2-30"], "since": "b=1",
        },
    });
    kubectl.apply(&block.to_string()).unwrap();
    let ready = json!({ "type": "Ready", "status": "True", "reason": "AllChecksPassed", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z" });
    say(kubectl, "b", &json!({ "conditions": [ready], "pools": [{ "name": "gpu-rail1.b", "used": 1 }] }));
}

#[test]
fn what_would_be_taken_from_under_a_pod_waits_for_it_and_all_else_changes() {
    let api = prepared();
    let kubectl = api.kubectl();
    books(&kubectl);
    let _networks = start(&api);
    kubectl.apply(&fabric(&spec("macvlan", "172.16.0.0/16"))).unwrap();
    until("the fabric is applied", || condition(&kubectl, "fabric", "gpu", "Applied"));
    assert_eq!(subnet(&kubectl, "gpu-rail1.b").as_deref(), Some("172.16.0.0/27"));
    let figures = || {
        let shown = kubectl.run(&["get", "fabrics", "--no-headers"]).ok()?;
        Some(shown.split_whitespace().take(5).collect::<Vec<_>>().join(" "))
    };
    until("one of two nodes is ready", || figures().filter(|shown| shown == "gpu macvlan 2 1 Applied"));

    // Another supernet: the node whose addresses nobody has moves, and the other's first rail waits.
    pod(&kubectl, "holder", "default/gpu", "172.16.0.2");
    kubectl.apply(&fabric(&spec("macvlan", "172.17.0.0/16"))).unwrap();
    let waiting = until("a change waits", || condition(&kubectl, "fabric", "gpu", "Waiting"));
    assert!(
        waiting.contains("SpiderIPPool gpu-rail1.b waits for 172.16.0.2 of pod default/holder"),
        "{waiting}"
    );
    for (pool, wanted) in [("gpu-rail1.c", "172.17.0.64/27"), ("gpu-rail2.b", "172.17.0.32/27")] {
        until(pool, || subnet(&kubectl, pool).filter(|subnet| subnet == wanted));
    }
    assert_eq!(subnet(&kubectl, "gpu-rail1.b").as_deref(), Some("172.16.0.0/27"));

    // Another link, and then another form: the network waits for the pods that are attached, whoever has their addresses.
    say(&kubectl, "b", &json!({ "pools": [{ "name": "gpu-rail1.b", "used": 0 }] }));
    until("its last pool moves", || {
        subnet(&kubectl, "gpu-rail1.b").filter(|subnet| subnet == "172.17.0.0/27")
    });
    kubectl.apply(&fabric(&spec("ipvlan", "172.17.0.0/16"))).unwrap();
    let waiting = until("the network waits", || condition(&kubectl, "fabric", "gpu", "Waiting"));
    assert!(
        waiting.contains(
            "NetworkAttachmentDefinition default/gpu waits for pod default/holder: its link changes"
        ),
        "{waiting}"
    );
    let link = || {
        let config = get(&kubectl, "net-attach-def", "gpu")?["spec"]["config"].as_str()?.to_owned();
        serde_json::from_str::<Value>(&config).ok()?["plugins"][0]["link"].as_str().map(str::to_owned)
    };
    assert_eq!(link().as_deref(), Some("macvlan"));
    never(&kubectl, "default/gpu");
    delete_pod(&kubectl, "holder");
    until("the network is edited", || link().filter(|link| link == "ipvlan"));
    until("nothing waits", || condition(&kubectl, "fabric", "gpu", "Applied"));

    // A tenant's network with the Fabric's label and owner is his.
    let uid = get(&kubectl, "fabric", "gpu").unwrap()["metadata"]["uid"].clone();
    let owner = json!({ "apiVersion": "railcni.dev/v1alpha1", "kind": "Fabric", "name": "gpu", "uid": uid });
    let forged = json!({
        "apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
        "metadata": {
            "name": "mine", "namespace": "kube-public", "labels": { "railcni.dev/part-of": "gpu" }, "ownerReferences": [owner],
        },
        "spec": { "config": "{}" },
    });
    kubectl.create(&forged.to_string()).unwrap();
    pod(&kubectl, "attached", "gpu", "172.17.0.2");
    let mut other = spec("ipvlan", "172.17.0.0/16");
    other["networks"] = "per-rail".into();
    kubectl.apply(&fabric(&other)).unwrap();
    until("a network per rail", || get(&kubectl, "net-attach-def", "gpu-rail2"));
    let waiting = until("the old one waits", || condition(&kubectl, "fabric", "gpu", "Waiting"));
    assert!(
        waiting.contains("NetworkAttachmentDefinition default/gpu waits for pod default/attached"),
        "{waiting}"
    );
    kubectl.run(&["annotate", "fabric", "gpu", "railcni.dev/change-networks-in-use=true"]).unwrap();
    until("the old one goes", || get(&kubectl, "net-attach-def", "gpu").is_none().then_some(()));
    until("nothing waits", || condition(&kubectl, "fabric", "gpu", "Applied"));
    kubectl.run(&["-n", "kube-public", "get", "net-attach-def", "mine"]).unwrap();
}

const STATES: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: sriovnetworknodestates.sriovnetwork.openshift.io}
spec:
  group: sriovnetwork.openshift.io
  scope: Namespaced
  names: {kind: SriovNetworkNodeState, plural: sriovnetworknodestates}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
";

/// As the operator's daemon writes it, the VFs of a NIC included.
fn state(kubectl: &Kubectl, node: &str, nics: &[(&str, &str, &str)]) {
    state_in(kubectl, "sriov-network-operator", node, nics);
}

fn state_in(kubectl: &Kubectl, namespace: &str, node: &str, nics: &[(&str, &str, &str)]) {
    let interfaces = nics.iter().map(|(name, pci, link)| {
        json!({
            "name": name, "pciAddress": pci, "linkType": link, "vendor": "15b3", "totalvfs": 8, "mtu": 9000,
            "Vfs": [{ "vfID": 0, "pciAddress": "0000:1a:00.2", "driver": "mlx5_core" }],
        })
    });
    let state = json!({
        "apiVersion": "sriovnetwork.openshift.io/v1", "kind": "SriovNetworkNodeState",
        "metadata": { "name": node, "namespace": namespace },
        "status": { "syncStatus": "Succeeded", "interfaces": interfaces.collect::<Value>() },
    });
    kubectl.apply(&state.to_string()).unwrap();
}

fn masters(api: &Api) -> Option<Vec<String>> {
    let config = get(&api.kubectl(), "net-attach-def", "gpu")?["spec"]["config"].as_str()?.to_owned();
    let config: Value = serde_json::from_str(&config).ok()?;
    let rails = config["plugins"][0]["rails"].as_array()?.iter();
    rails.map(|rail| Some(rail["master"].as_str()?.to_owned())).collect()
}

#[test]
fn nics_are_those_that_the_operator_sees_on_the_nodes_and_differences_are_said() {
    let api = prepared();
    let kubectl = api.kubectl();
    kubectl.apply(&format!("{}{}", node("b"), node("c"))).unwrap();
    let _networks = start(&api);
    let by_place = json!({
        "link": "macvlan", "rails": [{ "rail": 1 }, { "interface": "ens2*" }],
        "addressing": { "shared": { "subnet": "172.16.11.0/24" } },
    });
    kubectl.apply(&fabric(&by_place)).unwrap();
    let problem = until("nobody knows the NICs", || condition(&kubectl, "fabric", "gpu", "NotPlanned"));
    assert!(problem.contains("spec.rails[0]: names no interface that is known"), "{problem}");

    // The operator comes, and looks.
    kubectl.apply(STATES).unwrap();
    kubectl.run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).unwrap();
    kubectl.run(&["create", "namespace", "sriov-network-operator"]).unwrap();
    let alike =
        [("ens2f0", "0000:2a:00.0", "ETH"), ("ens1f0", "0000:1a:00.0", "ETH"), ("ib0", "0000:0a:00.0", "IB")];
    state(&kubectl, "b", &alike);
    state(&kubectl, "c", &alike);
    let found = until("the networks have their masters", || masters(&api));
    assert_eq!(found, ["ens1f0", "ens2f0"]);
    until("nothing is to be said", || {
        condition(&kubectl, "fabric", "gpu", "Applied").filter(String::is_empty)
    });

    // A tenant who may write the kind chooses nobody's NICs.
    for node in ["b", "c"] {
        state_in(
            &kubectl,
            "default",
            node,
            &[("eno1", "0000:01:00.0", "ETH"), ("eno2", "0000:01:00.1", "ETH")],
        );
    }
    // A node has lost one of them: what there is goes on, and somebody says so.
    state(&kubectl, "c", &alike[1..]);
    let said = until("the difference is said", || {
        condition(&kubectl, "fabric", "gpu", "Applied").filter(|said| !said.is_empty())
    });
    assert!(said.contains("node c: no Ethernet NIC for rail2 (spec.rails[1])"), "{said}");
    assert_eq!(masters(&api).as_ref(), Some(&found));
    // One calls its NICs otherwise: no network has two masters.
    state(&kubectl, "c", &[("ens9f0", "0000:1a:00.0", "ETH"), ("ens2f0", "0000:2a:00.0", "ETH")]);
    let problem = until("two names", || condition(&kubectl, "fabric", "gpu", "NotPlanned"));
    assert!(problem.contains("spec.rails[0]: is ens1f0 on some nodes and ens2f0 on others"), "{problem}");
    assert_eq!(masters(&api), Some(found));
}
