//! `railctl attach`, `detach`, `check`, `gc` and `status`.

mod calls;
mod memory;
mod outcome;
mod results;
mod wishes;

use anyhow::{Result, ensure};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _};
use clap_complete::ArgValueCompleter;
use netns::NetNs;
use runtime::{Driver, Keep, Network, RuntimeConf};
use serde_json::json;
use state::Dirs;

use crate::cli::{Cli, Format, Places, Pod};
use crate::output::{self, Table};
use crate::{complete, reconcile};
use calls::Call;
use outcome::Became::{Done, Skipped};
use outcome::Outcomes;

pub(crate) const GC_HELP: &str = "\
With --dry-run or --apply no network is named and no runtime is needed: what is on record of this node is compared with \
the network namespaces that are alive, and with the pods of every container runtime that listens (by crictl; \
CONTAINER_RUNTIME_ENDPOINT names one at an unusual socket). Each leftover is released by the DEL of the plugins that made it.";

#[derive(Args, Debug)]
pub(crate) struct Attach {
    #[command(flatten)]
    pub(crate) pod: Pod,
    /// Say which plugins would be called with what, and call none
    #[arg(long)]
    dry_run: bool,
    /// How the results are printed
    #[arg(short, long, value_enum, default_value_t = Format::Json)]
    output: Format,
}

#[derive(Args, Debug)]
pub(crate) struct Detach {
    #[command(flatten)]
    pub(crate) pod: Pod,
    /// How the outcomes are printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) pod: Pod,
    /// How the outcomes are printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Exit with 3 where attachments differ from what was made, with 1 only where they could not be compared
    #[arg(long)]
    pub(crate) exit_code: bool,
}

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Gc {
    /// Names of networks in the config directory, or files
    #[arg(value_name = "NETWORK", add = ArgValueCompleter::new(complete::networks))]
    networks: Vec<String>,
    /// Release every attachment of the networks, in use or not
    #[arg(long, conflicts_with_all = ["dry_run", "apply"])]
    all: bool,
    /// Instead of networks: say what is left over on this node, and why, and change nothing
    #[arg(long, conflicts_with_all = ["networks", "apply"])]
    dry_run: bool,
    /// Instead of networks: release what is left over on this node
    #[arg(long, conflicts_with = "networks")]
    pub(crate) apply: bool,
    /// With --dry-run: exit with 3 where something is left over
    #[arg(long, requires = "dry_run")]
    pub(crate) exit_code: bool,
    /// How the outcomes are printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// All pods of this node are in this PID namespace: for a node that is a container itself and has no CRI
    #[arg(long, conflicts_with_all = ["networks", "all"])]
    pub(crate) whole_node: bool,
    #[command(flatten)]
    places: Places,
}

#[derive(Args, Debug)]
pub(crate) struct Status {
    /// Names of networks in the config directory, or files
    #[arg(required = true, value_name = "NETWORK", add = ArgValueCompleter::new(complete::networks))]
    networks: Vec<String>,
    /// How the outcomes are printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    #[command(flatten)]
    places: Places,
}

pub(crate) fn attach(args: &Attach) -> Result<()> {
    let driver = driver(&args.pod.places)?;
    // Every config is read before the first interface is made.
    let calls = calls::of(&args.pod)?.into_iter().map(Call::known).collect::<Result<Vec<_>>>()?;
    calls.iter().try_for_each(|(network, runtime)| memory::require_free(&driver, network, runtime))?;
    if args.dry_run {
        return dry_run(&driver, &calls, args.output);
    }
    let mut results = Vec::new();
    for (number, (network, runtime)) in calls.iter().enumerate() {
        match driver.add(network, runtime) {
            Ok(result) => {
                for wish in wishes::unheeded(network, runtime, &result) {
                    output::warn(&wish);
                }
                results.push(result.to_value(network.version())?);
            }
            Err(error) => return Err(take_back(&driver, &calls[..number], error)),
        }
    }
    results::print(&calls, results, args.output)
}

/// What ADD would call, in its order. The plugins are looked for, and not run.
fn dry_run(driver: &Driver, calls: &[(Network, RuntimeConf)], format: Format) -> Result<()> {
    let mut table = Table::new(&["NETWORK", "LINK", "CONTAINER", "PLUGINS"]);
    let mut planned = Vec::new();
    for (network, RuntimeConf { ifname, container_id, netns, .. }) in calls {
        let plugins =
            network.list.plugins.iter().map(|plugin| Ok(driver.find(plugin)?.display().to_string()));
        let plugins = plugins.collect::<Result<Vec<_>>>()?;
        let name = network.name().to_owned();
        table.row([name.clone(), ifname.clone(), container_id.clone(), plugins.join(" ")]);
        planned.push(json!({
            "network": name, "ifname": ifname, "containerId": container_id, "netns": netns, "plugins": plugins,
        }));
    }
    if format.is_table() { output::text(&table.render()) } else { output::print(&planned, format) }
}

pub(crate) fn detach(args: &Detach) -> Result<()> {
    let (args, format) = (&args.pod, args.output);
    let driver = driver(&args.places)?;
    let one = |call: Call| {
        let is_attached = call.is_attached(&driver)?;
        let (network, runtime) = call.known()?;
        if !is_attached && args.ifnames.is_empty() {
            // Whose interface it would be is not known.
            return Ok(Skipped("was not attached: nothing is done"));
        }
        driver.del(&network, &runtime)?;
        Ok(Done(if is_attached { "detached" } else { "was not attached by anything that is on record" }))
    };
    warn_without_namespace(args)?;
    let calls = calls::with_memory(args, &driver)?.into_iter().rev();
    Outcomes::of(calls.map(|call| (call.title(), one(call))), format)?.close()
}

pub(crate) fn check(check: &Check) -> Result<()> {
    let args = &check.pod;
    let driver = driver(&args.places)?;
    let one = |call: Call| {
        let is_attached = call.is_attached(&driver)?;
        let (network, runtime) = call.known()?;
        ensure!(is_attached || network.list.disable_check, "it is not attached to {}", runtime.container_id);
        let checked = driver.check(&network, &runtime)?;
        Ok(if checked { Done("is as it was made") } else { Skipped("has disableCheck: not checked") })
    };
    warn_without_namespace(args)?;
    let calls = calls::with_memory(args, &driver)?.into_iter();
    let outcomes = Outcomes::of(calls.map(|call| (call.title(), one(call))), check.output)?;
    if check.exit_code { outcomes.close_with_code() } else { outcomes.close() }
}

/// A name that was mistyped looks like a pod that is gone.
fn warn_without_namespace(args: &Pod) -> Result<()> {
    let (_, netns) = calls::sandbox(args)?;
    if let Err(error) = NetNs::open(&netns) {
        output::warn(&format!("no pod is at {}: {error}", netns.display()));
    }
    Ok(())
}

pub(crate) fn gc(args: &Gc) -> Result<()> {
    if args.dry_run || args.apply {
        return reconcile::run(&driver(&args.places)?, args);
    }
    if args.networks.is_empty() {
        let cure = "name a network, or say --dry-run to see what is left over on this node, or --apply to release that";
        Cli::command().error(ErrorKind::MissingRequiredArgument, cure).exit();
    }
    let (driver, dirs) = (driver(&args.places)?, Dirs::from_env()?);
    let keep = if args.all { Keep::Nothing } else { Keep::Living };
    let one = |network: &Network| {
        Ok(match (driver.gc(network, keep, &dirs)?, keep) {
            (false, _) => Skipped("has disableGC: nothing done"),
            (true, Keep::Living) => Done("holds living namespaces only"),
            (true, Keep::Nothing) => Done("is released"),
        })
    };
    let networks = calls::networks(&args.networks, &args.places)?;
    let outcomes = networks.iter().map(|network| (network.name().to_owned(), one(network)));
    Outcomes::of(outcomes, args.output)?.close()
}

pub(crate) fn status(args: &Status) -> Result<()> {
    let driver = driver(&args.places)?;
    let one = |network: &Network| {
        let asked = driver.status(network)?;
        Ok(if asked {
            Done("is ready")
        } else {
            Skipped("has a cniVersion before 1.1.0, which has no STATUS: not asked")
        })
    };
    let networks = calls::networks(&args.networks, &args.places)?;
    let outcomes = networks.iter().map(|network| (network.name().to_owned(), one(network)));
    Outcomes::of(outcomes, args.output)?.close()
}

fn driver(places: &Places) -> Result<Driver> {
    Ok(Driver::new(places.bin_dir.0.clone(), &Dirs::from_env()?, output::log))
}

/// Detaches what this command had attached before the failure, the last first.
fn take_back(driver: &Driver, attached: &[(Network, RuntimeConf)], error: anyhow::Error) -> anyhow::Error {
    let before = attached.len();
    let undone = attached.iter().rev().map(|(network, runtime)| driver.del(network, runtime));
    let failures: Vec<_> = undone.filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    match (before, failures.as_slice()) {
        (0, _) => error,
        (_, []) => error.context(format!("nothing is attached: the {before} before were detached again")),
        (_, failures) => {
            let (left, why) = (failures.len(), failures.join("; "));
            error.context(format!("{left} of the {before} before could not be detached again ({why})"))
        }
    }
}
