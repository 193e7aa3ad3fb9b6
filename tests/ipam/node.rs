use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A node with directories of its own.
pub(crate) struct Node {
    directory: TempDir,
}

/// How a call ended.
pub(crate) struct Outcome {
    pub(crate) ok: bool,
    pub(crate) answer: Value,
    pub(crate) log: String,
}

/// One call to be made.
pub(crate) struct Call {
    command: Command,
    config: Value,
}

impl Node {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn with_pools(pools: &str) -> Self {
        let node = Self::new();
        node.put("config/pools.d/pools.yaml", pools);
        node
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        state::file::replace(&path, content.as_bytes()).unwrap();
    }

    /// The administrator's word that configs may name what is there.
    pub(crate) fn allows(&self, key: &str, name: &str) {
        self.put("config/node.yaml", &format!("paths: {{ {key}: ['{}'] }}\n", self.path(name).display()));
    }

    pub(crate) fn call(&self, verb: &str, container: &str, config: &Value) -> Call {
        self.call_as(&testkit::binary("rail-ipam"), verb, container, config)
    }

    pub(crate) fn call_as(&self, binary: &Path, verb: &str, container: &str, config: &Value) -> Call {
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", container)
            .env("CNI_IFNAME", "net1");
        command
            .env("CNI_NETNS", "/run/netns/none-of-ours")
            .env("CNI_PATH", "/opt/cni/bin")
            .env("NODE_NAME", "n1");
        for name in ["state", "durable", "peer", "config"] {
            command.env(format!("RAILCNI_{}_DIR", name.to_uppercase()), self.path(name));
        }
        Call { command, config: config.clone() }
    }

    pub(crate) fn run(&self, verb: &str, container: &str, config: &Value) -> Outcome {
        self.call(verb, container, config).run()
    }

    /// The addresses of an ADD that has to work.
    pub(crate) fn add(&self, container: &str, config: &Value) -> Vec<String> {
        self.run("ADD", container, config).ips()
    }

    /// Code and message of an ADD that must not work.
    pub(crate) fn refusal(&self, container: &str, config: &Value) -> (u64, String) {
        self.run("ADD", container, config).error()
    }

    pub(crate) fn del(&self, container: &str, config: &Value) {
        let outcome = self.run("DEL", container, config);
        assert!(outcome.ok, "{} {}", outcome.answer, outcome.log);
    }

    pub(crate) fn is_untouched(&self) -> bool {
        !self.path("state").exists() && !self.path("durable").exists()
    }
}

impl Call {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn args(self, args: &str) -> Self {
        self.env("CNI_ARGS", args)
    }

    /// The same call under a shell line such as a limit, which ends in `exec "$0"`.
    pub(crate) fn under(self, shell: &str) -> Self {
        let mut command = Command::new("/bin/sh");
        command.env_clear().arg("-c").arg(shell).arg(self.command.get_program());
        for (name, value) in self.command.get_envs() {
            command.env(name, value.unwrap());
        }
        Self { command, ..self }
    }

    pub(crate) fn spawn(mut self) -> Child {
        let pipes = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.process_group(0).spawn().unwrap();
        // A process that is killed at once may not read it.
        let _ = child.stdin.take().unwrap().write_all(self.config.to_string().as_bytes());
        child
    }

    pub(crate) fn run(self) -> Outcome {
        Outcome::of(self.spawn())
    }
}

impl Outcome {
    pub(crate) fn of(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        Self {
            ok: output.status.success(),
            answer,
            log: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn ips(&self) -> Vec<String> {
        assert!(self.ok, "{} {}", self.answer, self.log);
        let ips = self.answer["ips"].as_array().unwrap();
        ips.iter().map(|ip| ip["address"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn error(&self) -> (u64, String) {
        assert!(!self.ok, "{}", self.answer);
        (self.answer["code"].as_u64().unwrap(), self.answer["msg"].as_str().unwrap().to_owned())
    }
}

/// A network with this `ipam` object.
pub(crate) fn network(ipam: &Value) -> Value {
    let mut config = json!({"cniVersion": "1.1.0", "name": "rail1", "type": "macvlan", "ipam": ipam});
    config["ipam"]["type"] = "rail-ipam".into();
    config
}

/// A network that uses these pools.
pub(crate) fn using(ipv4: &[&str]) -> Value {
    network(&json!({"ippools": {"ipv4": ipv4}}))
}

/// A pool document.
pub(crate) fn pool(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: spiderpool.spidernet.io/v2beta1\nkind: SpiderIPPool\nmetadata: {{name: {name}}}\nspec: {spec}\n---\n"
    )
}
