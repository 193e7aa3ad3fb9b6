//! One network namespace of a world: code, commands and sysctls inside it.

use crate::mounts::{bind_network, copy_mounts, must, open, renew_sysfs};
use nix::sched::{CloneFlags, setns, unshare};
use serde_json::{Deserializer, Value};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

/// A named network namespace below /run/netns; cheap to clone.
#[derive(Clone, Debug)]
pub struct Space(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    path: PathBuf,
    file: File,
}

/// Device and inode of a namespace: what /proc shows for everything that still holds it.
pub type SpaceId = (u64, u64);

impl Space {
    /// The namespace of the calling thread.
    pub(crate) fn here(name: &str) -> Self {
        let path = Path::new("/run/netns").join(name);
        bind_network(&path);
        Self(Arc::new(Inner { name: name.into(), file: open(&path), path }))
    }

    /// The namespace that a file below /run/netns stands for.
    pub fn at(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self(Arc::new(Inner { name, file: open(path), path: path.to_owned() }))
    }

    /// A new namespace with lo up.
    pub(crate) fn create(name: &str) -> Self {
        let space = on_a_thread(|| {
            must("unshare a network namespace", unshare(CloneFlags::CLONE_NEWNET));
            Self::here(name)
        });
        space.ip_do("link set lo up");
        space
    }

    /// The name below /run/netns.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What `CNI_NETNS` holds for this namespace.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Device and inode.
    pub fn id(&self) -> SpaceId {
        let stat = must("stat the namespace", self.0.file.metadata());
        (stat.dev(), stat.ino())
    }

    /// Runs `work` on a thread inside the namespace; its panic is the caller's.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        on_a_thread(|| {
            must(&format!("enter {}", self.0.name), setns(&self.0.file, CloneFlags::CLONE_NEWNET));
            work()
        })
    }

    /// As [`run`](Self::run), with a /sys that shows this namespace.
    pub fn run_with_sysfs<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.run(|| {
            copy_mounts();
            renew_sysfs();
            work()
        })
    }

    /// Runs a program inside, as `ip netns exec` does; the caller looks at its status.
    pub fn exec<S: AsRef<OsStr> + Sync>(&self, command: &[S]) -> Output {
        let (program, args) = command.split_first().unwrap_or_else(|| panic!("testkit: no program to run"));
        let name = program.as_ref().display();
        self.run_with_sysfs(|| must(&format!("run {name}"), Command::new(program).args(args).output()))
    }

    /// `ip -j ARGS` as JSON (null when it prints nothing); panics with its stderr when it fails.
    #[track_caller]
    pub fn ip(&self, args: &[&str]) -> Value {
        match self.try_ip(args) {
            Ok(value) => value,
            Err(message) => panic!("ip {} in {}: {message}", args.join(" "), self.0.name),
        }
    }

    /// `ip -j ARGS`, or what it wrote to stderr.
    pub fn try_ip(&self, args: &[&str]) -> Result<Value, String> {
        let output = self.run(|| must("run ip", Command::new("ip").arg("-j").args(args).output()));
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        if output.stdout.trim_ascii().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
    }

    /// Lines for `ip -batch`, one command each; panics at the first that fails.
    #[track_caller]
    pub fn ip_do(&self, lines: &str) {
        let output = self.ip_batch(&[], lines);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip -batch in {}:\n{lines}\n{stderr}", self.0.name);
    }

    /// One list per line; `ip -batch` prints one JSON array after another. One process for all: each is dear in a guest.
    pub(crate) fn ip_lists(&self, flags: &[&str], lines: &str) -> Vec<Vec<Value>> {
        let output = self.ip_batch(flags, lines);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {flags:?} in {}: {stderr}", self.0.name);
        let lists = Deserializer::from_slice(&output.stdout).into_iter::<Vec<Value>>();
        must("parse the output of ip", lists.collect())
    }

    fn ip_batch(&self, flags: &[&str], lines: &str) -> Output {
        self.run(|| {
            let mut command = Command::new("ip");
            command.args(flags).args(["-batch", "-"]);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = must("run ip", command.spawn());
            let stdin = child.stdin.take();
            // It may have much to say before it has read all.
            std::thread::scope(|scope| {
                let write = || stdin.map_or(Ok(()), |mut stdin| stdin.write_all(lines.as_bytes()));
                let written = scope.spawn(write);
                let output = must("wait for ip", child.wait_with_output());
                let written = written.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                // One that stopped at a line has said so, and reads no more.
                assert!(written.is_ok() || !output.status.success(), "write to ip: {written:?}");
                output
            })
        })
    }

    /// A value below /proc/sys, such as `net/ipv4/conf/net1/rp_filter`.
    #[track_caller]
    pub fn sysctl(&self, key: &str) -> String {
        let path = Path::new("/proc/sys").join(key);
        let value = self.run(|| std::fs::read_to_string(&path));
        must(&format!("read {key}"), value).trim_end().to_owned()
    }

    /// Sets a value below /proc/sys.
    #[track_caller]
    pub fn set_sysctl(&self, key: &str, value: &str) {
        let path = Path::new("/proc/sys").join(key);
        let written = self.run(|| File::options().write(true).open(&path)?.write_all(value.as_bytes()));
        must(&format!("write {value} to {key}"), written);
    }

    /// The index of a link, 0 if there is none of that name.
    pub fn ifindex(&self, ifname: &str) -> u32 {
        self.run(|| nix::net::if_::if_nametoindex(ifname).unwrap_or(0))
    }

    /// Whether the namespace has a link of that name.
    pub fn has_link(&self, ifname: &str) -> bool {
        self.ifindex(ifname) != 0
    }
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| resume_unwind(panic))
}
