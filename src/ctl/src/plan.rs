//! `railctl plan`: what a Fabric means, without a cluster or beside one.

mod cluster;
mod directory;

use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use api::NetworkForm;
use clap::{Args, ValueEnum as _};
use clap_complete::ArgValueCompleter;
use fabric::{Lack, Networks, Node, Options, Place, Row, Slots};
use serde_json::{Value, json};

use crate::cli::Format;
use crate::complete;
use crate::output::{self, Table, line, warn};

pub(crate) const HELP: &str = "\
The plan is a function of the Fabric, of the nodes that --nodes names, and of the slices that an earlier plan in the directory of \
-o gave: nodes keep theirs, whoever comes and goes. In the directory are objects for kubectl, and below nodes/ what each node needs \
where there is no API server: pools.d for /etc/railcni, net.d for /etc/cni.";

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Plan {
    /// YAML or JSON with a document of kind Fabric
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The nodes: a file of what `kubectl get nodes -o json` (and sriovnetworknodestates) prints, or `kubectl` to have it asked
    #[arg(long, value_name = "FILE|kubectl")]
    pub(crate) nodes: Option<PathBuf>,
    /// Write the plan into this directory; for another format of the rails write --output
    #[arg(short = 'o', long = "output-dir", value_name = "DIR", conflicts_with_all = ["explain", "check"], value_parser = directory)]
    pub(crate) directory: Option<PathBuf>,
    /// Namespace of networks and of the operator's objects
    #[arg(short, long, default_value = "default", add = ArgValueCompleter::new(complete::namespaces))]
    pub(crate) namespace: String,
    /// One network for all rails, whatever the Fabric says, in place of one per rail
    #[arg(long)]
    pub(crate) one_network: bool,
    /// No pool objects for slices of nodes
    #[arg(long)]
    pub(crate) no_pools: bool,
    /// No SR-IOV network operator: write the device plugin's own config
    #[arg(long)]
    pub(crate) no_operator: bool,
    /// Say which node and rail this address is of, or which subnets this node has
    #[arg(long, value_name = "ADDRESS|NODE", conflicts_with = "check")]
    pub(crate) explain: Option<String>,
    /// Compare with what is in the cluster, by kubectl, and say each difference
    #[arg(long)]
    pub(crate) check: bool,
    /// How the rails are printed, and what --explain and --check say
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

/// Everywhere else `-o` is a format, and a directory of such a name is a slip of the pen.
fn directory(word: &str) -> Result<PathBuf, String> {
    match Format::from_str(word, false) {
        Ok(_) => Err(format!(
            "that is a format, and -o is a directory here: write --output {word}, or ./{word} for the directory"
        )),
        Err(_) => Ok(PathBuf::from(word)),
    }
}

/// Enough for the NICs of 4,096 nodes.
const LARGEST: u64 = 256 << 20;

pub(crate) fn run(args: &Plan) -> Result<()> {
    let mut fabrics =
        fabric::fabrics(&documents(&args.file)?).with_context(|| args.file.display().to_string())?;
    let nodes = nodes(args)?;
    let earlier = args.directory.as_deref().map_or_else(|| Ok(Slots::default()), directory::slots)?;
    let [fabric] = &mut fabrics[..] else {
        bail!("{} holds {} Fabrics: plan them one by one", args.file.display(), fabrics.len());
    };
    if args.one_network {
        fabric.spec.networks = Some(NetworkForm::One);
    }
    let plan = fabric::plan(fabric, &nodes, &earlier).map_err(|errors| {
        anyhow::anyhow!(
            "{}: Fabric {:?} cannot be planned:\n{errors}",
            args.file.display(),
            fabric.metadata.name
        )
    })?;
    plan.notes.iter().for_each(|note| warn(note));
    match (&args.explain, args.check, &args.directory) {
        (Some(word), ..) => explain(&plan, word, args.output),
        (_, true, _) => check(&plan, args),
        (.., Some(directory)) => directory::write(directory, &plan, &options(args)),
        _ => show(&plan, args),
    }
}

fn options(args: &Plan) -> Options {
    Options {
        namespace: args.namespace.clone(),
        networks: Networks::PerRail,
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

fn nodes(args: &Plan) -> Result<Vec<Node>> {
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

/// What is missing of a plan, for people.
fn lacking(plan: &fabric::Plan, options: &Options) -> Vec<String> {
    let cure = "pass --nodes FILE, or --nodes kubectl";
    let said = |lack| match lack {
        Lack::Pools => format!("no nodes are known, and so no slices and no pools: {cure}"),
        Lack::Nics(rails) => format!(
            "nothing makes or counts the VFs of {}, whose NICs are not known: {cure}",
            rails.join(", ")
        ),
    };
    plan.lacks(options).into_iter().map(said).collect()
}

fn show(plan: &fabric::Plan, args: &Plan) -> Result<()> {
    let (rows, format) = (plan.rows(), args.output);
    if !format.is_table() {
        let value = |row: &Row| json!({ "rail": row.rail, "nic": row.nic, "subnet": row.subnet, "gateway": row.gateway, "nodes": row.nodes });
        return output::print(&rows.iter().map(value).collect::<Vec<_>>(), format);
    }
    let mut table = Table::new(&["RAIL", "NIC", "SUBNET", "GATEWAY", "NODES"]);
    for row in rows {
        table.row([row.rail, row.nic, row.subnet, row.gateway, row.nodes]);
    }
    output::text(&table.render())?;
    // Which NICs are not known is a note of the plan already.
    if plan.lacks(&options(args)).contains(&Lack::Pools) {
        lacking(plan, &options(args)).first().into_iter().for_each(|lack| warn(lack));
    }
    Ok(())
}

/// An address: whose; a node: what it has.
fn explain(plan: &fabric::Plan, word: &str, format: Format) -> Result<()> {
    if let Ok(address) = word.parse::<IpAddr>() {
        let place = plan
            .place(address)
            .with_context(|| format!("{address} is in no subnet of fabric {:?}", plan.name))?;
        if !format.is_table() {
            return output::print(&[value(&place)], format);
        }
        return line(&format!("{address} is {}", described(&place)));
    }
    let places = plan.slices_of(word).with_context(|| {
        format!(
            "{word:?} is neither an address nor a node of fabric {:?} (its nodes are passed by --nodes)",
            plan.name
        )
    })?;
    if !format.is_table() {
        return output::print(&places.iter().map(value).collect::<Vec<_>>(), format);
    }
    places.iter().try_for_each(|place| line(&described(place)))
}

fn value(place: &Place<'_>) -> Value {
    json!({
        "fabric": place.name, "rail": place.rail, "node": place.node, "subnet": place.slice.subnet,
        "gateway": place.slice.gateway,
    })
}

fn described(place: &Place<'_>) -> String {
    let gateway = place.slice.gateway.map(|gateway| format!(", gateway {gateway}")).unwrap_or_default();
    let node = place.node.map_or("all nodes".to_owned(), |node| format!("node {node}"));
    format!("{} (rail {}) of {node}: {}{gateway}", place.name, place.rail, place.slice.subnet)
}

fn check(plan: &fabric::Plan, args: &Plan) -> Result<()> {
    let wanted: Vec<Value> =
        plan.objects(&options(args)).into_iter().flat_map(|(_, objects)| objects).collect();
    let wanted: Vec<Value> = wanted.into_iter().filter(|object| object["kind"] != "DaemonSet").collect();
    let differences = fabric::differences(&wanted, &cluster::objects(&wanted)?);
    let is_read = args.output.is_table();
    if is_read {
        differences.iter().try_for_each(|difference| line(difference))?;
    } else {
        output::print(&json!({ "objects": wanted.len(), "differences": differences }), args.output)?;
    }
    ensure!(
        differences.is_empty(),
        "the cluster differs from the plan in {} places: apply it, or change the fabric",
        differences.len()
    );
    if is_read { line(&format!("all {} objects are as planned", wanted.len())) } else { Ok(()) }
}
