//! One attachment's plugins, run as a runtime runs them.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use vm::lab::{Pod, Vf};

/// A plugin with the environment and the config of one attachment.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    plugin: String,
    container: String,
    netns: Option<PathBuf>,
    ifname: String,
    wrapper: Vec<OsString>,
    /// Besides where the plugin itself is.
    plugins: Option<PathBuf>,
    pub(crate) config: Value,
}

/// `sriov` for `vf` in `pod`, as `net1`.
#[track_caller]
pub(crate) fn sriov(vf: &Vf, pod: &Pod, more: &Value) -> Call {
    let config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": "sriov", "deviceID": vf.bdf() });
    call("sriov", pod, config).with(more)
}

/// A plugin by its name, for `pod`, as `net1`.
#[track_caller]
pub(crate) fn call(plugin: &str, pod: &Pod, config: Value) -> Call {
    Call {
        plugin: plugin.to_owned(),
        container: pod.name().to_owned(),
        netns: Some(pod.path()),
        ifname: "net1".to_owned(),
        wrapper: Vec::new(),
        plugins: None,
        config,
    }
}

impl Call {
    /// With more keys in its config; null takes one away.
    pub(crate) fn with(mut self, more: &Value) -> Self {
        let config = self.config.as_object_mut().expect("an object");
        for (key, value) in more.as_object().expect("an object") {
            if value.is_null() {
                config.remove(key);
            } else {
                config.insert(key.clone(), value.clone());
            }
        }
        self
    }

    /// The next plugin of a chain, with the result of this one.
    pub(crate) fn then(&self, plugin: &str, more: &Value) -> Self {
        let next = Self { plugin: plugin.to_owned(), ..self.clone() };
        next.with(&json!({ "type": plugin, "ipam": null })).with(more)
    }

    /// By another ID than the pod's name.
    pub(crate) fn container(mut self, id: &str) -> Self {
        id.clone_into(&mut self.container);
        self
    }

    /// Another interface of the same pod.
    pub(crate) fn ifname(mut self, name: &str) -> Self {
        name.clone_into(&mut self.ifname);
        self
    }

    /// Without `CNI_NETNS`.
    pub(crate) fn without_netns(mut self) -> Self {
        self.netns = None;
        self
    }

    /// With more plugins, in this directory.
    pub(crate) fn plugins_in(mut self, directory: &str) -> Self {
        self.plugins = Some(directory.into());
        self
    }

    /// Killed as it enters its `nth` message to the kernel.
    pub(crate) fn killed_at(self, nth: usize) -> Self {
        self.injected("sendto,sendmsg", "signal=SIGKILL", nth)
    }

    /// The kernel refuses its `nth` message.
    pub(crate) fn failing_at(self, nth: usize) -> Self {
        self.injected("sendto,sendmsg", "error=ENOBUFS", nth)
    }

    /// The time of its first wait with a limit is up at once; how long it would have waited is in `log`.
    pub(crate) fn out_of_time(mut self, log: &str) -> Self {
        let faults = ["--trace=ppoll", "--inject=ppoll:retval=0:when=1"];
        self.wrapper = ["strace", "-qq", "-o", log].into_iter().chain(faults).map(Into::into).collect();
        self
    }

    /// Killed as it enters its `nth` write, be it of a file or to a driver.
    pub(crate) fn killed_at_write(self, nth: usize) -> Self {
        self.injected("write", "signal=SIGKILL", nth)
    }

    /// Held for seconds as it opens `path`; `log` is written by then.
    pub(crate) fn held_at(mut self, path: &str, log: &str) -> Self {
        let hold = ["--trace=open,openat", "--inject=open,openat:delay_enter=5000000", "-P", path];
        self.wrapper = ["strace", "-qq", "-o", log].into_iter().chain(hold).map(Into::into).collect();
        self
    }

    /// Each message to the kernel takes so long that others may act between it and the next.
    pub(crate) fn slowly(self) -> Self {
        self.injected("sendto,sendmsg", "delay_exit=100000", "1+")
    }

    fn injected(mut self, calls: &str, fault: &str, when: impl Display) -> Self {
        let (trace, inject) = (format!("--trace={calls}"), format!("--inject={calls}:{fault}:when={when}"));
        self.wrapper = ["strace", "-qq", "-o", "/dev/null", &trace, &inject].map(Into::into).into();
        self
    }

    /// The result, or the error object.
    #[track_caller]
    pub(crate) fn try_run(&self, verb: &str) -> Result<Value, Value> {
        let output = self.output(verb);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if output.status.success() {
            return Ok(value);
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(value["code"].is_u64(), "{} {verb}: {}: {text}{stderr}", self.plugin, output.status);
        Err(value)
    }

    /// Whatever comes of it.
    #[track_caller]
    pub(crate) fn output(&self, verb: &str) -> Output {
        self.spawn(verb).wait_with_output().expect("wait for the plugin")
    }

    /// The plugin at its work.
    #[track_caller]
    pub(crate) fn spawn(&self, verb: &str) -> Child {
        let program = binary(&self.plugin);
        let argv: Vec<OsString> = self.wrapper.iter().cloned().chain([program.clone().into()]).collect();
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).env("CNI_COMMAND", verb).env("CNI_CONTAINERID", &self.container);
        command.env("CNI_IFNAME", &self.ifname).env("CNI_PATH", self.path(&program));
        command.env("CNI_NETNS", self.netns.clone().unwrap_or_default()).env("CNI_ARGS", "IgnoreUnknown=1");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("run {}: {error}", program.display()));
        // One that is killed early does not read.
        let _ = child.stdin.take().expect("a pipe").write_all(self.config.to_string().as_bytes());
        child
    }

    fn path(&self, program: &Path) -> OsString {
        let own = program.parent().expect("a directory").to_owned();
        std::env::join_paths(self.plugins.iter().cloned().chain([own])).expect("no colon in a path")
    }

    #[track_caller]
    pub(crate) fn run(&self, verb: &str) -> Value {
        self.try_run(verb).unwrap_or_else(|error| panic!("{} {verb} failed: {error}", self.plugin))
    }

    /// The message of a run that has to fail, with its details.
    #[track_caller]
    pub(crate) fn fails(&self, verb: &str) -> String {
        let error = self.try_run(verb).expect_err("the plugin had to fail");
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        let whole = format!("{}; {}", text("msg"), text("details"));
        for word in ["not found", "o such file"] {
            assert!(verb != "DEL" || !whole.contains(word), "a runtime takes this for success: {whole}");
        }
        whole
    }
}

/// Beside this test, or where `make` puts them.
fn binary(name: &str) -> PathBuf {
    let beside = || {
        let test = std::env::current_exe().expect("this program");
        test.ancestors().nth(2).expect("below target").to_owned()
    };
    let directory = std::env::var_os("RAILCNI_BIN_DIR").map_or_else(beside, PathBuf::from);
    let path = directory.join(name);
    assert!(path.is_file(), "no binary {}: run `make build` first", path.display());
    path
}

/// Addresses from ranges in the config.
pub(crate) fn ipam(subnet: &str) -> Value {
    json!({ "type": "rail-ipam", "ranges": [[{ "subnet": subnet }]] })
}

/// A pod with the default NIC that every pod has before its rails come.
pub(crate) fn pod() -> Pod {
    let pod = Pod::new();
    pod.ip_do(
        "link add eth0 type veth peer name peer0\naddr add 192.0.2.2/24 dev eth0\nlink set dev eth0 up\n\
         link set dev peer0 up\nroute add default via 192.0.2.1\n",
    );
    pod
}
