//! What the command line asks for, network by network.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use runtime::{Driver, Network, RuntimeConf, network};
use state::Dirs;

use super::memory;
use crate::cli::{self, Places};
use crate::output::warn;
use crate::pod::{container_id, netns_path};
use crate::show;

/// One network for one interface of the pod.
pub(super) struct Call {
    name: String,
    /// Or why nobody knows it.
    network: Result<Network>,
    runtime: RuntimeConf,
}

impl Call {
    /// `rail1 (net1)`
    pub(super) fn title(&self) -> String {
        format!("{} ({})", self.name, self.runtime.ifname)
    }

    /// As far as anybody remembers.
    pub(super) fn is_attached(&self, driver: &Driver) -> Result<bool> {
        memory::is_attached(driver, &self.name, &self.runtime)
    }

    fn remembered(mut self, driver: &Driver, by_default: bool) -> Result<Self> {
        if by_default {
            let container_id = &self.runtime.container_id;
            match memory::ifnames(driver, &self.name, container_id)?.as_slice() {
                [] => (),
                [one] => self.runtime.ifname.clone_from(one),
                several => bail!(
                    "{} is attached to {container_id} as {}: say which by -i",
                    self.name,
                    several.join(" and ")
                ),
            }
        }
        let known = || driver.remembered(&self.name, &self.runtime).ok().flatten();
        let network = self.network.or_else(|missing| known().ok_or(missing));
        Ok(Self { network, ..self })
    }

    pub(super) fn known(self) -> Result<(Network, RuntimeConf)> {
        Ok((self.network?, self.runtime))
    }
}

/// The calls for a pod, in the order of the command line; an unknown network fails in its turn.
pub(super) fn of(args: &cli::Pod) -> Result<Vec<Call>> {
    let found = found(args.networks(), &args.places);
    let ifnames = ifnames(&args.ifnames, found.len())?;
    let runtime = runtime(args)?;
    let call = |((name, network), ifname)| Call {
        name,
        network,
        runtime: RuntimeConf { ifname, ..runtime.clone() },
    };
    Ok(found.into_iter().zip(ifnames).map(call).collect())
}

/// The same for a pod that is attached. An interface that is not named is the one that the network has there; a network whose
/// config is gone or unreadable is what it was when it was attached.
pub(super) fn with_memory(args: &cli::Pod, driver: &Driver) -> Result<Vec<Call>> {
    let calls = of(args)?.into_iter().map(|call| call.remembered(driver, args.ifnames.is_empty()));
    calls.collect()
}

/// The network namespace of the pod; and its container ID, where it is one that Kubernetes calls `namespace/name`.
pub(super) fn sandbox(args: &cli::Pod) -> Result<(Option<String>, PathBuf)> {
    let word = args.netns();
    let may_be_a_name = word.split('/').count() == 2 && !Path::new(word).exists();
    let named = if may_be_a_name { show::sandbox(&Dirs::from_env()?, word) } else { None };
    match named {
        Some((container_id, netns)) => Ok((Some(container_id), netns)),
        None => Ok((None, netns_path(word)?)),
    }
}

/// What all calls for a pod have in common.
fn runtime(args: &cli::Pod) -> Result<RuntimeConf> {
    let (known, netns) = sandbox(args)?;
    let container_id = args.container_id.clone().or(known).unwrap_or_else(|| container_id(&netns));
    Ok(RuntimeConf {
        container_id,
        netns: netns.display().to_string(),
        ifname: String::new(),
        args: args.args.clone().unwrap_or_default(),
        capabilities: args.cap_args.clone().unwrap_or_default(),
    })
}

/// The networks of the words; all of them, or why one is unknown.
pub(super) fn networks(words: &[String], places: &Places) -> Result<Vec<Network>> {
    found(words, places).into_iter().map(|(_, network)| network).collect()
}

/// A word is one network or, as a file of several definitions, all of them.
fn found(words: &[String], places: &Places) -> Vec<(String, Result<Network>)> {
    let mut found = Vec::new();
    for word in words {
        match network::find(word, &places.conf_dir) {
            Ok(networks) => {
                networks.iter().flat_map(|network| &network.warnings).for_each(|warning| warn(warning));
                found.extend(networks.into_iter().map(|network| (network.name().to_owned(), Ok(network))));
            }
            Err(error) => found.push((word.clone(), Err(error))),
        }
    }
    found
}

/// `net1`, `net2`, ... as Multus names them, unless every network has its name.
fn ifnames(given: &[String], networks: usize) -> Result<Vec<String>> {
    match given.len() {
        0 => Ok((1..=networks).map(|number| format!("net{number}")).collect()),
        names if names == networks => Ok(given.to_vec()),
        names => {
            bail!("{networks} networks and {names} interface names: give one -i for each network, or none")
        }
    }
}
