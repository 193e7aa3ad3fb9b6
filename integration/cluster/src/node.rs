//! One node: containerd, kubelet and what they start, in namespaces of their own.

mod thick;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::eventually;

use crate::api::Site;
use crate::command::output;
use crate::fabric::{Fabric, address};
use crate::file::put;
use crate::keeper::{Keeper, Recipe};
use crate::server::Server;
use crate::settings;
use crate::users::User;

const BEGIN: &str = include_str!("node/begin.sh");
const END: &str = include_str!("node/end.sh");
const SOCKET: &str = "run/containerd/containerd.sock";
/// What containerd tells runc of each container, of pods' sandboxes too.
const SANDBOXES: &str = "run/containerd/io.containerd.runtime.v2.task/k8s.io";
/// containerd is there in half a second on a machine with nothing else to do.
const STARTED: Duration = Duration::from_secs(60);

/// A node of a cluster.
#[derive(Debug)]
pub struct Node {
    name: String,
    number: u8,
    cgroup: String,
    logs: PathBuf,
    programs: crate::programs::Programs,
    kubelet: Option<Server>,
    containerd: Option<Server>,
    multus: Option<Server>,
    keeper: Keeper,
}

impl Node {
    /// Makes its place, with programs, configs and NICs; nothing runs in it yet.
    pub(crate) fn create(site: &Site, fabric: &Fabric, number: u8, cgroup: String) -> Result<Self> {
        let name = format!("node{number}");
        let args = [cgroup.as_str(), &name];
        let keeper = Keeper::start(Recipe { network: true, begin: BEGIN, end: END, args: &args })
            .with_context(|| format!("make the place of {name}"))?;
        fabric.connect(&keeper, number)?;
        let (logs, programs) = (site.dir.join(&name), site.programs.clone());
        fs::create_dir_all(&logs)?;
        Ok(Self {
            name,
            number,
            cgroup,
            logs,
            programs,
            kubelet: None,
            containerd: None,
            multus: None,
            keeper,
        })
    }

    /// `node1` and so on.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// 1 and so on.
    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    /// The path of one of its files, as the machine sees it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.keeper.root().join(path.trim_start_matches('/'))
    }

    /// Writes one of its files.
    pub fn put(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        put(&self.path(path), content)
    }

    /// Puts a program into its /opt/cni/bin.
    pub fn install(&self, program: &Path) -> Result<()> {
        let name = program.file_name().context("a program has a name")?;
        let target = self.path("opt/cni/bin").join(name);
        fs::copy(program, &target).with_context(|| format!("install {}", program.display()))?;
        fs::set_permissions(&target, Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// Runs a program in the node, as a shell on it does; what it printed.
    pub fn output(&self, command: &mut Command) -> Result<String> {
        self.keeper.output(command)
    }

    /// `ip -j ARGS` in the node.
    pub fn ip(&self, args: &[&str]) -> Result<Value> {
        parse(&self.keeper.output(Command::new("ip").arg("-j").args(args))?)
    }

    /// `ip -j ARGS` in the network of a pod.
    pub fn ip_of_pod(&self, namespace: &str, pod: &str, args: &[&str]) -> Result<Value> {
        parse(&self.output_of_pod(namespace, pod, "ip", &[&["-j"], args].concat())?)
    }

    /// Runs a program of the machine in the network of a pod.
    pub fn output_of_pod(&self, namespace: &str, pod: &str, program: &str, args: &[&str]) -> Result<String> {
        let netns = self.netns_of_pod(namespace, pod)?;
        let mut command = Command::new("nsenter");
        output(command.arg(format!("--net={}", netns.display())).arg(program).args(args))
    }

    /// The network namespace of a pod, as containerd had its sandbox made in it.
    pub fn netns_of_pod(&self, namespace: &str, pod: &str) -> Result<PathBuf> {
        let sandbox = self.sandbox_of_pod(namespace, pod)?;
        let spec = self.path(SANDBOXES).join(sandbox).join("config.json");
        let spec = fs::read(&spec).with_context(|| format!("read {}", spec.display()))?;
        let spec: Value = serde_json::from_slice(&spec).context("parse the spec of a sandbox")?;
        let mut namespaces = spec["linux"]["namespaces"].as_array().into_iter().flatten();
        let network = namespaces.find(|one| one["type"] == "network");
        let netns = network.and_then(|one| one["path"].as_str()).context("a sandbox without a network")?;
        // /var/run is a link to /run, of whoever follows it.
        Ok(self.path(netns.strip_prefix("/var").unwrap_or(netns)))
    }

    /// The ID of a pod's sandbox, by the cached result of its eth0.
    fn sandbox_of_pod(&self, namespace: &str, pod: &str) -> Result<String> {
        let results = fs::read_dir(self.path("var/lib/cni/results")).context("no pod was attached yet")?;
        let caches = results.flatten().filter_map(|entry| fs::read(entry.path()).ok());
        let mut caches = caches.filter_map(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let of_pod = |cache: &Value| {
            let arg = |key: &str, value: &str| {
                let args = cache["cniArgs"].as_array().into_iter().flatten();
                args.into_iter().any(|arg| arg[0] == key && arg[1] == value)
            };
            cache["ifName"] == "eth0" && arg("K8S_POD_NAMESPACE", namespace) && arg("K8S_POD_NAME", pod)
        };
        let cache = caches.find(of_pod).with_context(|| format!("no {namespace}/{pod} on {}", self.name))?;
        Ok(cache["containerId"].as_str().context("a cached result without a container")?.to_owned())
    }

    /// The names of the network namespaces of its pods.
    pub fn namespaces(&self) -> Result<Vec<String>> {
        names(&self.path("run/netns"))
    }

    /// Files below a directory of the node, sorted; none where it does not exist.
    pub fn files(&self, dir: &str) -> Result<Vec<String>> {
        names(&self.path(dir))
    }

    /// What gives pods their eth0, when containerd has been restarted: the node's bridge, or a network config.
    pub fn set_default_network(&self, default: Option<&Value>) -> Result<()> {
        let default = default.cloned().unwrap_or_else(|| settings::bridge(&self.pod_subnet()));
        self.put(
            "etc/cni/net.d/00-multus.conf",
            settings::multus(self.programs.versions(), &default).to_string(),
        )
    }

    /// Kills containerd and starts it again: it has read all configs when this returns.
    pub fn restart_containerd(&mut self) -> Result<()> {
        self.kill_containerd()?;
        self.start_containerd()
    }

    /// Starts containerd; its socket listens when this returns.
    pub fn start_containerd(&mut self) -> Result<()> {
        self.put("etc/containerd.toml", settings::containerd(self.programs.versions()))?;
        let mut command = Command::new(self.programs.path("containerd"));
        command.args(["--config", "/etc/containerd.toml"]).env("PATH", self.search_path());
        let mut server = Server::start(&self.keeper, "containerd", &mut command, &self.logs)?;
        // The socket of one that was killed is still there, and refuses.
        let listens = || std::os::unix::net::UnixStream::connect(self.path(SOCKET)).is_ok();
        let started = eventually(STARTED, || match server.alive() {
            Err(error) => Some(Err(error)),
            Ok(()) => listens().then_some(Ok(())),
        });
        started.unwrap_or_else(|| bail!("containerd does not listen:\n{}", server.said()))?;
        self.containerd = Some(server);
        Ok(())
    }

    /// Starts kubelet, which registers the node.
    pub fn start_kubelet(&mut self) -> Result<()> {
        let config = settings::kubelet(&self.cgroup).to_string();
        self.put("etc/kubernetes/kubelet.yaml", config)?;
        let mut command = Command::new(self.programs.path("kubelet"));
        command.args(["--config=/etc/kubernetes/kubelet.yaml"]);
        command.args(["--kubeconfig=/etc/kubernetes/kubelet.kubeconfig"]);
        command.arg(format!("--hostname-override={}", self.name));
        command.arg(format!("--node-ip={}", address(self.number))).env("PATH", self.search_path());
        self.kubelet = Some(Server::start(&self.keeper, "kubelet", &mut command, &self.logs)?);
        Ok(())
    }

    /// Kills kubelet as a crash does; pods go on.
    pub fn kill_kubelet(&mut self) -> Result<()> {
        self.kubelet.take().map_or(Ok(()), |mut server| server.end(Signal::SIGKILL))
    }

    /// Kills containerd as a crash does; pods go on under their shims.
    pub fn kill_containerd(&mut self) -> Result<()> {
        self.containerd.take().map_or(Ok(()), |mut server| server.end(Signal::SIGKILL))
    }

    /// The end of the logs of its programs, for who wonders.
    pub fn said(&self) -> String {
        let servers = [&self.kubelet, &self.containerd, &self.multus].into_iter().flatten();
        servers.map(Server::said).collect()
    }

    /// Makes an image known to the node, from a tar.
    pub fn import(&self, tar: &Path) -> Result<()> {
        // The machine's /run is not the node's.
        let inside = self.path("run/image.tar");
        fs::copy(tar, &inside).with_context(|| format!("copy {}", tar.display()))?;
        let mut ctr = Command::new(self.programs.path("ctr"));
        ctr.args(["--address", "/run/containerd/containerd.sock", "-n", "k8s.io", "images", "import"]);
        ctr.args(settings::import(self.programs.versions())).arg("/run/image.tar");
        self.output(&mut ctr).context("import an image")?;
        fs::remove_file(inside).context("remove the copy of an image")
    }

    /// The kubeconfig of its kubelet, and that of Multus.
    pub(crate) fn introduce(&self, site: &Site, kubelet: &User, multus: &User) -> Result<()> {
        let copy = |user: &User, to: &str| -> Result<()> {
            fs::copy(site.kubeconfig(user), self.path(to)).with_context(|| format!("write {to}"))?;
            Ok(())
        };
        copy(kubelet, "etc/kubernetes/kubelet.kubeconfig")?;
        copy(multus, "etc/cni/net.d/multus.kubeconfig")
    }

    /// The addresses that its bridge gives to pods.
    pub(crate) fn pod_subnet(&self) -> String {
        format!("10.244.{}.0/24", self.number)
    }

    /// Where containerd finds its shim and runc.
    fn search_path(&self) -> String {
        let shim = self.programs.path("containerd-shim-runc-v2");
        let dir = shim.parent().unwrap_or(Path::new("/")).display().to_string();
        format!("{dir}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    }
}

fn parse(text: &str) -> Result<Value> {
    if text.trim().is_empty() {
        return Ok(Value::Array(Vec::new()));
    }
    serde_json::from_str(text).context("parse what ip printed")
}

fn names(dir: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("read {}", dir.display()))?,
    };
    let mut names: Vec<_> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}
