//! The two that are compared: controller, agents and plugin of ours; and whereabouts, which is its plugin and objects.

use std::fs;
use std::io::{Write, stderr};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{binary, eventually, pause};

use crate::WHEREABOUTS_KINDS;
use crate::api::Api;
use crate::fabric::RAILS;
use crate::file::put;
use crate::programs::Programs;
use crate::server::Server;
use crate::world::{Place, World};

const READY: Duration = Duration::from_secs(300);
/// Of a rail: as many addresses as a large trial has pods.
const PREFIX: u8 = 20;
/// How many failed calls are told.
const TOLD: usize = 5;
/// Seconds that an ADD of ours may wait for its node's grant on a busy machine.
const WAIT: u64 = 60;
const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/crds");
/// Whose addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Ours.
    Railcni,
    /// The peer that needs no server of its own.
    Whereabouts,
}

/// A side that is ready to be called.
pub(super) struct Running {
    plugin: PathBuf,
    /// By rail, from 1.
    configs: Vec<String>,
    controller: Option<Server>,
    agents: Vec<Server>,
    told: AtomicUsize,
}

impl Side {
    /// With exactly so many addresses on every rail.
    pub(super) fn start(self, world: &World, addresses: usize) -> Result<Running> {
        ensure!(addresses < 1 << (32 - PREFIX), "no rail has {addresses} addresses: a /{PREFIX}");
        match self {
            Self::Railcni => railcni(world, addresses),
            Self::Whereabouts => whereabouts(world.api(), addresses),
        }
    }
}

impl Running {
    pub(super) fn plugin(&self) -> PathBuf {
        self.plugin.clone()
    }

    pub(super) fn config(&self, rail: u8) -> &str {
        &self.configs[usize::from(rail) - 1]
    }

    /// On the error stream, which tests do not capture.
    pub(super) fn complain(&self, problem: &str) {
        if self.told.fetch_add(1, Ordering::Relaxed) < TOLD {
            let _ = writeln!(stderr(), "cluster: {problem}");
        }
    }

    /// Resident, of the controller and the largest agent, in MB.
    pub(super) fn memory(&self) -> Option<(u64, u64)> {
        let agents = self.agents.iter().filter_map(|agent| resident(agent.id()));
        Some((resident(self.controller.as_ref()?.id())?, agents.max()?))
    }
}

fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

/// `172.16.0.0`, `172.17.0.0`, ...: the rail's network, its first and its last address for pods, and its gateway.
fn network(rail: u8, addresses: usize) -> (Ipv4Addr, Ipv4Addr, Ipv4Addr, Ipv4Addr) {
    let base = u32::from(Ipv4Addr::new(172, 15 + rail, 0, 0));
    let last = base + u32::try_from(addresses).unwrap_or(0);
    let gateway = base + (1 << (32 - PREFIX)) - 2;
    (base.into(), (base + 1).into(), last.into(), gateway.into())
}

fn railcni(world: &World, addresses: usize) -> Result<Running> {
    let api = world.api();
    api.kubectl().run(&["apply", "-f", CRDS])?;
    api.kubectl().run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])?;
    let pools: Vec<_> = (1..=RAILS).map(|rail| pool(rail, addresses)).collect();
    api.kubectl().create(&json!({"apiVersion": "v1", "kind": "List", "items": pools}).to_string())?;
    let mut command = Command::new(binary("raild"));
    let controller =
        api.serve("controller", command.arg("controller").env("KUBECONFIG", api.kubeconfig()))?;
    let agents = world.places().iter().map(|place| agent(api, place)).collect::<Result<_>>()?;
    for place in world.places() {
        wait_for_pools(place)?;
    }
    let config = |rail| {
        let ipam = json!({"type": "rail-ipam", "ippools": {"ipv4": [format!("rail{rail}")]}, "waitForGrant": WAIT,
            "lockTimeout": WAIT});
        json!({"cniVersion": "1.1.0", "name": format!("rail{rail}"), "type": "macvlan", "ipam": ipam})
            .to_string()
    };
    Ok(Running {
        plugin: binary("rail-ipam"),
        configs: (1..=RAILS).map(config).collect(),
        controller: Some(controller),
        agents,
        told: AtomicUsize::new(0),
    })
}

fn pool(rail: u8, addresses: usize) -> Value {
    let (subnet, first, last, gateway) = network(rail, addresses);
    let labels = json!({"railcni.dev/fabric": "gpu", "railcni.dev/rail": rail.to_string()});
    json!({
        "apiVersion": "spiderpool.spidernet.io/v2beta1", "kind": "SpiderIPPool",
        "metadata": {"name": format!("rail{rail}"), "labels": labels},
        "spec": {"subnet": format!("{subnet}/{PREFIX}"), "ips": [format!("{first}-{last}")], "gateway": gateway},
    })
}

fn agent(api: &Api, place: &Place) -> Result<Server> {
    let mut command = place.command(binary("raild"))?;
    api.serve(&format!("agent-{}", place.name()), command.arg("agent").env("KUBECONFIG", api.kubeconfig()))
}

/// Until the plugins of a node know the pools.
fn wait_for_pools(place: &Place) -> Result<()> {
    let grants = place.state().join("node/grants");
    let last = format!("\"rail{RAILS}\"");
    let known = eventually(READY, || {
        pause(Duration::from_millis(50));
        fs::read_to_string(&grants).is_ok_and(|text| text.contains(&last)).then_some(())
    });
    known.with_context(|| format!("{} has no pools after {READY:?}", place.name()))
}

fn whereabouts(api: &Api, addresses: usize) -> Result<Running> {
    api.kubectl().apply(WHEREABOUTS_KINDS)?;
    api.kubectl().run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])?;
    let file = api.dir().join("whereabouts.conf");
    let kubernetes = json!({"kubeconfig": api.kubeconfig()});
    put(&file, json!({"datastore": "kubernetes", "kubernetes": kubernetes}).to_string())?;
    let config = |rail| {
        let (subnet, first, last, gateway) = network(rail, addresses);
        let ipam = json!({"type": "whereabouts", "range": format!("{subnet}/{PREFIX}"), "range_start": first,
            "range_end": last, "gateway": gateway, "configuration_path": &file});
        json!({"cniVersion": "1.0.0", "name": format!("rail{rail}"), "type": "macvlan", "ipam": ipam})
            .to_string()
    };
    Ok(Running {
        plugin: Programs::of_bench()?.path("whereabouts"),
        configs: (1..=RAILS).map(config).collect(),
        controller: None,
        agents: Vec::new(),
        told: AtomicUsize::new(0),
    })
}
