//! The bill of materials: every crate that is in what is shipped, in the form of `CycloneDX` 1.5.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

/// One crate of the resolved graph.
#[derive(Debug)]
struct Node {
    name: String,
    version: String,
    license: Option<String>,
    /// Of the workspace.
    is_ours: bool,
    /// Whom it is built with; no one that is for tests only.
    uses: Vec<String>,
}

/// What cargo resolves for these targets, as it prints it.
pub fn metadata(root: &Path, targets: &[String]) -> Result<Value> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--offline"]).current_dir(root);
    cargo.args(targets.iter().flat_map(|target| ["--filter-platform", target]));
    let output = cargo.output().context("cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The document about the packages of the workspace that are shipped, with all that they are made of.
pub fn cyclonedx(release: &str, metadata: &Value, lock: &str, shipped: &[String]) -> Result<Value> {
    let nodes = nodes(metadata)?;
    let roots: Vec<_> =
        nodes.iter().filter(|(_, node)| node.is_ours && shipped.contains(&node.name)).collect();
    ensure!(roots.len() == shipped.len(), "not all of {shipped:?} are packages of the workspace");
    let reached = reach(&nodes, roots.into_iter().map(|(id, _)| id.clone()).collect());
    let (ours, foreign): (Vec<_>, Vec<_>) = reached.iter().partition(|id| nodes[*id].is_ours);
    let sums = checksums(lock);
    let root = format!("pkg:generic/railcni@{release}");
    let component = |id: &&String| component(&nodes[*id], &sums);
    let mut dependencies = vec![dependency(&root, ours.iter().flat_map(|id| &nodes[*id].uses), &nodes)];
    dependencies.extend(foreign.iter().map(|id| dependency(&purl(&nodes[*id]), &nodes[*id].uses, &nodes)));
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": root, "name": "railcni", "version": release,
                "licenses": [{"expression": "Apache-2.0"}],
            },
        },
        "components": foreign.iter().map(component).collect::<Vec<_>>(),
        "dependencies": dependencies,
    }))
}

fn nodes(metadata: &Value) -> Result<BTreeMap<String, Node>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut nodes = BTreeMap::new();
    for package in list(&metadata["packages"]) {
        let [id, name, version] = ["id", "name", "version"]
            .map(|key| text(&package[key]).with_context(|| format!("a package without {key}")));
        let is_ours = package["source"].is_null();
        let node = Node {
            name: name?,
            version: version?,
            license: text(&package["license"]),
            is_ours,
            uses: Vec::new(),
        };
        nodes.insert(id?, node);
    }
    for node in list(&metadata["resolve"]["nodes"]) {
        let uses = list(&node["deps"])
            .into_iter()
            .filter(|dep| !is_for_tests(dep))
            .filter_map(|dep| text(&dep["pkg"]));
        if let Some(known) = text(&node["id"]).and_then(|id| nodes.get_mut(&id)) {
            known.uses = uses.collect();
        }
    }
    Ok(nodes)
}

fn is_for_tests(dependency: &Value) -> bool {
    let kinds = dependency["dep_kinds"].as_array().map(Vec::as_slice).unwrap_or_default();
    kinds.iter().all(|kind| kind["kind"] == "dev")
}

/// All that is reached from some, those included.
fn reach(nodes: &BTreeMap<String, Node>, mut todo: Vec<String>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    while let Some(id) = todo.pop() {
        if let Some(node) = nodes.get(&id)
            && reached.insert(id)
        {
            todo.extend(node.uses.iter().cloned());
        }
    }
    reached
}

/// The checksums of Cargo.lock by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    let of =
        |block: &str| Some(((value(block, "name")?, value(block, "version")?), value(block, "checksum")?));
    lock.split("[[package]]").filter_map(of).collect()
}

fn component(node: &Node, sums: &BTreeMap<(String, String), String>) -> Value {
    let mut component = json!({
        "type": "library", "bom-ref": purl(node), "name": node.name, "version": node.version, "purl": purl(node),
    });
    if let Some(license) = &node.license {
        // The older way to write "or".
        component["licenses"] = json!([{ "expression": license.replace('/', " OR ") }]);
    }
    if let Some(sum) = sums.get(&(node.name.clone(), node.version.clone())) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
    }
    component
}

fn dependency<'a>(
    of: &str,
    uses: impl IntoIterator<Item = &'a String>,
    nodes: &BTreeMap<String, Node>,
) -> Value {
    let foreign = uses.into_iter().filter_map(|id| nodes.get(id)).filter(|node| !node.is_ours);
    json!({ "ref": of, "dependsOn": foreign.map(purl).collect::<BTreeSet<_>>() })
}

fn purl(node: &Node) -> String {
    format!("pkg:cargo/{}@{}", node.name, node.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, source: Option<&str>) -> Value {
        json!({"id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0", "source": source})
    }

    fn uses(id: &str, deps: &[(&str, Option<&str>)]) -> Value {
        let dep = |(id, kind): &(&str, Option<&str>)| json!({"pkg": id, "dep_kinds": [{"kind": kind}]});
        json!({"id": id, "deps": deps.iter().map(dep).collect::<Vec<_>>()})
    }

    #[test]
    fn what_is_shipped_is_listed_and_what_tests_use_is_not() {
        let registry = Some("registry+index");
        let metadata = json!({
            "packages": [package("plugin", None), package("room", None), package("a", registry), package("b", registry),
                         package("tester", registry), package("other", None), package("unshipped", registry)],
            "resolve": {"nodes": [
                uses("plugin", &[("room", None), ("tester", Some("dev"))]), uses("room", &[("a", None)]),
                uses("a", &[("b", Some("build"))]), uses("b", &[]), uses("other", &[("unshipped", None)]),
            ]},
        });
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"ab12\"\n";
        let release = "0.1.0";
        let bom = cyclonedx(release, &metadata, lock, &["plugin".to_owned()]).unwrap();
        let names: Vec<_> = bom["components"].as_array().unwrap().iter().map(|c| c["name"].clone()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(bom["components"][0]["hashes"][0]["content"], "ab12");
        assert_eq!(bom["components"][0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(bom["dependencies"][0]["dependsOn"], json!(["pkg:cargo/a@1.0.0"]));
        assert_eq!(bom["dependencies"][1]["dependsOn"], json!(["pkg:cargo/b@1.0.0"]));
        cyclonedx(release, &metadata, lock, &["a".to_owned()]).unwrap_err();
    }
}
