//! What is outside of the nodes: the network of the cluster with its control plane, and the switches of the rails.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::fed;
use crate::keeper::{Keeper, Recipe};

/// How many rails a node has.
pub const RAILS: u8 = 8;

/// The address of the control plane.
pub(crate) const CONTROL: Ipv4Addr = Ipv4Addr::new(10, 250, 0, 1);

const BEGIN: &str = "ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward";

/// The control plane's network and that of the switches.
#[derive(Debug)]
pub(crate) struct Fabric {
    pub(crate) control: Keeper,
    switches: Keeper,
}

impl Fabric {
    /// Rail N is the bridge `rN`, with the gateway 172.16.(10+N).254 of conf-examples.
    /// The directory of the run goes with it, if nobody has removed it before.
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        let dir = dir.display().to_string();
        let recipe = Recipe { network: true, begin: BEGIN, ..Recipe::default() };
        let control = Keeper::start(Recipe { end: "rm -rf \"$1\"", args: &[&dir], ..recipe })?;
        let fabric = Self { control, switches: Keeper::start(recipe)? };
        // Pods reach the API server by the address of its service: there is no kube-proxy, and need be none.
        fabric.in_control(&format!(
            "link add nodes type bridge\naddr add {CONTROL}/16 dev nodes\n\
             addr add {service}/32 dev nodes\nlink set nodes up",
            service = crate::api::SERVICE
        ))?;
        let rails = (1..=RAILS).map(|rail| {
            format!(
                "link add r{rail} mtu 9000 type bridge\naddr add 172.16.{net}.254/24 dev r{rail}\n\
                 link set r{rail} up\n",
                net = 10 + rail
            )
        });
        fabric.in_switches(&rails.collect::<String>())?;
        Ok(fabric)
    }

    /// Gives a node its NICs: eth0, and `enp11s0f0np0` to `enp18s0f0np0` as conf-examples calls the rails.
    pub(crate) fn connect(&self, node: &Keeper, number: u8) -> Result<()> {
        let netns = node.network();
        self.in_control(&format!(
            "link add n{number} type veth peer name eth0 netns {netns}\n\
             link set n{number} master nodes up\nroute add 10.244.{number}.0/24 via {address}",
            address = address(number)
        ))?;
        let rails = (1..=RAILS).map(|rail| {
            format!(
                "link add n{number}r{rail} mtu 9000 type veth peer name {nic} mtu 9000 netns {netns}\n\
                 link set n{number}r{rail} master r{rail} up\n",
                nic = nic(rail)
            )
        });
        self.in_switches(&rails.collect::<String>())?;
        let up = (1..=RAILS).map(|rail| format!("\nlink set {} up", nic(rail)));
        let lines = format!(
            "addr add {}/16 dev eth0\nlink set eth0 up\nroute add default via {CONTROL}{}",
            address(number),
            up.collect::<String>()
        );
        ip(node, &lines)
    }

    fn in_control(&self, lines: &str) -> Result<()> {
        ip(&self.control, lines)
    }

    fn in_switches(&self, lines: &str) -> Result<()> {
        ip(&self.switches, lines)
    }

    /// Runs `ip ARGS` where the switches are; what it printed.
    pub(crate) fn ip_of_switches(&self, args: &[&str]) -> Result<String> {
        self.switches.output(Command::new("ip").args(args))
    }
}

/// The NIC of a rail, on every node.
pub fn nic(rail: u8) -> String {
    format!("enp{}s0f0np0", 10 + rail)
}

/// The address of node `number` in the cluster's network.
pub(crate) fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 250, 1, number)
}

fn ip(keeper: &Keeper, lines: &str) -> Result<()> {
    keeper.run(|| fed(Command::new("ip").args(["-batch", "-"]), lines)).context(lines.to_owned())?;
    Ok(())
}
