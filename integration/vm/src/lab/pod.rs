//! A pod: a named network namespace.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::command::fed;
use crate::lab::{Outcome, Vf, ip, rdma, run, try_run, until};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A network namespace under /run/netns, with loopback up. Dropping it deletes the namespace.
#[derive(Debug)]
pub struct Pod {
    name: String,
}

impl Pod {
    /// A fresh one.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "making a namespace is no default")]
    pub fn new() -> Self {
        Self::at(format!("pod{}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    #[track_caller]
    fn at(name: String) -> Self {
        ip(&format!("netns add {name}"));
        let pod = Self { name };
        pod.ip("link set lo up");
        pod
    }

    /// Ends it, and makes another one at its path, to which the kernel has given its inode as well.
    #[track_caller]
    #[must_use]
    pub fn replaced(self) -> Self {
        let (name, inode) = (self.name.clone(), self.inode());
        drop(self);
        let next = Self::at(name.clone());
        // The kernel gives the lowest free number; this one is free when the first namespace has been taken down. Those that come
        // instead are kept until then, or one of them would come again and again.
        let mut others = Vec::new();
        until(Duration::from_secs(60), "the kernel gives the inode again", || {
            if next.inode() != inode {
                others.push(next.open());
                ip(&format!("netns del {name}"));
                ip(&format!("netns add {name}"));
            }
            next.inode() == inode
        });
        next.ip("link set lo up");
        next
    }

    fn inode(&self) -> u64 {
        std::fs::metadata(self.path()).unwrap_or_else(|error| panic!("{}: {error}", self.name)).ino()
    }

    /// The namespace lives as long as the file.
    fn open(&self) -> File {
        File::open(self.path()).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// As `pod0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a runtime hands to plugins as `CNI_NETNS`.
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// Runs `ip` inside.
    #[track_caller]
    pub fn ip(&self, line: &str) -> String {
        ip(&format!("-n {} {line}", self.name))
    }

    /// Has `ip` do one line after another inside: each process is dear in a guest.
    #[track_caller]
    pub fn ip_do(&self, lines: &str) {
        let done = fed(Command::new("ip").args(["-n", &self.name, "-batch", "-"]), lines);
        if let Err(error) = done {
            panic!("{error:#}");
        }
    }

    /// Runs a program inside that must succeed.
    #[track_caller]
    pub fn run(&self, argv: &[&str]) -> String {
        run(&self.inside(argv))
    }

    /// Runs a program inside, whatever its end.
    #[track_caller]
    pub fn try_run(&self, argv: &[&str]) -> Outcome {
        try_run(&self.inside(argv))
    }

    fn inside<'a>(&'a self, argv: &[&'a str]) -> Vec<&'a str> {
        ["ip", "netns", "exec", &self.name].into_iter().chain(argv.iter().copied()).collect()
    }

    /// True when `address` answers a ping within three seconds.
    #[track_caller]
    pub fn pings(&self, address: &str) -> bool {
        self.try_run(&["ping", "-n", "-c", "1", "-w", "3", address]).stdout.contains(" bytes from ")
    }

    /// The link `ifname` inside, as `ip -d -j addr` shows it.
    #[track_caller]
    pub fn link(&self, ifname: &str) -> Value {
        let text = self.ip(&format!("-d -j addr show dev {ifname}"));
        let mut links: Vec<Value> = serde_json::from_str(&text).expect("ip prints JSON");
        links.pop().unwrap_or_else(|| panic!("{} has no {ifname}", self.name))
    }

    /// Names of the links inside, loopback excluded.
    #[track_caller]
    pub fn links(&self) -> Vec<String> {
        let links: Vec<Value> = serde_json::from_str(&self.ip("-j link")).expect("ip prints JSON");
        let names = links.iter().filter_map(|link| link["ifname"].as_str());
        names.filter(|name| *name != "lo").map(str::to_owned).collect()
    }

    /// Names of the RDMA devices that this namespace sees, sorted.
    #[track_caller]
    pub fn rdma_devices(&self) -> Vec<String> {
        rdma::parse(&self.run(&["rdma", "-j", "dev"]))
    }

    /// Moves a VF's netdev inside by hand, names it, and brings it up with `address`.
    #[track_caller]
    pub fn take(&self, vf: &Vf, ifname: &str, address: &str) {
        ip(&format!("link set dev {} netns {} name {ifname}", vf.ifname(), self.name));
        self.ip(&format!("addr add {address} dev {ifname}"));
        self.ip(&format!("link set dev {ifname} up"));
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // The test may have deleted it already.
        let _ = try_run(&["ip", "netns", "del", &self.name]);
    }
}
