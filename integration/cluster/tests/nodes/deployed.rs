//! What `kubectl apply -f deploy/...` puts into a cluster: agents and controllers, and whatever a test adds to them.

use crate::pods::LOOK;
use crate::verdict::railctl;
use cluster::{Cluster, suite_image};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use testkit::{eventually, pause};

pub(crate) const IMAGE: &str = "railcni.test/railcni:deployed";
const SYSTEM: &str = "kube-system";
const LIMIT: Duration = Duration::from_secs(180);

/// A workload of the manifests, two pods of it on two nodes, and the field of its status that counts those that work.
pub(crate) struct Part {
    kind: &'static str,
    name: &'static str,
    ready: &'static str,
    manifests: &'static [&'static str],
}

/// An agent on every node.
const AGENT: Part = Part {
    kind: "daemonset",
    name: "railcni-agent",
    ready: "numberReady",
    manifests: &[
        include_str!("../../../../deploy/raild/agent-policy.yaml"),
        include_str!("../../../../deploy/raild/agent.yaml"),
    ],
};
const CONTROLLER: Part = Part {
    kind: "deployment",
    name: "railcni-controller",
    ready: "readyReplicas",
    manifests: &[include_str!("../../../../deploy/raild/controller.yaml")],
};
const NETWORKS: Part = Part {
    kind: "deployment",
    name: "railcni-networks",
    ready: "readyReplicas",
    manifests: &[include_str!("../../../../deploy/networks/networks.yaml")],
};

/// The addresses of the cluster.
pub(crate) const ADDRESSES: &[&Part] = &[&AGENT, &CONTROLLER];
/// The same, with networks and injection.
pub(crate) const ALL: &[&Part] = &[&AGENT, &CONTROLLER, &NETWORKS];

fn crds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds")
}

/// The image, on every node.
pub(crate) fn publish(cluster: &Cluster) {
    let tar = suite_image(cluster.dir(), IMAGE, |_, program| program).unwrap();
    cluster.nodes().iter().for_each(|node| node.import(&tar).unwrap());
}

/// Image, kinds, and these parts. What an earlier test left of the kinds is gone.
pub(crate) fn install(cluster: &Cluster, parts: &[&Part]) {
    let kubectl = cluster.kubectl();
    publish(cluster);
    kubectl.run(&["apply", "-f", &crds().display().to_string()]).unwrap();
    kubectl.run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=120s"]).unwrap();
    for manifest in parts.iter().flat_map(|part| part.manifests) {
        kubectl.apply(&manifest.replace("railcni:latest", IMAGE)).unwrap();
    }
}

/// Takes these parts and all objects of the kinds away, and the grants: pools of the nodes' own files are in those subnets, which stay
/// the cluster's as long as the grants say so.
pub(crate) fn uninstall(cluster: &Cluster, parts: &[&Part]) {
    let kubectl = cluster.kubectl();
    // First, as `kubectl delete -f` of the manifest has it: what is refused without the webhook is nobody's to delete otherwise.
    let asked = "mutatingwebhookconfiguration,validatingwebhookconfiguration";
    kubectl.run(&["delete", asked, "railcni", "--ignore-not-found"]).unwrap();
    for part in parts {
        kubectl.run(&["-n", SYSTEM, "delete", "--cascade=foreground", part.kind, part.name]).unwrap();
    }
    // What the controller would let go of is nobody's any more.
    for block in kubectl.run(&["get", "railblocks", "-o", "name"]).unwrap().lines() {
        kubectl.run(&["patch", block, "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]).unwrap();
    }
    for kind in ["fabrics", "spiderippools", "railblocks", "railnodes"] {
        kubectl.run(&["delete", kind, "--all", "--timeout=60s"]).unwrap();
    }
    for node in cluster.nodes() {
        std::fs::remove_dir_all(node.path("run/railcni/node")).unwrap();
    }
}

/// Waits until all parts are ready, and both nodes know the pools.
pub(crate) fn await_rollout(cluster: &Cluster, parts: &[&Part], pools: &[&str]) {
    let kubectl = cluster.kubectl();
    let ready = |part: &&Part| {
        let object = kubectl.get(&["-n", SYSTEM, part.kind, part.name]).unwrap_or_default();
        object["status"][part.ready].as_u64() == Some(2)
    };
    let knows = |name: &str| {
        let object = kubectl.get(&["railnode", name]).unwrap_or_default();
        let known: Vec<_> = object["status"]["pools"].as_array().into_iter().flatten().cloned().collect();
        pools.iter().all(|pool| known.iter().any(|one| one["name"] == **pool))
    };
    let done = eventually(LIMIT, || {
        pause(Duration::from_millis(500));
        (parts.iter().all(ready) && ["node1", "node2"].into_iter().all(knows)).then_some(())
    });
    done.unwrap_or_else(|| panic!("{}", said(cluster, parts)));
}

/// What the cluster and the parts have to say, for the failure of a test.
pub(crate) fn said(cluster: &Cluster, parts: &[&Part]) -> String {
    let kubectl = cluster.kubectl();
    let pods = kubectl.run(&["-n", SYSTEM, "describe", "pods"]).unwrap_or_default();
    let logs = parts.iter().map(|part| {
        let label = format!("app={}", part.name);
        let args = ["-n", SYSTEM, "logs", "--all-containers", "--tail=20", "-l", &label];
        kubectl.run(&args).unwrap_or_default()
    });
    format!("{pods}\n{}", logs.collect::<Vec<_>>().join("\n"))
}

/// Waits until no pod has a rail any more; controllers have namespaces of their own meanwhile.
pub(crate) fn await_released(cluster: &Cluster) {
    let done = eventually(LIMIT, || {
        pause(LOOK);
        let shown = cluster.nodes().iter().map(|node| railctl(node, &["show", "-o", "json"]));
        shown
            .into_iter()
            .all(|shown: anyhow::Result<Value>| shown.is_ok_and(|shown| shown == json!([])))
            .then_some(())
    });
    done.expect("the pods' rails are gone");
}
