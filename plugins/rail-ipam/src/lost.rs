//! Leases that are lost while the pods that have them live: somebody cleared the state directory. The addresses answer yet.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use cni::Error;
use ipam::{JournalStore, Leases, Range, RangeSet, Store};
use netns::NetNs;
use state::{Dirs, file};

use crate::{failure, marked};

/// Beside the leases, as long as a pod has an address without one: those addresses, one a line. None of them in a file of a
/// version that did not write them down.
const MARK: &str = "unleased";
/// How many pods a message names.
const NAMED: usize = 3;

/// Addresses that plugins of this suite gave to pods of this node before the leases that there are: nobody gets them while
/// they are seen there.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    seen: Vec<(IpAddr, PathBuf)>,
}

impl Lost {
    /// Looked for at the first lease of a boot, and from then on as long as there are any of what was seen then: what a pod puts
    /// on itself later is not left to it.
    pub(crate) fn look(store: &JournalStore, dirs: &Dirs) -> Result<Self, Error> {
        let mark = mark(dirs)?;
        // What is wrong with the leases, the update says.
        let is_new = store.is_new().unwrap_or(false);
        // Whatever else lies there has no addresses in it.
        let known = file::read(&mark).unwrap_or_else(|_| Some(Vec::new()));
        if !is_new && known.is_none() {
            return Ok(Self::default());
        }
        let known = known.filter(|_| !is_new).unwrap_or_default();
        let known = String::from_utf8_lossy(&known);
        let is_known = |ip: &IpAddr| known.is_empty() || known.lines().any(|line| line.parse() == Ok(*ip));
        let mut seen = seen()?;
        seen.retain(|(ip, _)| is_known(ip));
        let lost = Self { seen: unleased(store, seen)? };
        if lost.seen.is_empty() {
            file::remove(&mark).map_err(|error| failure::of_state(&error))?;
            return Ok(lost);
        }
        tracing::warn!("leases are lost: {}", lost.what());
        if is_new {
            let lines = lost.seen.iter().map(|(ip, _)| ip.to_string()).collect::<Vec<_>>().join("\n") + "\n";
            let made = dirs.state.create(&["ipam"]).and_then(|_| file::replace(&mark, lines.as_bytes()));
            made.map_err(|error| failure::of_state(&error))?;
        }
        Ok(lost)
    }

    pub(crate) fn addresses(&self) -> RangeSet {
        self.seen.iter().map(|(ip, _)| Range::one(*ip)).collect()
    }

    /// Why there may be none left, for an error that says so.
    pub(crate) fn why(&self) -> Option<String> {
        (!self.seen.is_empty()).then(|| self.what())
    }

    fn what(&self) -> String {
        let mut pods: Vec<&Path> = self.seen.iter().map(|(_, pod)| pod.as_path()).collect();
        pods.dedup();
        let more = if pods.len() > NAMED { ", ..." } else { "" };
        let named: Vec<_> = pods.iter().take(NAMED).map(|pod| pod.display().to_string()).collect();
        let (count, named) = (self.seen.len(), named.join(", "));
        format!("{count} addresses without a lease are left to the pods that have them ({named}{more})")
    }
}

/// Addresses of ours on the pods of this node.
fn seen() -> Result<Vec<(IpAddr, PathBuf)>, Error> {
    let host = NetNs::current().map_err(|error| Error::netns(error.to_string()))?;
    let pods = netns::mounted().into_iter().filter(|netns| netns.id() != host.id());
    let mut seen = Vec::new();
    for pod in pods {
        let path = pod.path();
        seen.extend(marked::on(&pod, &host)?.into_iter().map(|ip| (ip, path.to_owned())));
    }
    Ok(seen)
}

/// Those that have no lease by now.
fn unleased(store: &JournalStore, mut seen: Vec<(IpAddr, PathBuf)>) -> Result<Vec<(IpAddr, PathBuf)>, Error> {
    if seen.is_empty() {
        return Ok(seen);
    }
    let look = &mut |leases: &dyn Leases| {
        let mut unleased = Vec::new();
        for one in &seen {
            if !leases.is_leased(one.0)? {
                unleased.push(one.clone());
            }
        }
        seen = unleased;
        Ok(())
    };
    store.view(look).map_err(failure::of)?;
    Ok(seen)
}

fn mark(dirs: &Dirs) -> Result<PathBuf, Error> {
    Ok(dirs.state.folder(&["ipam"]).map_err(|error| failure::of_state(&error))?.join(MARK))
}
