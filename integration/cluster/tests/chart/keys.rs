//! Every key of values.yaml does something, and no other is taken.

use std::collections::BTreeSet;
use std::fs;

use cluster::chart;
use serde_json::Value;

use crate::{helm, objects};

/// A key, another value for it as `--set-json` takes it, and what is then in the objects.
pub(crate) const CHANGED: &[(&str, &str, &str)] = &[
    (
        "image.repository",
        r#"image.repository="registry.example.com/own""#,
        "image: registry.example.com/own:",
    ),
    ("image.tag", r#"image.tag="1.2.3""#, "image: railcni:1.2.3"),
    (
        "image.digest",
        r#"image.digest="sha256:0123456789012345678901234567890123456789012345678901234567890123""#,
        "image: railcni@sha256:0123456789",
    ),
    ("image.pullPolicy", r#"image.pullPolicy="Always""#, "imagePullPolicy: Always"),
    ("imagePullSecrets", r#"imagePullSecrets=[{"name":"registry"}]"#, "- name: registry"),
    ("crds.install", "crds.install=false", ""),
    ("node.cniBinDir", r#"node.cniBinDir="/usr/libexec/cni""#, "path: /usr/libexec/cni,"),
    ("node.kubeletDir", r#"node.kubeletDir="/srv/kubelet""#, "{name: KUBELET_DIR, value: \"/srv/kubelet\"}"),
    ("node.priorityClassName", r#"node.priorityClassName="own-node""#, "priorityClassName: own-node"),
    ("node.tolerations", r#"node.tolerations=[{"key":"gpu","operator":"Exists"}]"#, "- key: gpu"),
    ("node.nodeSelector", r#"node.nodeSelector={"rails":"yes"}"#, "rails: \"yes\""),
    ("node.architectures", r#"node.architectures=["arm64"]"#, ""),
    ("node.maxUnavailable", "node.maxUnavailable=3", "maxUnavailable: 3"),
    ("node.resources", r#"node.resources={"limits":{"memory":"99Mi"}}"#, "memory: 99Mi"),
    ("addresses.enabled", "addresses.enabled=false", "kind: DaemonSet\nmetadata:\n  name: railcni\n"),
    ("gc.everySeconds", "gc.everySeconds=77", "{name: GC_EVERY_SECONDS, value: \"77\"}"),
    ("gc.resources", r#"gc.resources={"limits":{"memory":"96Mi"}}"#, "memory: 96Mi"),
    ("controller.replicas", "controller.replicas=3", "replicas: 3"),
    (
        "controller.priorityClassName",
        r#"controller.priorityClassName="own-one""#,
        "priorityClassName: own-one",
    ),
    ("controller.tolerations", r#"controller.tolerations=[{"key":"spare"}]"#, "- key: spare"),
    ("controller.nodeSelector", r#"controller.nodeSelector={"place":"one"}"#, "place: one"),
    ("controller.resources", r#"controller.resources={"limits":{"memory":"98Mi"}}"#, "memory: 98Mi"),
    ("networks.enabled", "networks.enabled=false", ""),
    (
        "networks.namespace",
        r#"networks.namespace="fabrics""#,
        "{name: RAILD_NETWORKS_NAMESPACE, value: \"fabrics\"}",
    ),
    (
        "networks.injectNamespaces",
        r#"networks.injectNamespaces=["a","b"]"#,
        "{name: RAILD_INJECT_NAMESPACES, value: \"a,b\"}",
    ),
    (
        "networks.excludeNamespaces",
        r#"networks.excludeNamespaces=["c","d"]"#,
        "{name: RAILD_INJECT_EXCLUDED_NAMESPACES, value: \"c,d\"}",
    ),
    (
        "networks.configNamespaces",
        r#"networks.configNamespaces=["e","f"]"#,
        "{name: RAILD_INJECT_CONFIG_NAMESPACES, value: \"e,f\"}",
    ),
    ("networks.replicas", "networks.replicas=4", "replicas: 4"),
    ("networks.priorityClassName", r#"networks.priorityClassName="own-two""#, "priorityClassName: own-two"),
    ("networks.tolerations", r#"networks.tolerations=[{"key":"other"}]"#, "- key: other"),
    ("networks.nodeSelector", r#"networks.nodeSelector={"place":"two"}"#, "place: two"),
    ("networks.resources", r#"networks.resources={"limits":{"memory":"97Mi"}}"#, "memory: 97Mi"),
    ("networkPolicy.enabled", "networkPolicy.enabled=false", ""),
    (
        "networkPolicy.apiServer",
        r#"networkPolicy.apiServer=[{"cidr":"192.0.2.10/32","port":6443}]"#,
        "- ipBlock: {cidr: \"192.0.2.10/32\"}",
    ),
    ("metrics.enabled", "metrics.enabled=true", "{name: metrics, containerPort: 9617}"),
    (
        "metrics.spiderpoolNames",
        r#"metrics={"enabled":true,"spiderpoolNames":true}"#,
        "{name: RAILD_METRICS_SPIDERPOOL, value: \"true\"}",
    ),
    (
        "metrics.serviceMonitor.enabled",
        r#"metrics={"enabled":true,"serviceMonitor":{"enabled":true}}"#,
        "kind: ServiceMonitor",
    ),
    (
        "metrics.serviceMonitor.interval",
        r#"metrics={"enabled":true,"serviceMonitor":{"enabled":true,"interval":"7s"}}"#,
        "interval: 7s",
    ),
    (
        "metrics.serviceMonitor.labels",
        r#"metrics={"enabled":true,"serviceMonitor":{"enabled":true,"labels":{"release":"own"}}}"#,
        "release: own",
    ),
    (
        "metrics.dashboards.enabled",
        r#"metrics={"enabled":true,"dashboards":{"enabled":true}}"#,
        "name: railcni-dashboard-fabric",
    ),
    (
        "metrics.dashboards.labels",
        r#"metrics={"enabled":true,"dashboards":{"enabled":true,"labels":{"boards":"own"}}}"#,
        "boards: own",
    ),
    ("metrics.rules.enabled", r#"metrics={"enabled":true,"rules":{"enabled":true}}"#, "kind: PrometheusRule"),
    (
        "metrics.rules.labels",
        r#"metrics={"enabled":true,"rules":{"enabled":true,"labels":{"release":"own"}}}"#,
        "release: own",
    ),
    ("remove", "remove=true", "name: railcni-remove"),
];

fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap()
}

fn values() -> Value {
    objects(&fs::read_to_string(chart().join("values.yaml")).unwrap()).remove(0)
}

/// The keys of a schema that have keys of their own, and those that have none; `global` is Helm's.
fn keys(schema: &Value, path: &str, inner: &mut Vec<String>, leaves: &mut BTreeSet<String>) {
    let Some(properties) = schema["properties"].as_object() else {
        leaves.insert(path.to_owned());
        return;
    };
    assert_eq!(schema["additionalProperties"], false, "{path:?} takes any key");
    inner.push(path.to_owned());
    for (key, below) in properties.iter().filter(|(key, _)| *key != "global") {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        keys(below, &path, inner, leaves);
    }
}

fn all_keys() -> (Vec<String>, BTreeSet<String>) {
    let (mut inner, mut leaves) = (Vec::new(), BTreeSet::new());
    keys(&schema(), "", &mut inner, &mut leaves);
    (inner, leaves)
}

#[test]
fn every_key_changes_what_is_rendered() {
    let (_, leaves) = all_keys();
    let tried: BTreeSet<_> = CHANGED.iter().map(|(key, ..)| (*key).to_owned()).collect();
    assert_eq!(leaves, tried, "a key of the schema, and one that is tried here");
    let default = helm().template(&[]).unwrap();
    for (key, json, wanted) in CHANGED {
        let rendered = helm().template(&["--set-json", json]).unwrap();
        assert_ne!(rendered, default, "{key} does nothing");
        assert!(
            rendered.contains(wanted) && (wanted.is_empty() || !default.contains(wanted)),
            "{key}: {wanted:?} in\n{rendered}"
        );
        objects(&rendered);
    }
}

#[test]
fn values_yaml_shows_every_key_with_its_default() {
    let values = values();
    for key in all_keys().1 {
        let there = key.split('.').try_fold(&values, |value, part| value.get(part));
        assert!(there.is_some_and(|value| !value.is_null()), "{key} is not in values.yaml");
    }
}

#[test]
fn a_wrong_key_is_refused_and_named() {
    for path in all_keys().0 {
        let wrong = if path.is_empty() { "replcas=1".to_owned() } else { format!("{path}.replcas=1") };
        let error = helm().template(&["--set", &wrong]).expect_err(&wrong).to_string();
        assert!(
            error.contains("replcas") && error.contains(path.rsplit('.').next().unwrap()),
            "{wrong}: {error}"
        );
    }
}

#[test]
fn a_wrong_value_is_refused_and_its_key_named() {
    for (key, value) in [
        ("image.pullPolicy", "\"Sometimes\""),
        ("image.digest", "\"latest\""),
        ("node.maxUnavailable", "\"10\""),
        ("node.maxUnavailable", "0"),
        ("node.architectures", r#"["s390x"]"#),
        ("node.cniBinDir", "\"cni\""),
        ("node.tolerations", r#"[{"efect":"NoSchedule"}]"#),
        ("node.resources", r#"{"request":{}}"#),
        ("gc.everySeconds", "-1"),
        ("controller.replicas", "0"),
        ("networks.injectNamespaces", "\"a\""),
        ("networkPolicy.apiServer", r#"[{"cidr":"192.0.2.10"}]"#),
        ("metrics.serviceMonitor.interval", "30"),
        ("remove", "\"yes\""),
    ] {
        let error = helm().template(&["--set-json", &format!("{key}={value}")]).expect_err(key).to_string();
        assert!(error.contains(key.rsplit('.').next().unwrap()), "{key}={value}: {error}");
    }
    let error = helm().template(&["--set", "metrics.serviceMonitor.enabled=true"]).unwrap_err().to_string();
    assert!(error.contains("metrics.serviceMonitor.enabled needs metrics.enabled"), "{error}");
    let error = helm().template(&["--set", "metrics.spiderpoolNames=true"]).unwrap_err().to_string();
    assert!(error.contains("metrics.spiderpoolNames needs metrics.enabled"), "{error}");
    for part in ["dashboards", "rules"] {
        let error =
            helm().template(&["--set", &format!("metrics.{part}.enabled=true")]).unwrap_err().to_string();
        assert!(error.contains(&format!("metrics.{part}.enabled needs metrics.enabled")), "{error}");
    }
}
