//! `railctl plan` as an admin runs it, with a kubectl of the test's where it asks a cluster.
#![expect(clippy::disallowed_methods, reason = "files of the test, which nobody reads meanwhile")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf-examples/fabric").join(name)
}

fn railctl(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_railctl")).arg("plan").args(words).output().expect("run railctl")
}

#[track_caller]
fn said(output: &Output) -> String {
    let [out, err] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{out}{err}");
    out
}

fn nodes(dir: &Path, names: &[&str]) -> String {
    let node = |name: &&str| {
        format!("{{kind: Node, metadata: {{name: {name}, labels: {{nvidia.com/gpu.present: 'true'}}}}}}")
    };
    let path = dir.join("nodes.yaml");
    fs::write(&path, names.iter().map(node).collect::<Vec<_>>().join("\n---\n")).expect("write");
    path.display().to_string()
}

#[test]
fn the_table_has_a_line_per_rail() {
    let file = example("macvlan-shared.yaml").display().to_string();
    let table = said(&railctl(&[&file]));
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 9);
    assert_eq!(
        lines[8].split_whitespace().collect::<Vec<_>>(),
        ["rail8", "enp18s0f0np0", "172.16.18.0/24", "172.16.18.254"]
    );
}

#[test]
fn a_directory_keeps_the_slices_of_nodes_that_stay() {
    let dir = tempfile::tempdir().expect("a directory");
    let (file, out) = (example("sriov-roce-per-node.yaml").display().to_string(), dir.path().join("plan"));
    let plan = |names: &[&str]| {
        let nodes = nodes(dir.path(), names);
        said(&railctl(&[&file, "--nodes", &nodes, "-o", &out.display().to_string()]));
        fs::read_to_string(out.join("20-pools.yaml")).expect("the pools")
    };
    let slice = |pools: &str, node: &str| {
        let pool = pools
            .split("---\n")
            .find(|pool| pool.contains(&format!("gpu-rail1.{node}\n")))
            .expect("a pool")
            .to_owned();
        pool.lines().find(|line| line.contains("subnet")).expect("its subnet").trim().replace('"', "")
    };
    let before = plan(&["worker-2", "worker-3"]);
    assert_eq!(slice(&before, "worker-3"), "subnet: 172.16.1.0/27");
    let after = plan(&["worker-1", "worker-3"]);
    assert_eq!(slice(&after, "worker-3"), "subnet: 172.16.1.0/27", "it stays");
    assert_eq!(slice(&after, "worker-1"), "subnet: 172.16.2.0/27", "worker-2 may come back");
    let own = fs::read_to_string(out.join("nodes/worker-1/pools.d/gpu.yaml")).expect("its pools");
    assert_eq!(own.matches("kind: SpiderIPPool").count(), 8);
    assert!(out.join("nodes/worker-1/net.d/gpu-rail8.conflist").is_file());
}

#[test]
fn an_address_is_explained_and_a_node_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = example("sriov-roce-per-node.yaml").display().to_string();
    let nodes = nodes(dir.path(), &["w1", "w2"]);
    let explain = |word: &str| railctl(&[&file, "--nodes", &nodes, "--explain", word]);
    assert_eq!(
        said(&explain("172.16.1.99")),
        "172.16.1.99 is rail4 (rail 4) of node w2: 172.16.1.96/27, gateway 172.16.1.97\n"
    );
    assert_eq!(said(&explain("w1")).lines().count(), 8);
    let refused = explain("w9");
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("neither an address nor a node"));
}

#[test]
fn a_cluster_that_differs_is_told_object_by_object() {
    let dir = tempfile::tempdir().expect("a directory");
    let (file, out) = (example("macvlan-shared.yaml").display().to_string(), dir.path().join("plan"));
    said(&railctl(&[&file, "-o", &out.display().to_string()]));
    let check = |answer: &str| {
        let kubectl = dir.path().join("kubectl");
        fs::write(&kubectl, format!("#!/bin/sh\ncat >/dev/null\ncat <<'EOF'\n{answer}\nEOF\n"))
            .expect("write");
        fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).expect("a program");
        let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").expect("a PATH"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_railctl"));
        command.args(["plan", &file, "--check"]).env("PATH", path).output().expect("run railctl")
    };
    let output = check(
        r#"{"kind":"List","items":[{"apiVersion":"spiderpool.spidernet.io/v2beta1","kind":"SpiderIPPool","metadata":{"name":"gpu-rail1"},
           "spec":{"subnet":"172.16.11.0/24","ips":["172.16.11.1-172.16.11.200"],"gateway":"172.16.11.1"}}]}"#,
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success(), "{text}");
    assert!(
        text.contains(
            "SpiderIPPool gpu-rail1: spec.gateway is \"172.16.11.1\", the plan has \"172.16.11.254\""
        ),
        "{text}"
    );
    assert!(text.contains("NetworkAttachmentDefinition default/gpu-rail8 is missing"), "{text}");
    assert!(!text.contains("subnet"), "{text}");
}

#[test]
fn a_wrong_page_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (page, out) = (dir.path().join("fabric.yaml"), dir.path().join("plan"));
    let text = fs::read_to_string(example("macvlan-shared.yaml"))
        .expect("the example")
        .replace("link: macvlan", "linkType: macvlan");
    fs::write(&page, text).expect("write");
    let output = railctl(&[&page.display().to_string(), "-o", &out.display().to_string()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("spec.linkType is no key of a Fabric; write \"link\""),
        "{said}"
    );
    assert!(!out.exists());
}

/// What is planned for a node's NICs is what `railctl host` takes, whichever priority pauses.
#[test]
fn a_node_of_a_plan_has_the_file_of_its_own_nics() {
    let dir = tempfile::tempdir().expect("a directory");
    let (page, out) = (dir.path().join("fabric.yaml"), dir.path().join("plan"));
    let nodes = nodes(dir.path(), &["worker-1", "worker-2"]);
    for priority in 0..8 {
        let text = format!(
            "{{apiVersion: railcni.dev/v1alpha1, kind: Fabric, metadata: {{name: gpu}}, spec: {{link: sriov, rdma: exclusive, mtu: 4200, vfs: 8, \
             rails: [{{interface: ens1}}, {{interface: ens2}}], addressing: {{perNode: {{supernet: 172.16.0.0/16, prefixLength: 27}}}}, \
             host: {{policyRouting: true, addresses: true, pfcPriority: {priority}}}}}}}"
        );
        fs::write(&page, text).expect("write");
        let [page, out] = [&page, &out].map(|path| path.display().to_string());
        said(&railctl(&[&page, "--nodes", &nodes, "-o", &out]));
        let file = fs::read_to_string(Path::new(&out).join("nodes/worker-2/host.yaml")).expect("its file");
        let settings = host::parse(&file).unwrap_or_else(|error| panic!("{error}: {file}"));
        assert_eq!(settings.roce.map(|roce| roce.priority), Some(priority));
        let [one, two] = &settings.nics[..] else { panic!("{file}") };
        let told = |nic: &host::Nic| {
            format!("{} {:?} {:?} {:?} {:?}", nic.name, nic.addresses, nic.gateways, nic.mtu, nic.vfs)
        };
        assert_eq!(told(one), "ens1 [172.16.0.66/27] [172.16.0.65] Some(4200) Some(8)");
        assert_eq!(told(two), "ens2 [172.16.0.98/27] [172.16.0.97] Some(4200) Some(8)");
        assert_eq!((one.rdma_route, two.rdma_route), (true, false));
        assert_eq!(settings.rdma_subnets, ["172.16.0.0/16".parse().expect("a subnet")]);
    }
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `-o` is a format of every other command.
#[test]
fn a_format_is_no_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = example("macvlan-shared.yaml").canonicalize().expect("the example").display().to_string();
    for word in ["json", "yaml", "table", "wide"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_railctl"));
        let output =
            command.current_dir(&dir).args(["plan", &file, "-o", word]).output().expect("run railctl");
        assert_eq!(output.status.code(), Some(2));
        let said = refused(&output);
        assert!(said.contains(&format!("write --output {word}")), "{said}");
    }
    assert_eq!(fs::read_dir(&dir).expect("a directory").count(), 0, "nothing was made");
}

#[test]
fn what_is_not_of_a_plan_stays_and_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let (file, out) = (example("macvlan-shared.yaml").display().to_string(), dir.path().join("plan"));
    let words = [file.as_str(), "-o", &out.display().to_string()].map(str::to_owned);
    let plan = || railctl(&words.each_ref().map(String::as_str));
    said(&plan());
    fs::write(out.join("foo.yaml"), "kind: Own").expect("write");
    let again = plan();
    assert!(said(&again).contains("has the plan: kubectl apply -f"), "a plan replaces a plan");
    let warned = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(warned.contains("foo.yaml in ") && warned.contains("is not of this plan"), "{warned}");

    fs::write(out.join("30-networks.yaml"), "kind: Own").expect("write");
    fs::remove_file(out.join("20-pools.yaml")).expect("remove");
    let error = refused(&plan());
    assert!(error.contains("30-networks.yaml was not written by `railctl plan`"), "{error}");
    assert_eq!(fs::read_to_string(out.join("30-networks.yaml")).expect("it"), "kind: Own");
    assert!(!out.join("20-pools.yaml").exists(), "nothing was changed");
}

#[test]
fn a_plan_that_lacks_something_is_not_said_to_be_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let out = dir.path().join("plan").display().to_string();
    for (page, lacks) in [
        ("sriov-roce-per-node.yaml", "no slices and no pools"),
        ("infiniband.yaml", "the VFs of rail1, rail2"),
    ] {
        let output = railctl(&[&example(page).display().to_string(), "-o", &out]);
        let (out, err) = (said(&output), String::from_utf8_lossy(&output.stderr).into_owned());
        assert!(!out.contains("kubectl apply"), "{out}");
        assert!(
            err.contains("has a part of the plan") && err.contains(lacks) && err.contains("--nodes"),
            "{err}"
        );
    }
}
