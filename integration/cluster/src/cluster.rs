//! A cluster: control plane, nodes, and the switches between their rails.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use testkit::{eventually, pause};

use crate::api::{Place, Site};
use crate::fabric::{CONTROL, Fabric};
use crate::helm::Helm;
use crate::images;
use crate::kubectl::Kubectl;
use crate::node::Node;
use crate::programs::Programs;
use crate::run::Run;
use crate::server::Server;
use crate::users::User;
use crate::versions::Versions;

const READY: Duration = Duration::from_secs(180);
/// What gives pods their eth0, from Debian's containernetworking-plugins.
const DEFAULT_PLUGINS: [&str; 3] = ["bridge", "host-local", "loopback"];
/// The kind that Multus reads.
const KINDS: &str = include_str!("crds.yaml");

/// A cluster whose nodes have eight rails each, with Multus and the plugins under test. It ends when it is dropped, or
/// with its process.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    _controllers: Vec<Server>,
    _control_plane: [Server; 2],
    site: Site,
    fabric: Fabric,
    run: Run,
}

impl Cluster {
    /// Starts one of these versions with so many nodes; all are ready when it returns.
    pub fn start(versions: Versions, nodes: u8) -> Result<Self> {
        let programs = Programs::of_cluster(versions)?;
        let run = Run::create("cluster")?;
        let fabric = Fabric::create(run.path())?;
        let kubelets: Vec<_> = (1..=nodes).map(kubelet).collect();
        let users: Vec<_> = kubelets.iter().cloned().chain([User::admin()]).collect();
        // Of all addresses: pods know it by that of its service.
        let place = Place { address: CONTROL, listen: Ipv4Addr::UNSPECIFIED, port: 443, without: "" };
        let site = Site::create(programs, run.path(), place, &users)?;
        let mut control_plane = start_control_plane(&site, &fabric, &run)?;
        let nodes = (1..=nodes).map(|number| start_node(&site, &fabric, &run, number));
        let mut nodes = nodes.collect::<Result<Vec<_>>>()?;

        let kubectl = kubectl(&site, &fabric);
        site.wait(&mut control_plane[1], &fabric.control, &kubectl)?;
        let controllers = start_controllers(&site, &fabric, &run)?;
        kubectl.apply(KINDS)?;
        nodes.iter_mut().try_for_each(Node::start_kubelet)?;
        let cluster =
            Self { nodes, _controllers: controllers, _control_plane: control_plane, site, fabric, run };
        cluster.wait_ready()?;
        Ok(cluster)
    }

    /// kubectl as an administrator.
    pub fn kubectl(&self) -> Kubectl {
        kubectl(&self.site, &self.fabric)
    }

    /// helm as an administrator, built if it is not there.
    pub fn helm(&self) -> Result<Helm> {
        Helm::of_server(self.site.kubeconfig(&User::admin()), Some(self.fabric.control.network()))
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One of them, to kill things on: 0 is `node1`.
    pub fn node_mut(&mut self, index: usize) -> &mut Node {
        &mut self.nodes[index]
    }

    /// Starts Multus' daemon on a node, in the place of its plugin.
    pub fn start_multus_daemon(&mut self, index: usize) -> Result<()> {
        Programs::of_thick()?;
        let authority = fs::read(self.site.certificates.path("ca.crt"))?;
        self.nodes[index].start_multus_daemon(&User::admin().token(), &authority)
    }

    /// `ip ARGS` where the switches are, with the gateways of all rails.
    pub fn ip_of_switches(&self, args: &[&str]) -> Result<String> {
        self.fabric.ip_of_switches(args)
    }

    /// A directory for the test's own files.
    pub fn dir(&self) -> &Path {
        self.run.path()
    }

    /// What a shell for it needs: the network of the control plane, and its environment.
    pub fn shell(&self) -> (String, Vec<(&'static str, String)>) {
        (self.fabric.control.network(), self.site.environment())
    }

    /// Lets `cluster down` end this process.
    pub fn answer_to_down(&self) -> Result<()> {
        self.run.answer_to_down()
    }

    /// Waits until pods may be created in a namespace.
    pub(crate) fn wait_account(&self, namespace: &str) -> Result<()> {
        let kubectl = self.kubectl();
        let account = || kubectl.get(&["-n", namespace, "serviceaccount", "default"]).ok();
        let there = eventually(READY, || {
            pause(Duration::from_millis(50));
            account()
        });
        there.map(drop).with_context(|| format!("no service account in {namespace} after {READY:?}"))
    }

    /// Waits until every node is ready and pods may be created.
    fn wait_ready(&self) -> Result<()> {
        let kubectl = self.kubectl();
        let ready = |node: &Value| {
            let mut conditions = node["status"]["conditions"].as_array().into_iter().flatten();
            let taints = node["spec"]["taints"].as_array().map_or(0, Vec::len);
            taints == 0 && conditions.any(|one| one["type"] == "Ready" && one["status"] == "True")
        };
        let all = || -> Result<bool> {
            let list = kubectl.get(&["nodes"])?;
            let nodes = list["items"].as_array().context("a list of nodes")?;
            Ok(nodes.len() == self.nodes.len() && nodes.iter().all(ready))
        };
        let done = eventually(READY, || {
            pause(Duration::from_millis(100));
            all().is_ok_and(|ready| ready).then_some(())
        });
        if done.is_some() {
            return self.wait_account("default");
        }
        let said: String = self.nodes.iter().map(Node::said).collect();
        let nodes = kubectl.run(&["describe", "nodes"]).unwrap_or_default();
        bail!("not every node is ready after {READY:?}:\n{nodes}\n{said}")
    }
}

fn kubelet(number: u8) -> User {
    User { name: format!("system:node:node{number}"), groups: "system:nodes" }
}

fn kubectl(site: &Site, fabric: &Fabric) -> Kubectl {
    let program = site.programs.path("kubectl");
    Kubectl::new(program, site.kubeconfig(&User::admin()), Some(fabric.control.network()))
}

fn start_control_plane(site: &Site, fabric: &Fabric, run: &Run) -> Result<[Server; 2]> {
    let etcd = Server::start(&fabric.control, "etcd", &mut site.etcd(), run.path())?;
    // Webhooks are reached at their pods: there is no kube-proxy that would know their service.
    let more = ["--kubelet-preferred-address-types=InternalIP", "--enable-aggregator-routing=true"];
    let apiserver = Server::start(&fabric.control, "kube-apiserver", &mut site.apiserver(&more), run.path())?;
    Ok([etcd, apiserver])
}

/// With limits that a crowd of pods does not reach.
fn start_controllers(site: &Site, fabric: &Fabric, run: &Run) -> Result<Vec<Server>> {
    let start = |name: &str, args: &[String]| {
        let mut command = Command::new(site.programs.path(name));
        command.arg(format!("--kubeconfig={}", site.kubeconfig(&User::admin()).display()));
        command.args(["--leader-elect=false", "--secure-port=0", "--kube-api-qps=500"]);
        command.arg("--kube-api-burst=1000").args(args);
        Server::start(&fabric.control, name, &mut command, run.path())
    };
    let file = |flag: &str, name: &str| format!("--{flag}={}", site.certificates.path(name).display());
    let manager = start(
        "kube-controller-manager",
        &[
            "--use-service-account-credentials=true".into(),
            file("service-account-private-key-file", "tokens.key"),
            file("root-ca-file", "ca.crt"),
        ],
    )?;
    Ok(vec![manager, start("kube-scheduler", &[])?])
}

/// With containerd, images and plugins; kubelet has to wait for the API server.
fn start_node(site: &Site, fabric: &Fabric, run: &Run, number: u8) -> Result<Node> {
    let cgroup = format!("{}-node{number}", run.name());
    let mut node = Node::create(site, fabric, number, cgroup)?;
    node.introduce(site, &kubelet(number), &User::admin())?;
    node.set_default_network(None)?;
    for name in DEFAULT_PLUGINS {
        node.install(&Path::new("/usr/lib/cni").join(name))?;
    }
    node.install(&site.programs.path("multus"))?;
    node.start_containerd()?;
    for tar in images::write(run.path())? {
        node.import(&tar)?;
    }
    Ok(node)
}
