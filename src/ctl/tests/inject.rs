//! `railctl inject` as a user runs it before he applies a pod.
#![expect(clippy::disallowed_methods, reason = "files of the test, which nobody reads meanwhile")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const POD: &str = "
kind: Pod
metadata: {name: one, annotations: {railcni.dev/fabric: gpu}}
spec: {containers: [{name: main}]}
";
const JOB: &str = "
kind: Job
metadata: {name: train, namespace: jobs}
spec: {template: {metadata: {annotations: {railcni.dev/fabric: gpu}}, spec: {containers: [{name: main}]}}}
";

fn fabric() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf-examples/fabric/sriov-roce-per-node.yaml")
}

fn railctl(dir: &Path, text: &str, words: &[&str]) -> Output {
    let file = dir.join("pods.yaml");
    fs::write(&file, text).expect("write");
    Command::new(env!("CARGO_BIN_EXE_railctl"))
        .arg("inject")
        .arg(file)
        .args(words)
        .output()
        .expect("run railctl")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn pods_and_templates_come_out_with_their_rails() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = fabric().display().to_string();
    let output = railctl(dir.path(), &format!("{POD}---{JOB}"), &["--config", &fabric]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{err}");
    let documents = yaml::documents(&out).unwrap();
    let networks = |pod: &serde_json::Value| {
        pod["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"].as_str().unwrap().split(',').count()
    };
    assert_eq!(networks(&documents[0]), 8);
    assert_eq!(networks(&documents[1]["spec"]["template"]), 8);
    assert!(err.contains("Job train: network default/gpu-rail1"), "{err}");
}

#[test]
fn a_word_that_means_nothing_fails_and_says_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let fabric = fabric().display().to_string();
    let output = railctl(dir.path(), &POD.replace("gpu", "gup"), &["--config", &fabric]);
    let err = text(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(
        err.contains("Pod one: railcni.dev/fabric \"gup\": there is no Fabric of this name (there are gpu)"),
        "{err}"
    );
}

#[test]
fn configs_of_namespaces_that_are_not_listed_are_nobodys_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let configs = dir.path().join("configs.yaml");
    let key = "cni.spidernet.io/network-resource-inject";
    let config = |namespace: &str| {
        format!(
            "kind: SpiderMultusConfig\nmetadata: {{name: a, namespace: {namespace}, annotations: {{{key}: gpu}}}}\nspec: {{cniType: macvlan, macvlan: {{master: [eno1]}}}}\n"
        )
    };
    fs::write(&configs, format!("{}---\n{}", config("tenant"), config("kube-system"))).expect("write");
    let configs = configs.display().to_string();
    let pod = format!(
        "kind: Pod\nmetadata: {{name: one, annotations: {{{key}: gpu}}}}\nspec: {{containers: [{{name: main}}]}}\n"
    );
    let networks = |words: &[&str]| {
        let output = railctl(dir.path(), &pod, &[&["--config", configs.as_str()][..], words].concat());
        let documents = yaml::documents(&text(&output.stdout)).unwrap();
        documents[0]["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"].as_str().unwrap().to_owned()
    };
    assert_eq!(networks(&[]), "kube-system/a");
    assert_eq!(networks(&["--config-namespaces", "tenant"]), "tenant/a");
}

#[test]
fn documents_of_any_shape_are_no_reason_to_panic() {
    let dir = tempfile::tempdir().unwrap();
    for pod in
        ["7", "[a]", "kind: Job\nspec: {template: x}", "kind: Pod", "kind: Pod\nmetadata: 7\nspec: [x]"]
    {
        let output = railctl(dir.path(), pod, &[]);
        let err = text(&output.stderr);
        assert!(!err.contains("panicked"), "{pod}: {err}");
    }
}
