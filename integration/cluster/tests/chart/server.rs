//! The chart and a real API server: it takes every object, and keeps the kinds through upgrade and uninstallation.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use cluster::{Api, Kubectl, chart};
use serde_json::json;

use crate::keys::CHANGED;

/// Of a kind as the release before had it, a field is missing.
const NEWER: &str = "    - additionalPrinterColumns:";
const POOL: &str = "
apiVersion: spiderpool.spidernet.io/v2beta1
kind: SpiderIPPool
metadata: {name: kept}
spec: {subnet: 172.16.11.0/24, ips: [172.16.11.1-172.16.11.4]}
";

/// What an API server asks `raild webhook` by.
const CONFIGURATIONS: [&str; 2] = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"];

/// As `raild webhook` does it, by a merge patch. Nobody answers, and pods have to come through.
fn fill_in(kubectl: &Kubectl) {
    let webhook = json!({
        "name": "a.railcni.dev", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Ignore",
        "clientConfig": { "url": "https://127.0.0.1:1/pods" },
        "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"] }],
    });
    let filled = json!({ "webhooks": [webhook] }).to_string();
    for plural in CONFIGURATIONS {
        kubectl.run(&["patch", plural, "railcni", "--type=merge", "-p", &filled]).unwrap();
    }
}

fn put(path: &Path, text: &str) {
    File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// With every field known to it: what is misspelt is an error. In the place of kubeconform, which knows the schemas, and not what a server checks beyond.
#[test]
fn an_api_server_takes_everything_that_is_rendered() {
    let api = Api::start().unwrap();
    let dry_run = |values: &[&str]| {
        let values = values.iter().flat_map(|value| ["--set-json", value]).collect::<Vec<_>>();
        let path = api.dir().join("rendered.yaml");
        put(&path, &crate::helm().template(&values).unwrap());
        let path = path.display().to_string();
        api.kubectl().run(&["apply", "--dry-run=server", "--validate=strict", "-f", &path]).unwrap()
    };
    let takes = |values: &[&str], objects: &[&str]| {
        let said = dry_run(values);
        for object in objects {
            assert!(said.contains(object), "{object} in {said}");
        }
    };
    takes(
        &[],
        &[
            "daemonset.apps/railcni-agent",
            "deployment.apps/railcni-networks",
            "networkpolicy",
            "fabrics.railcni.dev",
        ],
    );
    takes(&["addresses.enabled=false"], &["daemonset.apps/railcni created"]);
    takes(&["remove=true"], &["daemonset.apps/railcni-remove created"]);
    // All keys at once, but those that leave objects out, and those of kinds that are not there.
    let adds = |json: &&str| {
        !json.ends_with("=false")
            && *json != "remove=true"
            && !json.contains("\"serviceMonitor\"")
            && !json.contains("\"rules\"")
    };
    let all: Vec<_> = CHANGED.iter().map(|(_, json, _)| *json).filter(adds).collect();
    assert!(all.len() > 25, "{all:?}");
    takes(&all, &["service/railcni-agent-metrics", "daemonset.apps/railcni-agent", "networkpolicy"]);
}

#[test]
fn kinds_and_their_objects_outlive_upgrade_and_release() {
    let api = Api::start().unwrap();
    let (helm, kubectl) = (api.helm().unwrap(), api.kubectl());
    let ours = chart().display().to_string();
    let old = older(api.dir());
    let release = |verb: &str, chart: &str, more: &[&str]| {
        helm.run(&[&[verb, "railcni", chart, "-n", "kube-system"], more].concat()).unwrap()
    };
    let columns = || {
        kubectl
            .run(&[
                "get",
                "crd",
                "fabrics.railcni.dev",
                "-o",
                "jsonpath={.spec.versions[0].additionalPrinterColumns}",
            ])
            .unwrap()
    };

    let said = release("install", &old, &[]);
    notes(&said, &["rollout status daemonset/railcni-agent", "kubectl apply -f fabric.yaml"]);
    fill_in(&kubectl);
    assert!(said.contains("Not found: Multus"), "{said}");
    assert_eq!(columns(), "");
    release("upgrade", &ours, &[]);
    assert!(columns().contains("READY"), "an upgrade leaves the kinds as they were: {}", columns());
    for plural in CONFIGURATIONS {
        let found = kubectl.get(&[plural, "railcni"]).unwrap();
        assert_eq!(
            found["webhooks"][0]["name"], "a.railcni.dev",
            "an upgrade leaves what raild has filled in"
        );
    }

    kubectl.run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=120s"]).unwrap();
    kubectl.apply(POOL).unwrap();
    let said = release("upgrade", &ours, &["--set", "remove=true"]);
    notes(&said, &["rollout status daemonset/railcni-remove", "helm -n kube-system uninstall railcni"]);
    let sets = || kubectl.run(&["-n", "kube-system", "get", "daemonsets,deployments", "-o", "name"]).unwrap();
    assert_eq!(sets(), "daemonset.apps/railcni-remove\n");
    // Nothing is there any more that an API server would ask about a pod, while the plugins still are.
    let asked = || kubectl.run(&["get", &CONFIGURATIONS.join(","), "-o", "name"]).unwrap();
    assert_eq!(asked(), "");
    release("upgrade", &ours, &["--set", "remove=false"]);
    assert_eq!(asked().lines().count(), 2);
    fill_in(&kubectl);
    helm.run(&["uninstall", "railcni", "-n", "kube-system", "--wait=false"]).unwrap();
    assert_eq!((sets(), asked()), (String::new(), String::new()));
    let left = kubectl
        .run(&["get", "clusterroles,clusterrolebindings,validatingadmissionpolicies", "-o", "name"])
        .unwrap();
    assert!(!left.contains("railcni"), "{left}");
    assert_eq!(
        kubectl.run(&["get", "spiderippools", "-o", "name"]).unwrap(),
        "spiderippool.spiderpool.spidernet.io/kept\n"
    );

    let said = release("install", &ours, &["--set", "addresses.enabled=false"]);
    notes(&said, &["rollout status daemonset/railcni\n", "railctl doctor"]);
    assert!(!said.contains("Found: "), "{said}");
    others(&kubectl);
    let said = release("upgrade", &ours, &[]);
    for part in OTHERS.iter().map(|(_, _, said)| *said).chain(KINDS.map(|(_, said)| said)) {
        assert!(said.contains(&format!("Found: {part}")), "{part:?} in {said}");
    }
    assert!(!said.contains("Not found"), "{said}");
}

/// What stands beside the chart: `DaemonSets` as their projects call them, and what is said of them.
const OTHERS: [(&str, &str, &str); 5] = [
    ("kube-system", "kube-multus-ds", "Multus, as DaemonSet kube-system/kube-multus-ds"),
    (
        "kube-system",
        "kube-sriov-device-plugin-amd64",
        "the SR-IOV device plugin, as DaemonSet kube-system/kube-sriov",
    ),
    (
        "kube-system",
        "rdma-shared-dp-ds",
        "k8s-rdma-shared-dev-plugin, as DaemonSet kube-system/rdma-shared-dp-ds",
    ),
    ("default", "spiderpool-agent", "DaemonSet default/spiderpool-agent. Its kinds have the names of ours"),
    ("kube-system", "whereabouts", "DaemonSet kube-system/whereabouts. Its networks go on"),
];
/// Groups by which the others are known.
const KINDS: [(&str, &str); 2] =
    [("sriovnetwork.openshift.io", "the SR-IOV network operator"), ("crd.projectcalico.org", "Calico")];

fn others(kubectl: &Kubectl) {
    for (namespace, name, _) in OTHERS {
        let label = json!({"app": name});
        let set = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"namespace": namespace, "name": name},
            "spec": {"selector": {"matchLabels": label}, "template": {"metadata": {"labels": label},
                "spec": {"containers": [{"name": "a", "image": "a"}]}}}});
        kubectl.apply(&set.to_string()).unwrap();
    }
    for (group, _) in KINDS.iter().chain(&[("k8s.cni.cncf.io", "")]) {
        let schema = json!({"openAPIV3Schema": {"type": "object"}});
        let kind = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("somethings.{group}")},
            "spec": {"group": group, "scope": "Cluster", "names": {"kind": "Something", "plural": "somethings"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}});
        kubectl.apply(&kind.to_string()).unwrap();
    }
    kubectl.run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=120s"]).unwrap();
}

/// The chart as of a release before: a kind of it has no columns yet.
fn older(dir: &Path) -> String {
    let old = dir.join("older");
    let copied = Command::new("cp").arg("-r").arg(chart()).arg(&old).status().unwrap();
    assert!(copied.success());
    let path = old.join("files/crds/fabrics.railcni.dev.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(NEWER).unwrap();
    let (_, after) = rest.split_once("\n      name: v1alpha1").unwrap();
    put(&path, &format!("{before}    - name: v1alpha1{after}"));
    old.display().to_string()
}

/// The next two commands, and no third.
#[track_caller]
fn notes(said: &str, wanted: &[&str; 2]) {
    let notes = said.split("NOTES:").nth(1).unwrap_or_else(|| panic!("no notes in {said}"));
    assert_eq!(notes.lines().filter(|line| line.starts_with("  ")).count(), 2, "{notes}");
    for part in wanted {
        assert!(notes.contains(part), "{part:?} in {notes}");
    }
}
