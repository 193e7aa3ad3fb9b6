//! Nodes for the API server: an agent, and the real plugin, in directories of their own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use cluster::Api;
use ipam::{Granted, JournalStore, Lease, RangeSet, Store as _};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use state::Dirs;
use testkit::eventually;

/// Ends with the test.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), signal).unwrap();
    }

    /// How it ended by itself; nothing while it runs.
    pub(crate) fn end(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A node that has nothing but directories and an agent.
pub(crate) struct Node {
    pub(crate) dirs: Dirs,
    base: PathBuf,
    pub(crate) name: String,
    agent: Option<Process>,
    /// Of the agent, beside its directories.
    more: Vec<(String, PathBuf)>,
}

/// How a call of the plugin ended.
pub(crate) type Ended = Result<String, (u64, String)>;

impl Node {
    pub(crate) fn start(api: &Api, name: &str) -> Self {
        Self::start_as(api, name, &api.kubeconfig())
    }

    /// With an agent that has these rights; ready when it has pools.
    pub(crate) fn start_as(api: &Api, name: &str, kubeconfig: &Path) -> Self {
        let mut agent = raild(api, "agent");
        agent.env("KUBECONFIG", kubeconfig);
        Self::begin(api, name, Vec::new(), agent)
    }

    /// With more in the agent's environment, in all its lives.
    pub(crate) fn start_with(api: &Api, name: &str, more: &[(&str, &PathBuf)]) -> Self {
        let more = more.iter().map(|(key, value)| ((*key).to_owned(), (*value).clone())).collect();
        Self::begin(api, name, more, raild(api, "agent"))
    }

    /// The same, with a log.
    pub(crate) fn start_logged(api: &Api, name: &str, more: &[(&str, &PathBuf)], log: &Path) -> Self {
        let more = more.iter().map(|(key, value)| ((*key).to_owned(), (*value).clone())).collect();
        let mut agent = raild(api, "agent");
        agent.stderr(std::fs::File::options().append(true).open(log).unwrap());
        Self::begin(api, name, more, agent)
    }

    fn begin(api: &Api, name: &str, more: Vec<(String, PathBuf)>, mut agent: Command) -> Self {
        let base = api.dir().join(name);
        let mut node = Self { dirs: Dirs::under(&base), base, name: name.to_owned(), agent: None, more };
        node.agent = Some(Process::start(node.at_home(&mut agent)));
        node.knows_the_pool();
        node
    }

    /// Waits until its plugins may.
    pub(crate) fn knows_the_pool(&self) {
        let granted = || Granted::read(&self.dirs).unwrap().filter(|granted| !granted.pools.is_empty());
        eventually(Duration::from_secs(180), granted).expect("the node knows the pool");
    }

    pub(crate) fn start_agent(&mut self, api: &Api) {
        let mut agent = raild(api, "agent");
        self.agent = Some(Process::start(self.at_home(&mut agent)));
    }

    pub(crate) fn kill_agent(&mut self) {
        self.agent = None;
    }

    /// To its agent: SIGSTOP, say.
    pub(crate) fn signal(&self, signal: Signal) {
        self.agent.as_ref().unwrap().signal(signal);
    }

    /// The machine is installed anew: nothing of it is left but its name.
    pub(crate) fn wipe(&mut self) {
        self.agent = None;
        std::fs::remove_dir_all(&self.base).unwrap();
    }

    /// Its name in Kubernetes is another one from now on.
    pub(crate) fn rename(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    /// Another agent for this node, with these directories.
    pub(crate) fn second_agent(&self, api: &Api, log: &Path) -> Process {
        let mut agent = raild(api, "agent");
        agent.stderr(std::fs::File::options().create(true).append(true).open(log).unwrap());
        Process::start(self.at_home(&mut agent))
    }

    /// With the directories and the name of this node.
    fn at_home<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        for name in ["state", "durable", "peer", "config"] {
            command.env(format!("RAILCNI_{}_DIR", name.to_uppercase()), self.base.join(name));
        }
        command.envs(self.more.iter().map(|(key, value)| (key, value)));
        command.env("NODE_NAME", &self.name)
    }

    /// Pods that come at once: their addresses, or what the plugin said.
    pub(crate) fn add(&self, containers: &[String], wait: u64) -> Vec<Ended> {
        let calls = containers.iter().map(|container| self.call("ADD", container, "", wait));
        let calls = calls.collect::<Vec<_>>();
        calls.into_iter().map(|call| ended(&call.wait_with_output().unwrap())).collect()
    }

    /// The same for pods that have names: of the namespace `ai`, each with a container.
    pub(crate) fn add_named(&self, pods: &[(String, String)], wait: u64) -> Vec<Ended> {
        let call = |(pod, container): &(String, String)| {
            let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=ai;K8S_POD_NAME={pod}");
            self.call("ADD", container, &args, wait)
        };
        let calls = pods.iter().map(call).collect::<Vec<_>>();
        calls.into_iter().map(|call| ended(&call.wait_with_output().unwrap())).collect()
    }

    pub(crate) fn del(&self, containers: &[String]) {
        let calls = containers.iter().map(|container| self.call("DEL", container, "", 0)).collect::<Vec<_>>();
        for call in calls {
            let output = call.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
    }

    /// The real plugin, as a runtime calls it.
    fn call(&self, verb: &str, container: &str, args: &str, wait: u64) -> Child {
        let mut command = Command::new(testkit::binary("rail-ipam"));
        self.at_home(command.env_clear());
        let env =
            [("COMMAND", verb), ("CONTAINERID", container), ("IFNAME", "net1"), ("PATH", "/opt/cni/bin")];
        command.envs(env.map(|(key, value)| (format!("CNI_{key}"), value)));
        command.env("CNI_NETNS", "/run/netns/none-of-ours").env("CNI_ARGS", args);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        let config = json!({"cniVersion": "1.1.0", "name": "rail1", "type": "macvlan", "ipam": {
            "type": "rail-ipam", "ippools": {"ipv4": ["shared"]}, "waitForGrant": wait, "lockTimeout": 60,
        }});
        child.stdin.take().unwrap().write_all(config.to_string().as_bytes()).unwrap();
        child
    }

    /// How many addresses the plugins may hand out.
    pub(crate) fn granted(&self) -> u128 {
        self.offered().len()
    }

    /// The same; none while the file is damaged.
    pub(crate) fn granted_or_none(&self) -> Option<u128> {
        Granted::read(&self.dirs).is_ok().then(|| self.granted())
    }

    /// Who is to have which of its addresses again, as its plugins read it.
    pub(crate) fn pins(&self) -> String {
        let pools = Granted::read(&self.dirs).unwrap().unwrap().pools;
        pools.iter().filter_map(|pool| pool["status"]["pins"].as_str()).collect()
    }

    /// What the plugins may hand out.
    pub(crate) fn offered(&self) -> RangeSet {
        let mut catalog = ipam::Catalog::default();
        catalog.add_granted("grants", Granted::read(&self.dirs).unwrap().as_ref());
        catalog.complete().pools().flat_map(|pool| pool.offered.ranges().to_vec()).collect()
    }

    /// Says that a pod wants addresses, as a plugin does.
    pub(crate) fn want(&self, count: u32) -> String {
        let socket = self.base.join("state/node/want");
        eventually(Duration::from_secs(60), || socket.exists().then_some(())).expect("the agent listens");
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        writeln!(stream, "want shared {count}").unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer
    }

    /// Pods that take everything.
    pub(crate) fn lease(&self, count: usize) {
        let ended = self.add(&(0..count).map(|pod| format!("pod{pod}")).collect::<Vec<_>>(), 0);
        assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    }

    /// What its pods have.
    pub(crate) fn leases(&self) -> Vec<Lease> {
        leases(&self.dirs)
    }

    pub(crate) fn release_all(&self) {
        let store = JournalStore::new(&self.dirs, Duration::from_secs(10)).unwrap();
        store.update(&mut |leases| Ok(leases.all()?.iter().map(|lease| lease.release(0)).collect())).unwrap();
    }
}

/// What the pods of a node have.
pub(crate) fn leases(dirs: &Dirs) -> Vec<Lease> {
    let store = JournalStore::new(dirs, Duration::from_secs(10)).unwrap();
    let mut all = Vec::new();
    let look = &mut |leases: &dyn ipam::Leases| {
        all = leases.all()?;
        Ok(())
    };
    store.view(look).unwrap();
    all
}

fn ended(output: &Output) -> Ended {
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    match answer["ips"][0]["address"].as_str() {
        Some(address) => Ok(address.to_owned()),
        None => Err((answer["code"].as_u64().unwrap(), answer["msg"].as_str().unwrap().to_owned())),
    }
}

/// An API server with our kinds, two nodes `one` and `two`, and the pool `shared` of so many addresses.
pub(crate) fn api_server(addresses: u8) -> Api {
    let api = Api::start().unwrap();
    api.kubectl().run(&["apply", "-f", &crds().display().to_string()]).unwrap();
    api.kubectl().run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).unwrap();
    let pool = format!(
        "apiVersion: spiderpool.spidernet.io/v2beta1\nkind: SpiderIPPool\nmetadata: {{name: shared}}\n\
         spec: {{subnet: 172.16.1.0/24, ips: [172.16.1.1-172.16.1.{addresses}], gateway: 172.16.1.254}}\n"
    );
    api.kubectl().apply(&format!("{}{}{pool}", node_object("one"), node_object("two"))).unwrap();
    api
}

/// Nodes `node-0` and so on with these kubeconfigs, each with an agent that knows the pool.
pub(crate) fn nodes(api: &Api, kubeconfigs: &[PathBuf]) -> Vec<Node> {
    let names = (0..kubeconfigs.len()).map(|number| format!("node-{number}")).collect::<Vec<_>>();
    api.kubectl().apply(&names.iter().map(|name| node_object(name)).collect::<String>()).unwrap();
    std::thread::scope(|scope| {
        let both = names.iter().zip(kubeconfigs);
        let started = both.map(|(name, config)| scope.spawn(move || Node::start_as(api, name, config)));
        let started = started.collect::<Vec<_>>();
        started.into_iter().map(|node| node.join().unwrap()).collect()
    })
}

/// Of which nothing is cut or faulty.
pub(crate) fn well(api: &Api, count: usize) -> Vec<PathBuf> {
    vec![api.kubeconfig(); count]
}

pub(crate) fn raild(api: &Api, mode: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raild"));
    command.arg(mode).env("KUBECONFIG", api.kubeconfig());
    command
}

fn crds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds")
}

pub(crate) fn node_object(name: &str) -> String {
    format!("apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n---\n")
}
