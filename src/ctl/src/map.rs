//! `railctl map`: where GPUs and NICs of this node hang, and which rails of pods are on them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use host::doctor::map::{lines, map, svg};
use host::doctor::{self, Hop, Sight, Whose};
use metrics::look::Eyes;
use serde_json::{Value, json};
use state::Dirs;

use crate::cli::Format;
use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Map {
    /// Where the node's file system begins: its mount in a container
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Table,
    /// The same
    Wide,
    /// For programs
    Json,
    /// For both
    Yaml,
    /// A picture
    Svg,
}

/// By the interface of the NIC that they are on: the rail's interface in the pod, and the pod.
type Rails = BTreeMap<String, Vec<Rail>>;

struct Rail {
    interface: String,
    pod: String,
    plugin: String,
}

pub(crate) fn run(args: &Map) -> Result<()> {
    let mut sight = doctor::look(&args.root, Whose::Node);
    doctor::look_at_links(&mut sight)?;
    let rails = rails(args)?;
    match args.output {
        Form::Json => return output::print(&functions(&sight, &rails), Format::Json),
        Form::Yaml => return output::print(&functions(&sight, &rails), Format::Yaml),
        Form::Table | Form::Wide | Form::Svg => (),
    }
    let said = |rail: &Rail| format!("{} of {} ({})", rail.interface, rail.pod, rail.plugin);
    let said = rails.iter().map(|(nic, rails)| (nic.clone(), rails.iter().map(said).collect())).collect();
    let parts = map(&sight, &said);
    match args.output {
        Form::Svg => output::write(&svg(&parts)),
        _ if parts.is_empty() => output::line("neither RDMA devices nor GPUs here"),
        _ => lines(&parts).iter().try_for_each(|line| output::line(line)),
    }
}

/// As the metrics see them.
fn rails(args: &Map) -> Result<Rails> {
    let mut eyes = Eyes::new(Dirs::from_env()?, &args.root.join("proc"), &args.root.join("sys"));
    let seen = eyes.look();
    for problem in &seen.problems {
        output::warn(problem);
    }
    let mut rails = Rails::new();
    for rail in &seen.rails {
        let pod = seen.pods.get(&rail.container).unwrap_or(&rail.container).clone();
        let own = Rail { interface: rail.interface.clone(), pod, plugin: rail.plugin.clone() };
        rails.entry(seen.nic(rail).cloned().unwrap_or_default()).or_default().push(own);
    }
    for rails in rails.values_mut() {
        rails.sort_by(|one, other| (&one.pod, &one.interface).cmp(&(&other.pod, &other.interface)));
    }
    Ok(rails)
}

/// GPUs and NICs for programs, each with the bridges above it, the root's first.
fn functions(sight: &Sight, rails: &Rails) -> Vec<Value> {
    let bridges = |path: &[Hop]| path.iter().skip(1).rev().map(|hop| hop.address.clone()).collect::<Vec<_>>();
    let gpus = sight.gpus.iter().map(|gpu| {
        json!({ "kind": "GPU", "address": gpu.pci.address, "numa": gpu.pci.numa, "bridges": bridges(&gpu.pci.path) })
    });
    // A VF hangs where its PF does.
    let nics = sight.devices.iter().filter(|device| device.pci.as_ref().is_none_or(|pci| pci.pf.is_none())).map(|device| {
        let pci = device.pci.as_ref();
        json!({
            "kind": "NIC", "name": device.name, "netdevs": device.netdevs(), "address": pci.map(|pci| &pci.address),
            "numa": pci.and_then(|pci| pci.numa), "bridges": pci.map(|pci| bridges(&pci.path)).unwrap_or_default(),
        })
    });
    let rails = rails.iter().flat_map(|(nic, rails)| {
        rails.iter().map(move |rail| {
            json!({ "kind": "rail", "netdev": nic, "pod": rail.pod, "interface": rail.interface, "plugin": rail.plugin })
        })
    });
    gpus.chain(nics).chain(rails).collect()
}
