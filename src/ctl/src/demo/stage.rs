//! What the demo plays on: a host with eight NICs, the switches they are plugged into, and a pod that has its default NIC.
//!
//! ip(8) sets it up, so that what railcni's own netlink code does later is seen by something else, too.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use netns::NetNs;

pub(crate) const RAILS: u8 = 8;
const PREFIX: &str = "railcni-demo-";
const NAMED: &str = "/run/netns";

/// The default NIC of the pod, as Calico makes it.
pub(crate) const POD_ETH0: Ipv4Addr = Ipv4Addr::new(10, 233, 119, 164);
const ETH0_GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

/// Named namespaces and one directory, all with the number of the process that made them.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    number: u32,
    name: String,
}

impl Stage {
    /// That of a demo, existing or not.
    pub(crate) fn of(number: u32) -> Self {
        Self { number, name: format!("{PREFIX}{number}") }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The stages that `--keep` left, by number.
    pub(crate) fn kept() -> Result<Vec<u32>> {
        let mut numbers: Vec<u32> = Vec::new();
        for entry in fs::read_dir("/run").context("list /run")? {
            let name = entry?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Where state, pools and network configs are.
    pub(crate) fn folder(&self) -> PathBuf {
        Path::new("/run").join(&self.name)
    }

    pub(crate) fn host(&self) -> String {
        format!("{}-host", self.name)
    }

    pub(crate) fn switch(&self) -> String {
        format!("{}-switch", self.name)
    }

    pub(crate) fn pod(&self) -> String {
        format!("{}-pod", self.name)
    }

    fn namespaces(&self) -> [String; 3] {
        [self.host(), self.switch(), self.pod()]
    }

    /// Makes everything; what a failure leaves is for [`Stage::remove`].
    pub(crate) fn set(&self) -> Result<()> {
        fs::create_dir_all(self.folder()).with_context(|| format!("create {}", self.folder().display()))?;
        for name in self.namespaces() {
            ip(&["netns", "add", &name])?;
        }
        batch(&self.host(), &self.host_lines())?;
        self.filter_strays()?;
        batch(&self.switch(), &switch_lines())?;
        batch(&self.pod(), &pod_lines())
    }

    /// The switch drops what comes in by another rail than its source address is of, so that nothing can be answered
    /// that was not sent on the right one.
    fn filter_strays(&self) -> Result<()> {
        let set = || -> std::io::Result<()> {
            File::options().write(true).open("/proc/sys/net/ipv4/conf/all/rp_filter")?.write_all(b"1")
        };
        NetNs::open(&netns_path(&self.switch()))?.run(set)?.context("set rp_filter in the switch")
    }

    /// Removes what there is of it; the links go with their namespaces.
    pub(crate) fn remove(&self) -> Result<()> {
        for name in self.namespaces() {
            if netns_path(&name).exists() {
                ip(&["netns", "delete", &name])?;
            }
        }
        let removed = fs::remove_dir_all(self.folder());
        removed.with_context(|| format!("remove {}", self.folder().display()))
    }

    fn host_lines(&self) -> String {
        let mut lines = format!(
            "link set lo up\n\
             link add cali0 address ee:ee:ee:ee:ee:ee type veth peer name eth0 netns {}\n\
             link set cali0 addrgenmode none up\n\
             addr add {ETH0_GATEWAY}/32 dev cali0\n\
             route add {POD_ETH0}/32 dev cali0\n",
            self.pod()
        );
        for rail in 1..=RAILS {
            let (master, port, switch) = (master(rail), port(rail), self.switch());
            let _ = writeln!(lines, "link add {master} type veth peer name {port} netns {switch}");
            let _ = writeln!(lines, "link set {master} up");
        }
        lines
    }
}

fn switch_lines() -> String {
    let mut lines = String::from("link set lo up\n");
    for rail in 1..=RAILS {
        let (port, gateway, foreign_host) = (port(rail), gateway(rail), foreign_host(rail));
        let _ = writeln!(lines, "link set {port} up");
        let _ = writeln!(lines, "addr add {gateway}/24 dev {port}");
        let _ = writeln!(lines, "addr add {foreign_host}/32 dev lo");
    }
    lines
}

fn pod_lines() -> String {
    format!(
        "link set lo up\n\
         link set eth0 addrgenmode none up\n\
         addr add {POD_ETH0}/32 dev eth0\n\
         route add {ETH0_GATEWAY} dev eth0 scope link\n\
         route add default via {ETH0_GATEWAY} dev eth0\n"
    )
}

/// The NIC of a rail in the host, named as on the machines of the guides.
pub(crate) fn master(rail: u8) -> String {
    format!("enp{}s0f0np0", 10 + rail)
}

/// The switch's end of a rail.
pub(crate) fn port(rail: u8) -> String {
    format!("rail{rail}")
}

/// The switch's address on a rail: the pod's gateway there.
pub(crate) fn gateway(rail: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 16, 10 + rail, 254)
}

/// Somebody beyond the switch of a rail, whom the pod knows by its default routes only (RFC 5737, TEST-NET-1).
pub(crate) fn foreign_host(rail: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, rail)
}

/// The file of a named namespace.
pub(crate) fn netns_path(name: &str) -> PathBuf {
    Path::new(NAMED).join(name)
}

/// Runs ip(8) and returns what it prints.
pub(crate) fn ip(args: &[&str]) -> Result<String> {
    let output = Command::new("ip").args(args).output().context("run ip: install iproute2")?;
    ensure!(
        output.status.success(),
        "ip {}: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Feeds lines to ip(8) in a namespace; the first that fails ends it.
fn batch(netns: &str, lines: &str) -> Result<()> {
    let mut command = Command::new("ip");
    command
        .args(["-n", netns, "-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().context("run ip: install iproute2")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(lines.as_bytes()).context("write to ip")?;
    }
    let output = child.wait_with_output().context("wait for ip")?;
    if !output.status.success() {
        bail!("ip -n {netns}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_kernel_and_the_guides() {
        assert_eq!((master(1).as_str(), master(8).as_str()), ("enp11s0f0np0", "enp18s0f0np0"));
        assert!((1..=RAILS).all(|rail| state::name::ifname(&master(rail)).is_ok()));
        assert_eq!(gateway(8), Ipv4Addr::new(172, 16, 18, 254));
    }

    #[test]
    fn a_stage_is_told_by_its_number() {
        let stage = Stage::of(7);
        assert_eq!(stage.pod(), "railcni-demo-7-pod");
        assert_eq!(stage.folder(), Path::new("/run/railcni-demo-7"));
    }
}
