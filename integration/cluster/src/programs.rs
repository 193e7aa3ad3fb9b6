//! The cluster's own programs, built once from the Go modules below `build/` and kept outside the repository.

use std::env;
use std::fs::{self, File};
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};

use crate::debian;
use crate::versions::Versions;

/// Where the modules stand when this is built.
const MODULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/build");

/// A program that Go builds.
#[derive(Debug, Clone, Copy)]
struct Source {
    name: &'static str,
    module: &'static str,
    package: &'static str,
}

const fn source(name: &'static str, module: &'static str, package: &'static str) -> Source {
    Source { name, module, package }
}

impl Source {
    /// The same program as it is of these versions: those of Kubernetes are of another module, but for who asks the server.
    fn of(self, versions: Versions) -> Self {
        let differs = self.package.starts_with("k8s.io/kubernetes/") && self.name != "kubectl";
        Self { module: if differs { versions.module() } else { self.module }, ..self }
    }
}

/// What an API server needs, and who asks it.
const API: [Source; 3] = [
    source("etcd", "kubernetes", "go.etcd.io/etcd/server/v3"),
    source("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"),
    source("kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl"),
];

/// What installs the chart. Its module has the versions of that of Kubernetes: after kubectl there is little left to compile.
const CHART: [Source; 1] = [source("helm", "helm", "helm.sh/helm/v3/cmd/helm")];

/// What makes a cluster of it, with a containerd.
const CLUSTER: [Source; 4] = [
    source("kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    source("kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler"),
    source("kubelet", "kubernetes", "k8s.io/kubernetes/cmd/kubelet"),
    source("multus", "multus", "gopkg.in/k8snetworkplumbingwg/multus-cni.v4/cmd/multus"),
];

/// The containerd of the newest versions; that of the oldest is Debian's package of this name.
const CONTAINERD: [Source; 3] = [
    source("containerd", "containerd", "github.com/containerd/containerd/v2/cmd/containerd"),
    source(
        "containerd-shim-runc-v2",
        "containerd",
        "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
    ),
    source("ctr", "containerd", "github.com/containerd/containerd/v2/cmd/ctr"),
];

/// Multus in two parts, which one test wants.
const THICK: [Source; 2] = [
    source("multus-daemon", "multus", "gopkg.in/k8snetworkplumbingwg/multus-cni.v4/cmd/multus-daemon"),
    source("multus-shim", "multus", "gopkg.in/k8snetworkplumbingwg/multus-cni.v4/cmd/multus-shim"),
];

/// What the benchmark compares with.
const PEERS: [Source; 1] =
    [source("whereabouts", "whereabouts", "github.com/k8snetworkplumbingwg/whereabouts/cmd")];

/// A directory in which every program is whole, or not there.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    root: PathBuf,
    versions: Versions,
    /// Where Debian's containerd is, if it is that.
    containerd: Option<PathBuf>,
}

impl Programs {
    /// etcd, kube-apiserver and kubectl, built if they are not there.
    pub(crate) fn of_api() -> Result<Self> {
        Self::with(Versions::Newest, &API)
    }

    /// Those that start a cluster.
    pub(crate) fn of_cluster(versions: Versions) -> Result<Self> {
        let of_kubernetes = API.into_iter().chain(CLUSTER).map(|source| source.of(versions));
        if versions == Versions::Newest {
            return Self::with(versions, &of_kubernetes.chain(CONTAINERD).collect::<Vec<_>>());
        }
        let programs = Self::with(versions, &of_kubernetes.collect::<Vec<_>>())?;
        let containerd = programs.fetch_containerd()?;
        Ok(Self { containerd: Some(containerd), ..programs })
    }

    /// helm and kubectl, for what needs no cluster.
    pub(crate) fn of_chart() -> Result<Self> {
        Self::with(Versions::Newest, &[&API[2..], &CHART].concat())
    }

    /// Multus' daemon and its shim.
    pub(crate) fn of_thick() -> Result<Self> {
        Self::with(Versions::Newest, &THICK)
    }

    /// Those of the peers that are not Debian's.
    pub(crate) fn of_bench() -> Result<Self> {
        Self::with(Versions::Newest, &PEERS)
    }

    /// All that the tests want, with one set of Go's caches.
    pub(crate) fn of_tests() -> Result<Self> {
        Self::with(Versions::Newest, &[&API[..], &CHART, &CLUSTER, &CONTAINERD, &THICK].concat())
    }

    fn with(versions: Versions, sources: &[Source]) -> Result<Self> {
        let root =
            env::var_os("RAILCNI_CLUSTER_CACHE").map_or("/var/cache/railcni-cluster".into(), PathBuf::from);
        fs::create_dir_all(&root).with_context(|| {
            format!("create the cache {} (set RAILCNI_CLUSTER_CACHE to move it)", root.display())
        })?;
        let programs = Self { root, versions, containerd: None };
        programs.build_missing(sources)?;
        Ok(programs)
    }

    /// Of which versions they are.
    pub(crate) fn versions(&self) -> Versions {
        self.versions
    }

    /// The path of the program `name`.
    ///
    /// # Panics
    /// When it is none of those that this crate builds.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        if let Some(dir) = &self.containerd
            && CONTAINERD.iter().any(|source| source.name == name)
        {
            return dir.join(name);
        }
        let sources = [&API[..], &CHART, &CLUSTER, &CONTAINERD, &THICK, &PEERS].into_iter().flatten();
        let source = sources.into_iter().find(|source| source.name == name);
        let source = source.unwrap_or_else(|| panic!("{name} is not built for the cluster lab"));
        self.entry(&source.of(self.versions)).join(name)
    }

    /// Debian's containerd, of the version that was current when it was fetched: the directory of its programs.
    fn fetch_containerd(&self) -> Result<PathBuf> {
        let entry = self.root.join(format!("containerd-of-{}", debian::codename()?));
        let _lock = self.lock()?;
        if !entry.is_dir() {
            say("fetching containerd, a package of Debian");
            let scratch = self.root.join(".containerd.new");
            let _ = fs::remove_dir_all(&scratch);
            fs::create_dir_all(&scratch)?;
            debian::extract("containerd", &scratch, &self.root.join(".apt"))?;
            fs::rename(&scratch, &entry)?;
        }
        Ok(entry.join("usr/bin"))
    }

    fn entry(&self, source: &Source) -> PathBuf {
        self.root.join(format!("{}-{}", source.name, key(source)))
    }

    fn build_missing(&self, sources: &[Source]) -> Result<()> {
        let missing = || -> Vec<_> { sources.iter().filter(|source| !self.entry(source).is_dir()).collect() };
        if missing().is_empty() {
            return Ok(());
        }
        let _lock = self.lock()?;
        let go = GoCaches::below(&self.root)?;
        for source in missing() {
            self.build(source, &go).with_context(|| format!("build {}", source.name))?;
        }
        Ok(())
    }

    fn lock(&self) -> Result<Flock<File>> {
        let path = self.root.join(".lock");
        let file = File::options().create(true).append(true).open(&path)?;
        Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| errno)
            .with_context(|| format!("lock {}", path.display()))
    }

    /// Into a scratch directory, which gets its name when the program is whole.
    fn build(&self, source: &Source, go: &GoCaches) -> Result<()> {
        let started = Instant::now();
        say(&format!("building {} from its Go module", source.name));
        let scratch = self.root.join(format!(".{}.new", source.name));
        let _ = fs::remove_dir_all(&scratch);
        fs::create_dir_all(&scratch)?;
        let status = go.build(source, &scratch.join(source.name)).status();
        let status = status.context("start Go, which `make setup` installs")?;
        ensure!(status.success(), "go build {}: {status}; it needs network the first time", source.package);
        fs::rename(&scratch, self.entry(source))?;
        say(&format!("built {} in {} s", source.name, started.elapsed().as_secs()));
        Ok(())
    }
}

/// What changes a program changes its key.
fn key(source: &Source) -> String {
    let module = Path::new(MODULES).join(source.module);
    let mut hash = Sha256::new();
    for file in ["go.mod", "go.sum"] {
        hash.update(fs::read(module.join(file)).unwrap_or_default());
    }
    hash.update(flags(source));
    hash.finalize().iter().take(6).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// For the linker: no debug information, and the version of Kubernetes.
fn flags(source: &Source) -> String {
    let oldest = source.module == Versions::Oldest.module();
    let kubernetes = if oldest { Versions::Oldest } else { Versions::Newest }.kubernetes();
    let version = "k8s.io/component-base/version";
    let (major, minor) = ("1", kubernetes.split('.').nth(1).unwrap_or_default());
    format!(
        "-s -w -X {version}.gitVersion={kubernetes} -X {version}.gitMajor={major} \
         -X {version}.gitMinor={minor} -X {version}.gitTreeState=clean"
    )
}

/// Go's caches of one run: six gigabytes that nobody needs once the programs are there.
struct GoCaches(PathBuf);

impl GoCaches {
    fn below(root: &Path) -> Result<Self> {
        let path = root.join(".go");
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn build(&self, source: &Source, target: &Path) -> Command {
        let mut go = Command::new("go");
        go.current_dir(Path::new(MODULES).join(source.module));
        go.args(["build", "-trimpath", "-ldflags", &flags(source), "-o"]).arg(target).arg(source.package);
        go.env("CGO_ENABLED", "0").env("GOTOOLCHAIN", "auto").env("GOFLAGS", "-modcacherw -buildvcs=false");
        go.env("GOCACHE", self.0.join("build")).env("GOMODCACHE", self.0.join("modules"));
        go
    }
}

impl Drop for GoCaches {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            say(&format!("cannot remove Go's caches below {}: {error}", self.0.display()));
        }
    }
}

/// Progress, for whoever waits: on the error stream itself, which tests do not capture.
fn say(line: &str) {
    let _ = writeln!(stderr(), "cluster: {line}");
}
