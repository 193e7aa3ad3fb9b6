//! Running a plugin binary the way a runtime does.

use crate::figures::in_guest;
use crate::mounts::must;
use crate::world::{Dirs, World};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// In a guest, hundreds may share one emulated CPU.
fn hangs_after() -> Duration {
    Duration::from_secs(if in_guest() { 280 } else { 120 })
}

/// One plugin with the environment of one attachment; clone it to vary one thing.
#[derive(Clone, Debug)]
#[must_use]
pub struct Plugin {
    pub(crate) program: PathBuf,
    pub(crate) wrapper: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
}

/// What a run of a plugin left.
#[derive(Debug)]
pub struct Outcome {
    /// Exit status.
    pub status: ExitStatus,
    /// Standard output as it came.
    pub stdout: String,
    /// Standard error as it came.
    pub stderr: String,
}

/// The error object of the CNI specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CniError {
    /// `code`
    pub code: u64,
    /// `msg`
    pub msg: String,
    /// `details`, empty when absent
    pub details: String,
}

impl World {
    /// The plugin `name` from the directory under test, with this world's directories and container `cid`.
    #[track_caller]
    pub fn plugin(&self, name: &str) -> Plugin {
        Plugin::new(&binary(name), self.dirs())
    }

    /// Any other plugin executable, such as a reference plugin or a script of the test.
    pub fn foreign_plugin(&self, program: &Path) -> Plugin {
        Plugin::new(program, self.dirs())
    }
}

impl Plugin {
    fn new(program: &Path, dirs: &Dirs) -> Self {
        let plugin = Self { program: program.into(), wrapper: Vec::new(), env: Vec::new() };
        let plugin = dirs.env().into_iter().fold(plugin, |plugin, (key, dir)| plugin.env(key, dir));
        plugin.container("cid").ifname("net1").env("CNI_PATH", program.parent().unwrap_or(Path::new("/")))
    }

    /// `CNI_CONTAINERID`; `cid` unless set.
    pub fn container(self, id: &str) -> Self {
        self.env("CNI_CONTAINERID", id)
    }

    /// `CNI_NETNS`; absent unless set.
    pub fn netns(self, path: &Path) -> Self {
        self.env("CNI_NETNS", path)
    }

    /// `CNI_IFNAME`; `net1` unless set.
    pub fn ifname(self, name: &str) -> Self {
        self.env("CNI_IFNAME", name)
    }

    /// `CNI_ARGS`; absent unless set.
    pub fn args(self, args: &str) -> Self {
        self.env("CNI_ARGS", args)
    }

    /// Any variable; a later value replaces an earlier one.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self = self.without_env(key);
        self.env.push((key.into(), value.as_ref().into()));
        self
    }

    /// Leaves a variable out.
    pub fn without_env(mut self, key: &str) -> Self {
        self.env.retain(|(have, _)| have != key);
        self
    }

    /// Started by another program, as `["setpriv", "--no-new-privs"]`, which gets the plugin as its last argument.
    pub fn wrapped<S: AsRef<OsStr>>(mut self, program: &[S]) -> Self {
        self.wrapper = program.iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// With these capabilities (`net_admin`) and no way to get another.
    pub fn with_only(self, capabilities: &[&str]) -> Self {
        let list = capabilities.iter().fold("-all".to_owned(), |list, name| format!("{list},+{name}"));
        let [inheritable, bounding] =
            ["--inh-caps=", "--bounding-set="].map(|option| format!("{option}{list}"));
        self.wrapped(&["setpriv", "--no-new-privs", &inheritable, &bounding])
    }

    /// ADD
    pub fn add(&self, config: &Value) -> Outcome {
        self.run("ADD", config)
    }

    /// DEL
    pub fn del(&self, config: &Value) -> Outcome {
        self.run("DEL", config)
    }

    /// CHECK
    pub fn check(&self, config: &Value) -> Outcome {
        self.run("CHECK", config)
    }

    /// GC
    pub fn gc(&self, config: &Value) -> Outcome {
        self.run("GC", config)
    }

    /// STATUS
    pub fn status(&self, config: &Value) -> Outcome {
        self.run("STATUS", config)
    }

    /// Any verb, with `config` on standard input.
    pub fn run(&self, verb: &str, config: &Value) -> Outcome {
        self.run_bytes(verb, config.to_string().as_bytes())
    }

    /// Any verb, with any bytes on standard input.
    pub fn run_bytes(&self, verb: &str, stdin: &[u8]) -> Outcome {
        let mut command = self.command(verb);
        let child = must(&format!("run {}", command.get_program().display()), command.spawn());
        let output = finish(child, stdin, &format!("{} {verb}", self.program.display()));
        Outcome {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn command(&self, verb: &str) -> Command {
        let argv: Vec<&OsStr> =
            self.wrapper.iter().map(OsString::as_os_str).chain([self.program.as_os_str()]).collect();
        let mut command = Command::new(argv[0]);
        command.args(&argv[1..]).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.env.iter().map(|(key, value)| (key, value))).env("CNI_COMMAND", verb);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that a plugin that hangs ends together with its delegates.
        command.process_group(0);
        command
    }
}

impl Outcome {
    /// Standard output of a run that has to succeed, null when it is empty.
    #[track_caller]
    pub fn success(self) -> Value {
        assert!(self.status.success(), "the plugin failed: {self}");
        if self.stdout.trim().is_empty() {
            return Value::Null;
        }
        self.json()
    }

    /// The error object of a run that has to fail.
    #[track_caller]
    pub fn error(self) -> CniError {
        assert!(!self.status.success(), "the plugin succeeded: {self}");
        let value = self.json();
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        match value["code"].as_u64() {
            Some(code) => CniError { code, msg: text("msg"), details: text("details") },
            None => panic!("not a CNI error object: {self}"),
        }
    }

    #[track_caller]
    fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("standard output is not one JSON object ({error}): {self}"),
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n-- stdout\n{}\n-- stderr\n{}", self.status, self.stdout.trim(), self.stderr.trim())
    }
}

/// The path of a built binary: `RAILCNI_BIN_DIR`, else where cargo puts binaries beside this test.
#[track_caller]
pub fn binary(name: &str) -> PathBuf {
    let dir = std::env::var_os("RAILCNI_BIN_DIR").map_or_else(cargo_output, PathBuf::from);
    let path = dir.join(name);
    assert!(
        path.is_file(),
        "no binary {}: run `cargo build -p {name}` with this target directory, \
         or `make build` and set RAILCNI_BIN_DIR to dist",
        path.display()
    );
    path
}

/// A test runs as TARGET/PROFILE/deps/NAME-HASH.
fn cargo_output() -> PathBuf {
    let test = must("find the running test", std::env::current_exe());
    test.ancestors().nth(2).unwrap_or_else(|| panic!("{} is not below target/", test.display())).into()
}

/// Feeds the child and collects what it writes; one that hangs is killed with its group.
#[track_caller]
fn finish(mut child: Child, stdin: &[u8], what: &str) -> Output {
    let group = Pid::from_raw(must("take the pid", i32::try_from(child.id())));
    let (done, outcome) = mpsc::channel();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut pipe) = child.stdin.take() {
                // A plugin may refuse its environment before it reads.
                let _ = pipe.write_all(stdin);
            }
            // The receiver is gone only after the group was killed.
            let _ = done.send(child.wait_with_output());
        });
        outcome.recv_timeout(hangs_after()).inspect_err(|_| {
            let _ = killpg(group, Signal::SIGKILL);
        })
    });
    let output = output.unwrap_or_else(|_| panic!("{what} did not end within {:?}", hangs_after()));
    must(&format!("wait for {what}"), output)
}
