//! Leases that are lost while the pods that have them live: somebody cleared the state directory. The addresses answer yet.

use std::net::IpAddr;
use std::path::PathBuf;

use cni::Error;
use ipam::{JournalStore, Leases, Range, RangeSet, Store};
use netns::NetNs;
use state::{Dirs, file};

use crate::{failure, present};

/// Beside the leases, as long as a pod has an address without one.
const MARK: &str = "unleased";

/// Addresses that plugins of this suite gave to pods of this node before the leases that there are: nobody gets them while
/// they are seen there. Looked for at the first lease of a boot, and from then on as long as there are any.
pub(crate) fn addresses(store: &JournalStore, dirs: &Dirs) -> Result<RangeSet, Error> {
    let mark = mark(dirs)?;
    // What is wrong with the leases, the update says.
    let is_new = store.is_new().unwrap_or(false);
    let is_marked = mark.try_exists().unwrap_or(false);
    if !(is_new || is_marked) {
        return Ok(RangeSet::default());
    }
    let seen = unleased(store, seen()?)?;
    if is_new && !seen.is_empty() {
        tracing::warn!(
            addresses = seen.len(),
            "leases are lost: what is seen on pods of this node is left to them"
        );
        let made = dirs.state.create(&["ipam"]).and_then(|_| file::replace(&mark, &[]));
        made.map_err(|error| failure::of_state(&error))?;
    } else if is_marked && seen.is_empty() {
        file::remove(&mark).map_err(|error| failure::of_state(&error))?;
    }
    Ok(seen.into_iter().map(Range::one).collect())
}

/// Addresses of ours on the pods of this node.
fn seen() -> Result<Vec<IpAddr>, Error> {
    let host = NetNs::current().map_err(|error| Error::netns(error.to_string()))?.id();
    let pods = netns::mounted().into_iter().filter(|netns| netns.id() != host);
    let seen = pods.map(|netns| present::ours(&netns)).collect::<Result<Vec<_>, _>>()?;
    Ok(seen.into_iter().flatten().collect())
}

/// Those that have no lease by now.
fn unleased(store: &JournalStore, mut seen: Vec<IpAddr>) -> Result<Vec<IpAddr>, Error> {
    let look = &mut |leases: &dyn Leases| {
        let mut unleased = Vec::new();
        for &ip in &seen {
            if !leases.is_leased(ip)? {
                unleased.push(ip);
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
