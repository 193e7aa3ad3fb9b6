//! `railctl attach`, `detach`, `check`, `gc` and `status`.

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;
use state::Dirs;

use crate::cli::{self, Format, Places};
use crate::driver::{Driver, Keep, Runtime};
use crate::network::{self, Network};
use crate::output::{self, BAD, FAINT, GOOD, Table, styled};
use crate::pod::{container_id, netns_path};

/// Networks and how they are called for one pod, in the order of the command line.
struct Calls {
    driver: Driver,
    calls: Vec<(String, Runtime)>,
}

pub(crate) fn attach(args: &cli::Attach) -> Result<()> {
    let calls = Calls::of(&args.pod)?;
    // Every config is read before the first interface is made.
    let networks = calls.networks(&args.pod.places)?;
    netns::NetNs::open(calls.netns().as_ref()).context("the pod has no network namespace to attach to")?;
    let mut results = Vec::new();
    for (number, ((_, runtime), network)) in calls.calls.iter().zip(&networks).enumerate() {
        match calls.driver.add(network, runtime) {
            Ok(result) => results.push(result.to_value(network.version())?),
            Err(error) => return Err(calls.take_back(&networks, number, error)),
        }
    }
    print(&calls, &networks, results, args.output)
}

pub(crate) fn detach(args: &cli::Pod) -> Result<()> {
    let calls = Calls::of(args)?;
    let one = |(name, runtime): &(String, Runtime)| {
        let network = calls.network_or_memory(name, runtime, &args.places)?;
        calls.driver.del(&network, runtime)
    };
    all(calls
        .calls
        .iter()
        .rev()
        .map(|call| (format!("{} ({})", call.0, call.1.ifname), one(call).map(|()| "detached"))))
}

pub(crate) fn check(args: &cli::Pod) -> Result<()> {
    let calls = Calls::of(args)?;
    let one = |(name, runtime): &(String, Runtime)| {
        let checked = calls.driver.check(&network::find(name, &args.places.conf_dir)?, runtime)?;
        Ok(if checked { "is as it was made" } else { "has disableCheck: not checked" })
    };
    all(calls.calls.iter().map(|call| (format!("{} ({})", call.0, call.1.ifname), one(call))))
}

pub(crate) fn gc(args: &cli::Gc) -> Result<()> {
    let dirs = Dirs::from_env()?;
    let driver = Driver::new(args.places.bin_dir.0.clone(), &dirs);
    let keep = if args.all { Keep::Nothing } else { Keep::Living };
    let one = |name: &String| {
        let done = driver.gc(&network::find(name, &args.places.conf_dir)?, keep, &dirs)?;
        Ok(match (done, keep) {
            (false, _) => "has disableGC: nothing done",
            (true, Keep::Living) => "holds living namespaces only",
            (true, Keep::Nothing) => "is released",
        })
    };
    all(args.networks.iter().map(|name| (name.clone(), one(name))))
}

pub(crate) fn status(args: &cli::Status) -> Result<()> {
    let driver = Driver::new(args.places.bin_dir.0.clone(), &Dirs::from_env()?);
    let one = |name: &String| {
        let asked = driver.status(&network::find(name, &args.places.conf_dir)?)?;
        Ok(if asked { "is ready" } else { "has a cniVersion before 1.1.0, which has no STATUS" })
    };
    all(args.networks.iter().map(|name| (name.clone(), one(name))))
}

/// Says of each what became of it, and fails if one did, after all have had their turn.
fn all<'a>(outcomes: impl Iterator<Item = (String, Result<&'a str>)>) -> Result<()> {
    let mut failed = Vec::new();
    for (name, outcome) in outcomes {
        match outcome {
            Ok(text) => output::line(&format!("{} {name} {text}", styled(GOOD, "✓")))?,
            Err(error) => {
                output::line(&format!("{} {name} {}", styled(BAD, "✗"), styled(FAINT, "failed")))?;
                failed.push(format!("{name}: {error:#}"));
            }
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

impl Calls {
    fn of(args: &cli::Pod) -> Result<Self> {
        let netns = netns_path(&args.netns)?;
        let ifnames = ifnames(args)?;
        let runtime = |ifname: String| Runtime {
            container_id: args.container_id.clone().unwrap_or_else(|| container_id(&netns)),
            netns: netns.display().to_string(),
            ifname,
            args: args.args.clone().unwrap_or_default(),
            capabilities: args.cap_args.clone().unwrap_or_default(),
        };
        let calls = args.networks.iter().cloned().zip(ifnames.into_iter().map(runtime)).collect();
        Ok(Self { driver: Driver::new(args.places.bin_dir.0.clone(), &Dirs::from_env()?), calls })
    }

    fn networks(&self, places: &Places) -> Result<Vec<Network>> {
        self.calls.iter().map(|(name, _)| network::find(name, &places.conf_dir)).collect()
    }

    fn netns(&self) -> &str {
        self.calls.first().map_or("", |(_, runtime)| &runtime.netns)
    }

    /// The config may be gone or renamed by now; what it was at attach serves as well.
    fn network_or_memory(&self, name: &str, runtime: &Runtime, places: &Places) -> Result<Network> {
        let missing = match network::find(name, &places.conf_dir) {
            Ok(network) => return Ok(network),
            Err(missing) => missing,
        };
        self.driver.remembered(name, runtime).ok().flatten().ok_or(missing)
    }

    /// Detaches what this command had attached before the failure, the last first.
    fn take_back(&self, networks: &[Network], attached: usize, error: anyhow::Error) -> anyhow::Error {
        if attached == 0 {
            return error;
        }
        let done = self.calls.iter().zip(networks).take(attached).rev();
        let failures: Vec<_> =
            done.filter_map(|((_, runtime), network)| self.driver.del(network, runtime).err()).collect();
        match failures.as_slice() {
            [] => error.context(format!("nothing is attached: the {attached} before were detached again")),
            failures => error.context(format!(
                "{} of the {attached} before could not be detached again: {:#}",
                failures.len(),
                failures[0]
            )),
        }
    }
}

/// `net1`, `net2`, ... as Multus names them, unless every network has its name.
fn ifnames(args: &cli::Pod) -> Result<Vec<String>> {
    let networks = args.networks.len();
    match args.ifnames.len() {
        0 => Ok((1..=networks).map(|number| format!("net{number}")).collect()),
        names if names == networks => Ok(args.ifnames.clone()),
        names => Err(anyhow!(
            "{networks} networks and {names} interface names: give one -i for each network, or none"
        )),
    }
}

/// One network: its result, as cnitool prints it; several: a list of results.
fn print(calls: &Calls, networks: &[Network], mut results: Vec<Value>, format: Format) -> Result<()> {
    if format == Format::Table {
        return table(calls, networks, &results);
    }
    match results.len() {
        1 => output::print(&results.remove(0), format),
        _ => output::print(&results, format),
    }
}

fn table(calls: &Calls, networks: &[Network], results: &[Value]) -> Result<()> {
    let mut table = Table::new(&["NETWORK", "LINK", "ADDRESS", "GATEWAY"]);
    for (((_, runtime), network), result) in calls.calls.iter().zip(networks).zip(results) {
        let ips = result["ips"].as_array().map(Vec::as_slice).unwrap_or_default();
        let column = |key: &str| ips.iter().filter_map(|ip| ip[key].as_str()).collect::<Vec<_>>().join(" ");
        table.row([network.name().to_owned(), runtime.ifname.clone(), column("address"), column("gateway")]);
    }
    output::text(&table.render())
}
