//! `railctl plan`: what a Fabric means, without a cluster or beside one.

mod cluster;
mod directory;

use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use fabric::{Networks, Node, Options, Place, Plan, Row, Slots};
use serde_json::{Value, json};

use crate::cli;
use crate::output::{self, Table, line, warn};

/// Enough for the NICs of 4,096 nodes.
const LARGEST: u64 = 256 << 20;

pub(crate) fn run(args: &cli::Plan) -> Result<()> {
    let fabrics =
        fabric::fabrics(&documents(&args.file)?).with_context(|| args.file.display().to_string())?;
    let nodes = nodes(args)?;
    let earlier = args.directory.as_deref().map_or_else(|| Ok(Slots::default()), directory::slots)?;
    let [fabric] = &fabrics[..] else {
        bail!("{} holds {} Fabrics: plan them one by one", args.file.display(), fabrics.len());
    };
    let plan = fabric::plan(fabric, &nodes, &earlier).map_err(|errors| {
        anyhow::anyhow!(
            "{}: Fabric {:?} cannot be planned:\n{errors}",
            args.file.display(),
            fabric.metadata.name
        )
    })?;
    plan.notes.iter().for_each(|note| warn(note));
    match (&args.explain, args.check, &args.directory) {
        (Some(word), ..) => explain(&plan, word),
        (_, true, _) => check(&plan, &options(args)),
        (.., Some(directory)) => directory::write(directory, &plan, &options(args)),
        _ => show(&plan, args.output),
    }
}

fn options(args: &cli::Plan) -> Options {
    Options {
        namespace: args.namespace.clone(),
        networks: if args.one_network { Networks::One } else { Networks::PerRail },
        pools: !args.no_pools,
        operator: !args.no_operator,
    }
}

fn documents(path: &Path) -> Result<Vec<Value>> {
    yaml::documents(&read(path)?).with_context(|| path.display().to_string())
}

/// A file, or what a pipe brings.
fn read(path: &Path) -> Result<String> {
    let mut text = String::new();
    let size = File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text))
        .with_context(|| format!("read {}", path.display()))?;
    ensure!(size as u64 <= LARGEST, "{} is larger than {} MiB", path.display(), LARGEST >> 20);
    Ok(text)
}

fn nodes(args: &cli::Plan) -> Result<Vec<Node>> {
    let found = match args.nodes.as_deref() {
        None => return Ok(Vec::new()),
        Some(word) if word == Path::new("kubectl") => cluster::nodes()?,
        Some(path) => documents(path)?,
    };
    let nodes = fabric::nodes(&found);
    ensure!(
        !nodes.is_empty(),
        "--nodes holds no Node: pass what `kubectl get nodes -o json` prints, or `kubectl` to have it asked"
    );
    Ok(nodes)
}

fn show(plan: &Plan, format: cli::Format) -> Result<()> {
    let rows = plan.rows();
    if !format.is_table() {
        let value = |row: &Row| json!({ "rail": row.rail, "nic": row.nic, "subnet": row.subnet, "gateway": row.gateway, "nodes": row.nodes });
        return output::print(&rows.iter().map(value).collect::<Vec<_>>(), format);
    }
    let mut table = Table::new(&["RAIL", "NIC", "SUBNET", "GATEWAY", "NODES"]);
    for row in rows {
        table.row([row.rail, row.nic, row.subnet, row.gateway, row.nodes]);
    }
    output::text(&table.render())?;
    if plan.is_sliced() && plan.nodes.is_empty() {
        warn("no nodes are known, and so no slices: pass --nodes FILE, or --nodes kubectl");
    }
    Ok(())
}

/// An address: whose; a node: what it has.
fn explain(plan: &Plan, word: &str) -> Result<()> {
    if let Ok(address) = word.parse::<IpAddr>() {
        let place = plan
            .place(address)
            .with_context(|| format!("{address} is in no subnet of fabric {:?}", plan.name))?;
        return line(&format!("{address} is {}", described(&place)));
    }
    let places = plan.slices_of(word).with_context(|| {
        format!(
            "{word:?} is neither an address nor a node of fabric {:?} (its nodes are passed by --nodes)",
            plan.name
        )
    })?;
    places.iter().try_for_each(|place| line(&described(place)))
}

fn described(place: &Place<'_>) -> String {
    let gateway = place.slice.gateway.map(|gateway| format!(", gateway {gateway}")).unwrap_or_default();
    let node = place.node.map_or("all nodes".to_owned(), |node| format!("node {node}"));
    format!("{} (rail {}) of {node}: {}{gateway}", place.name, place.rail, place.slice.subnet)
}

fn check(plan: &Plan, options: &Options) -> Result<()> {
    let wanted: Vec<Value> = plan.objects(options).into_iter().flat_map(|(_, objects)| objects).collect();
    let wanted: Vec<Value> = wanted.into_iter().filter(|object| object["kind"] != "DaemonSet").collect();
    let differences = fabric::differences(&wanted, &cluster::objects(&wanted)?);
    differences.iter().try_for_each(|difference| line(difference))?;
    ensure!(
        differences.is_empty(),
        "the cluster differs from the plan in {} places: apply it, or change the fabric",
        differences.len()
    );
    line(&format!("all {} objects are as planned", wanted.len()))
}
