//! What an ADD of a network would do, in its order, and what DEL undoes: from the config, and with the NICs of this machine looked at.

mod chain;
mod machine;
mod of_rail;
mod words;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use clap::Args;
use clap_complete::ArgValueCompleter;
use cni::conflist::{Injection, NetworkList, PluginConf};
use cni::{CniArgs, Command, Config, Env, Request};
use runtime::network;
use serde::Serialize;

use crate::cli::{Format, Places};
use crate::complete;
use crate::output::{self, STRONG, styled, warn};

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// Name of a network in the config directory, or a file
    #[arg(value_name = "NETWORK", add = ArgValueCompleter::new(complete::networks))]
    pub(crate) network: String,
    /// Name of the first interface
    #[arg(short, long, value_name = "IFNAME", env = "CNI_IFNAME", default_value = "net1")]
    pub(crate) ifname: String,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// What becomes of a pod that gets a network.
#[derive(Debug, Serialize)]
struct Explained {
    network: String,
    summary: String,
    /// In their order; the last ones say what DEL does, and what this machine has of it.
    steps: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Step {
    title: String,
    lines: Vec<String>,
}

pub(crate) fn run(args: &Explain) -> Result<()> {
    let mut explained = Vec::new();
    for network in network::find(&args.network, &args.places.conf_dir)? {
        network.warnings.iter().for_each(|warning| warn(warning));
        let (mut one, parents) = of_list(&network.list, &args.ifname)?;
        one.steps.extend(machine::step(&parents));
        explained.push(one);
    }
    if args.output.is_table() {
        return explained.iter().try_for_each(|one| output::text(&one.text()));
    }
    output::print(&explained, args.output)
}

/// What the plugins of a network do, and on what; the machine is not looked at.
fn of_list(list: &NetworkList, ifname: &str) -> Result<(Explained, Vec<machine::Parent>)> {
    let requests = list.plugins.iter().map(|plugin| request(list, plugin, ifname));
    let requests = requests.collect::<Result<Vec<_>>>()?;
    let explained = match requests.as_slice() {
        [rail] if rail.config.plugin_type == of_rail::PLUGIN => of_rail::alone(list, rail),
        chain => chain::explain(list, chain),
    };
    explained.with_context(|| format!("network {}", list.name))
}

/// As the runtime would call the plugin.
fn request(list: &NetworkList, plugin: &PluginConf, ifname: &str) -> Result<Request> {
    let env = Env {
        command: Command::Add,
        container_id: "POD".to_owned(),
        netns: None,
        ifname: ifname.to_owned(),
        args: CniArgs::default(),
        path: Vec::new(),
        declined: Vec::new(),
        unrecorded: false,
    };
    Ok(Request { env, config: Config::parse(list.stdin(plugin, Injection::default())?, Command::Add)? })
}

impl Explained {
    fn text(&self) -> String {
        let mut out = format!("{} {}\n", styled(STRONG, &self.network), self.summary);
        for Step { title, lines } in &self.steps {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "\n{}", styled(STRONG, title));
            for line in lines {
                let _ = writeln!(out, "  {line}");
            }
        }
        out
    }
}

impl Step {
    fn new(title: impl Into<String>, lines: Vec<String>) -> Self {
        Self { title: title.into(), lines }
    }
}
