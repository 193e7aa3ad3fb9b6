//! The chart of deploy/: what it renders, which keys it takes, that the flat manifests are the same, and that an API server takes all of it.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

mod keys;
mod monitoring;
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cluster::{Helm, Kubectl, chart, manifests};
use serde_json::{Value, json};

fn helm() -> Helm {
    Helm::offline().expect("helm from its Go module: without it nothing is known of the chart")
}

fn objects(text: &str) -> Vec<Value> {
    yaml::documents(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// By kind and name, without what keeps the kinds when the release goes.
fn by_name(text: &str) -> BTreeMap<(String, String), Value> {
    let named = |mut object: Value| {
        let metadata = object["metadata"].as_object_mut().unwrap();
        if object_is_kept(metadata.get("annotations")) {
            metadata.remove("annotations");
        }
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        ((word(&object["kind"]), word(&object["metadata"]["name"])), object)
    };
    let all = objects(text);
    let count = all.len();
    let named: BTreeMap<_, _> = all.into_iter().map(named).collect();
    assert_eq!(named.len(), count, "no object is there twice");
    named
}

fn object_is_kept(annotations: Option<&Value>) -> bool {
    annotations == Some(&json!({"helm.sh/resource-policy": "keep"}))
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

#[test]
fn lint_finds_nothing() {
    let chart = chart().display().to_string();
    for values in [&[][..], &["addresses.enabled=false"], &["remove=true"], &["metrics.enabled=true"]] {
        let values = values.iter().flat_map(|value| ["--set", value]);
        let args: Vec<_> =
            ["lint", "--strict", "--kube-version", "v1.37.2", &chart].into_iter().chain(values).collect();
        helm().run(&args).unwrap();
    }
}

#[test]
fn the_chart_has_the_version_of_the_repository() {
    let about = &objects(&fs::read_to_string(chart().join("Chart.yaml")).unwrap())[0];
    for key in ["version", "appVersion"] {
        assert_eq!(about[key], env!("CARGO_PKG_VERSION"), "{key}");
    }
}

#[test]
fn the_flat_manifests_are_what_the_chart_renders() {
    for (path, rendered) in manifests().unwrap() {
        let there = fs::read_to_string(&path).unwrap();
        assert!(there == rendered, "{}: run `cargo run -p cluster -- manifests`", path.display());
    }
}

/// `kubectl apply -k deploy` is `helm install`, with an image that has yet to be named.
#[test]
fn kustomize_and_helm_say_the_same() {
    let kubectl = Kubectl::offline().unwrap();
    let flat = kubectl.run(&["kustomize", &deploy().display().to_string()]).unwrap();
    let rendered = helm().template(&["--set", "image.tag=latest"]).unwrap();
    let (flat, rendered) = (by_name(&flat), by_name(&rendered));
    assert_eq!(flat.keys().collect::<Vec<_>>(), rendered.keys().collect::<Vec<_>>());
    for (name, object) in &rendered {
        assert_eq!(&flat[name], object, "{name:?}");
    }
}

/// What Helm never upgrades is in crds/: ours are templates, and stay when the release goes.
#[test]
fn kinds_are_upgraded_and_kept() {
    let kinds = |args: &[&str]| {
        let all = objects(&helm().template(args).unwrap());
        all.into_iter().filter(|object| object["kind"] == "CustomResourceDefinition").collect::<Vec<_>>()
    };
    assert!(!chart().join("crds").exists());
    let ours = kinds(&[]);
    assert_eq!(ours.len(), fs::read_dir(deploy().join("crds")).unwrap().count());
    for kind in &ours {
        assert!(object_is_kept(kind["metadata"].get("annotations")), "{kind}");
    }
    assert_eq!(kinds(&["--set", "crds.install=false"]), Vec::<Value>::new());
}

/// A hook would run what nobody sees, and leave what nobody owns.
#[test]
fn nothing_is_installed_by_hooks() {
    for values in ["remove=false", "remove=true", "addresses.enabled=false"] {
        let rendered = helm().template(&["--set", values]).unwrap();
        assert!(!rendered.contains("helm.sh/hook"), "{rendered}");
    }
}
