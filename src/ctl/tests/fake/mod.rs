//! A folder with recording plugins, and railctl run against them.

#![allow(dead_code, reason = "every test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work panics")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

/// railctl and the plugins need no real pod: the namespace of the test serves.
pub(crate) const NETNS: &str = "/proc/self/ns/net";

pub(crate) struct Fake {
    folder: tempfile::TempDir,
}

/// One recorded call.
#[derive(Debug, PartialEq)]
pub(crate) struct Call {
    /// `ADD a`
    pub(crate) what: String,
    pub(crate) env: Vec<String>,
    pub(crate) stdin: Value,
}

impl Fake {
    /// Plugins `a`, `b` and `c`; each ADD answers with an address of its own.
    pub(crate) fn new() -> Self {
        let fake = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["calls", "bin", "net.d"] {
            fs::create_dir(fake.path(name)).unwrap();
        }
        for kind in ["a", "b", "c"] {
            let plugin = fake.write(&format!("bin/{kind}"), include_str!("plugin.sh"));
            fs::set_permissions(plugin, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fake.answer_in("1.1.0");
        fake
    }

    /// The plugins' results have this version from now on.
    pub(crate) fn answer_in(&self, version: &str) {
        for (kind, host) in [("a", 1), ("b", 2), ("c", 3)] {
            self.write(&format!("answer-{kind}"), &result(version, host).to_string());
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    #[expect(clippy::disallowed_methods, reason = "nobody reads a test's own file while it is written")]
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A network of these plugins in the config folder.
    pub(crate) fn network(&self, name: &str, version: &str, plugins: &[&str]) {
        let plugins: Vec<_> = plugins.iter().map(|kind| json!({ "type": kind })).collect();
        let list = json!({ "cniVersion": version, "name": name, "plugins": plugins });
        self.write(&format!("net.d/{name}.conflist"), &list.to_string());
    }

    /// This call of this plugin fails from now on.
    pub(crate) fn fail(&self, verb: &str, kind: &str) {
        let error = json!({ "code": 7, "msg": format!("{verb} of {kind} failed as the test wants it") });
        self.write(&format!("fail-{verb}-{kind}"), &error.to_string());
    }

    /// railctl with the folder's configs, plugins and state, and nothing of the caller's CNI environment.
    pub(crate) fn railctl(&self, args: &[&str]) -> Output {
        self.command(Path::new(env!("CARGO_BIN_EXE_railctl"))).args(args).output().unwrap()
    }

    /// Any driver in the same environment.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for name in ["CNI_IFNAME", "CNI_ARGS", "CAP_ARGS"] {
            command.env_remove(name);
        }
        command
            .env("FAKE", self.folder.path())
            .env("NETCONFPATH", self.path("net.d"))
            .env("CNI_PATH", self.path("bin"))
            .env("RAILCNI_STATE_DIR", self.path("state"));
        command
    }

    /// What the plugins were asked so far, in order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let mut folders: Vec<_> =
            fs::read_dir(self.path("calls")).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        folders.iter().map(|folder| Call::read(folder)).collect()
    }

    /// As [`Fake::calls`], which begin again after it.
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        let calls = self.calls();
        fs::remove_dir_all(self.path("calls")).unwrap();
        fs::create_dir(self.path("calls")).unwrap();
        calls
    }

    /// `ADD a`, `ADD b`, ... of all calls, which begin again after it.
    pub(crate) fn order(&self) -> Vec<String> {
        self.take_calls().into_iter().map(|call| call.what).collect()
    }

    /// The names of the cached attachments.
    pub(crate) fn cached(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("state/railctl/results")) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Call {
    fn read(folder: &Path) -> Self {
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        Self {
            what: read("what").trim().to_owned(),
            env: read("env").lines().map(str::to_owned).collect(),
            stdin: serde_json::from_str(&read("stdin")).unwrap(),
        }
    }
}

/// A result with one address, as a plugin of that version prints it.
pub(crate) fn result(version: &str, host: u8) -> Value {
    let ip = match version {
        "1.1.0" | "1.0.0" => json!({ "address": format!("10.0.0.{host}/24") }),
        _ => json!({ "version": "4", "address": format!("10.0.0.{host}/24") }),
    };
    json!({ "cniVersion": version, "ips": [ip] })
}

#[track_caller]
pub(crate) fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
pub(crate) fn fails(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    stderr(output)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
