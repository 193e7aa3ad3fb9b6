//! What the command line asks for, network by network.

use anyhow::{Result, bail};

use crate::cli::{self, Places};
use crate::driver::{Driver, Runtime};
use crate::network::{self, Network};
use crate::pod::{container_id, netns_path};

/// One network for one interface of the pod.
pub(super) struct Call {
    name: String,
    /// Or why nobody knows it.
    network: Result<Network>,
    runtime: Runtime,
}

impl Call {
    /// `rail1 (net1)`
    pub(super) fn title(&self) -> String {
        format!("{} ({})", self.name, self.runtime.ifname)
    }

    pub(super) fn known(self) -> Result<(Network, Runtime)> {
        Ok((self.network?, self.runtime))
    }
}

/// The calls for a pod, in the order of the command line. With a memory, a network whose config is gone or unreadable is
/// what it was when it was attached; an unknown one fails in its turn.
pub(super) fn of(args: &cli::Pod, memory: Option<&Driver>) -> Result<Vec<Call>> {
    let netns = netns_path(&args.netns)?;
    let container_id = args.container_id.clone().unwrap_or_else(|| container_id(&netns));
    let found = found(&args.networks, &args.places);
    let runtime = |ifname: String| Runtime {
        container_id: container_id.clone(),
        netns: netns.display().to_string(),
        ifname,
        args: args.args.clone().unwrap_or_default(),
        capabilities: args.cap_args.clone().unwrap_or_default(),
    };
    let runtimes = ifnames(&args.ifnames, found.len())?.into_iter().map(runtime);
    let call = |((name, network), runtime): ((String, Result<Network>), Runtime)| {
        let remembered = |driver: &Driver| driver.remembered(&name, &runtime).ok().flatten();
        let network = network.or_else(|missing| memory.and_then(remembered).ok_or(missing));
        Call { name, network, runtime }
    };
    Ok(found.into_iter().zip(runtimes).map(call).collect())
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
