//! The programs of a cluster, built by something that only looks like Go: what is kept, and what a build that fails leaves.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Writes what it was asked for into the file that follows `-o`.
const GO: &str = "#!/bin/sh\nmkdir -p \"$GOCACHE\" \"$GOMODCACHE\"\nwhile [ \"$1\" != -o ]; do shift; done\necho \"$3\" >\"$2\"\n";

/// `apt-get download` and `dpkg-deb -x`, of a package with one program.
const APT: &str = "#!/bin/sh\n[ \"$2\" != download ] || echo \"$APT_CONFIG\" >\"$3\"_1_all.deb\n";
const DPKG: &str = "#!/bin/sh\nmkdir -p \"$3/usr/bin\" && cp \"$2\" \"$3/usr/bin/containerd\"\n";
/// Whoever is called fails.
const DEAD: &str = "#!/bin/sh\nexit 9\n";

fn build(base: &Path, go: &str) -> Output {
    build_of("newest", base, &[("go", go)])
}

/// `cluster build` with these programs before those of the machine.
fn build_of(versions: &str, base: &Path, programs: &[(&str, &str)]) -> Output {
    let bin = base.join("bin");
    let _ = fs::remove_dir_all(&bin);
    fs::create_dir(&bin).unwrap();
    for (name, script) in programs {
        let mut file = File::create(bin.join(name)).unwrap();
        file.write_all(script.as_bytes()).unwrap();
        file.set_permissions(Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
    command.arg("build").env("RAILCNI_CLUSTER_CACHE", base.join("cache"));
    command.env("RAILCNI_CLUSTER_VERSIONS", versions);
    command.env("PATH", format!("{}:/usr/bin:/bin", bin.display())).output().unwrap()
}

/// The entries of the cache, without the hash of their module.
fn cached(base: &Path) -> Vec<String> {
    let names = fs::read_dir(base.join("cache")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> =
        names.map(|name| name.into_string().unwrap()).filter(|name| name != ".lock").collect();
    names.sort();
    names
        .iter()
        .map(|name| name.rsplit_once('-').map_or(name.as_str(), |(name, _)| name).to_owned())
        .collect()
}

fn base() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_second_run_needs_no_go_and_go_leaves_no_caches() {
    let base = base();
    let first = build(base.path(), GO);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    assert!(String::from_utf8_lossy(&first.stderr).contains("building kube-apiserver"), "progress is shown");
    let programs = [
        "containerd",
        "containerd-shim-runc-v2",
        "ctr",
        "etcd",
        "helm",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubectl",
        "kubelet",
        "multus",
        "multus-daemon",
        "multus-shim",
    ];
    assert_eq!(cached(base.path()), programs);
    let second = build(base.path(), DEAD);
    assert!(second.status.success() && second.stderr.is_empty(), "it built again");
}

#[test]
fn a_build_that_fails_is_said_and_leaves_no_program() {
    let base = base();
    let failed = build(base.path(), "#!/bin/sh\nmkdir -p \"$GOCACHE\"\nexit 9\n");
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && said.contains("build etcd"), "{said}");
    assert!(build(base.path(), GO).status.success(), "what a failed build left is in nobody's way");
    assert_eq!(cached(base.path()).len(), 13);
}

#[test]
fn older_versions_have_a_kubernetes_of_their_own_and_the_containerd_of_debian() {
    let base = base();
    assert!(build(base.path(), GO).status.success());
    let newest = cached(base.path()).len();
    let first = build_of("oldest", base.path(), &[("go", GO), ("apt-get", APT), ("dpkg-deb", DPKG)]);
    let said = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(first.status.success(), "{said}");
    let built: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("cluster: building ")).collect();
    let built: Vec<_> = built.into_iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(built, ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"]);
    assert_eq!(cached(base.path()).len(), newest + built.len() + 1);
    let cache = fs::read_dir(base.path().join("cache")).unwrap().map(|entry| entry.unwrap().path());
    let mut entries = cache.filter(|path| path.to_string_lossy().contains("containerd-of-"));
    let containerd = fs::read_to_string(entries.next().unwrap().join("usr/bin/containerd")).unwrap();
    assert!(
        containerd.starts_with(base.path().to_str().unwrap()),
        "apt had the machine's lists: {containerd}"
    );
    let dead = [("go", DEAD), ("apt-get", DEAD), ("dpkg-deb", DEAD)];
    let second = build_of("oldest", base.path(), &dead);
    assert!(second.status.success() && second.stderr.is_empty(), "it built again");
}

#[test]
fn versions_that_nobody_knows_are_refused() {
    let refused = build_of("1.33", base().path(), &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("none of newest and oldest"), "{said}");
}
