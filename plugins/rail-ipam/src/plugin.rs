use std::path::Path;
use std::time::Duration;

use cni::{CniResult, Error, Plugin, ValidAttachments};
use ipam::{
    AttachmentKey, Change, Declined, Directory, JournalStore, Lease, Namespace, Present, RangeSet, Request,
    Store, StoreError, allocate,
};
use state::Dirs;

use crate::agent::{Agent, Own};
use crate::conf::{self, Conf, Source};
use crate::give::Give;
use crate::interfaces::{Glance, Interfaces};
use crate::pools::Pools;
use crate::{check, failure, present, reply};

/// Releases wait as long for a lock as an ADD does by default: they must not depend on the config.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);

/// Keys of `CNI_ARGS` that mean something to an IPAM or come along with every pod.
const ARGS: &[&str] = &[
    "IP",
    "MAC",
    "GATEWAY",
    "K8S_POD_NAMESPACE",
    "K8S_POD_NAME",
    "K8S_POD_UID",
    "K8S_POD_INFRA_CONTAINER_ID",
];

/// The plugin `rail-ipam`. One of them looks at the interfaces of node and pod once, for all its ADDs.
#[derive(Debug, Default)]
pub struct RailIpam {
    glance: Glance,
}

impl RailIpam {
    /// As [`default`](Self::default).
    pub const fn new() -> Self {
        Self { glance: Glance::new() }
    }
}

impl Plugin for RailIpam {
    fn about(&self) -> &'static str {
        "railcni rail-ipam: addresses from pools"
    }

    fn add(&self, request: &cni::Request) -> Result<CniResult, Error> {
        request.env.args.allow(ARGS)?;
        let conf = Conf::of(request)?;
        let requested = conf::requested(request)?;
        let dns = reply::dns(&conf)?;
        let dirs = dirs()?;
        let mut give = Give::new(request, &conf, &dirs, &requested, &self.glance)?;
        let mut agent = Agent::new(&dirs, conf.wait_for_grant)?;
        let result = loop {
            match give.addresses() {
                Err(ipam::Error::Spent { pools }) => {
                    agent.ask_for_more(pools).map_err(|error| give.failure(error))?;
                }
                Err(ipam::Error::Unpinned { pool, owner }) => {
                    match agent.ask_for_own(&pool, &owner).map_err(|error| give.failure(error))? {
                        Own::Here => (),
                        Own::Nowhere => give.take_any(pool),
                    }
                }
                given => break given.map_err(|error| give.failure(error))?,
            }
            give.load_again().map_err(failure::of)?;
        };
        Ok(CniResult { dns, ..result })
    }

    fn del(&self, request: &cni::Request) -> Result<(), Error> {
        let dirs = dirs()?;
        let key = key(request);
        let now = ipam::journal::now();
        // No config may hold a release back.
        let declined = conf::declined(request).unwrap_or_default();
        let end = |lease: &Lease| declined.release(lease, now);
        if request.env.unrecorded {
            silence(request, &dirs, &key)?;
        }
        let ours = release(&dirs, &|leases| Ok(leases.of(&key)?.iter().flat_map(end).collect()));
        let data_dir = conf::data_dir(request);
        let theirs = directory(request, data_dir.as_deref(), &dirs, RELEASE_TIMEOUT)?
            .release(&key.container_id, &key.ifname);
        together(ours, theirs)
    }

    fn check(&self, request: &cni::Request) -> Result<(), Error> {
        let conf = Conf::of(request)?;
        let previous = request.config.require_prev_result()?;
        let dirs = dirs()?;
        let key = key(request);
        let directory = directory(request, conf.data_dir.as_deref(), &dirs, conf.lock_timeout)?;
        let mut held =
            directory.of(&key.container_id, &key.ifname).map_err(|error| failure::of_store(&error))?;
        let look = &mut |leases: &dyn ipam::Leases| {
            held.extend(leases.of(&key)?.iter().map(|lease| lease.ip));
            Ok(())
        };
        store(&dirs, conf.lock_timeout)?.view(look).map_err(failure::of)?;
        check::differences(&key, previous, &held, &Interfaces::of_node()?)
    }

    fn gc(&self, request: &cni::Request, valid: &ValidAttachments) -> Result<(), Error> {
        let dirs = dirs()?;
        let network = &request.config.name;
        let now = ipam::journal::now();
        let keeps_records = OF_LINKS.contains(&request.config.plugin_type.as_str());
        let stale = |lease: &Lease| {
            lease.key.network == *network
                && !valid.contains(&lease.key.container_id, &lease.key.ifname)
                && (keeps_records || lease.since.saturating_add(UNDER_WAY) <= now)
        };
        let find = |leases: &dyn ipam::Leases| -> Result<Vec<Change>, StoreError> {
            // Records are older than the leases that go with them.
            let all = leases.all()?;
            let recorded = state::record::names(&dirs, network)?;
            let ended = all.iter().filter(|lease| stale(lease) && !has_a_link(lease, &recorded));
            Ok(ended.map(|lease| lease.release(now)).collect())
        };
        let ours = release(&dirs, &find);
        let data_dir = conf::data_dir(request);
        let is_valid = |container_id: &str, ifname: Option<&str>| match ifname {
            Some(ifname) => valid.contains(container_id, ifname),
            None => valid.contains_container(container_id),
        };
        together(ours, directory(request, data_dir.as_deref(), &dirs, RELEASE_TIMEOUT)?.retain(is_valid))
    }

    fn status(&self, request: &cni::Request) -> Result<(), Error> {
        let conf = Conf::of(request)?;
        let dirs = dirs()?;
        let pools = Pools::load(request, &conf, &dirs, Namespace::Any).map_err(failure::of)?;
        let not_available = |error: ipam::Error| Error::not_available(error.to_string());
        let sets = pools.select(request, Namespace::Any).map_err(not_available)?;
        // The request of a pod that does not exist, of which nothing is kept.
        let key = &AttachmentKey { network: String::new(), ..key(request) };
        let (foreign, declined) = (&foreign(request, &conf, &dirs)?, &Declined::default());
        let now = ipam::journal::now();
        let present = &Present { node: Interfaces::of_node()?.node(), ..Present::NONE };
        let wish = Request {
            key,
            sets: &sets,
            requested: &[],
            owner: None,
            unpinned: &[],
            foreign,
            present,
            declined,
            now,
        };
        let look = &mut |leases: &dyn ipam::Leases| match allocate(&wish, leases) {
            // The cluster may have more.
            Err(ipam::Error::Spent { .. }) => Ok(()),
            other => other.map(drop),
        };
        store(&dirs, conf.lock_timeout)?.view(look).map_err(not_available)
    }
}

fn dirs() -> Result<Dirs, Error> {
    Dirs::from_env().map_err(|error| failure::of_state(&error))
}

pub(crate) fn store(dirs: &Dirs, timeout: Duration) -> Result<JournalStore, Error> {
    JournalStore::new(dirs, timeout).map_err(|error| failure::of_store(&error))
}

pub(crate) fn key(request: &cni::Request) -> AttachmentKey {
    AttachmentKey {
        network: request.config.name.clone(),
        container_id: request.env.container_id.clone(),
        ifname: request.env.ifname.clone(),
    }
}

/// Who the pod is over its restarts; unknown outside Kubernetes.
pub(crate) fn owner(request: &cni::Request) -> Option<String> {
    let pod = |key| request.env.args.get(key);
    let (namespace, name) = (pod("K8S_POD_NAMESPACE")?, pod("K8S_POD_NAME")?);
    Some(format!("{namespace}/{name}/{}", request.env.ifname))
}

/// What host-local has given to pods that still run: of ranges, and of pools where the config says that it served them. Else a
/// tenant who names his network like another's, and has host-local hand out its addresses, would take that one's pool.
pub(crate) fn foreign(request: &cni::Request, conf: &Conf, dirs: &Dirs) -> Result<RangeSet, Error> {
    if matches!(conf.source, Source::Pools { .. }) && conf.data_dir.is_none() {
        return Ok(RangeSet::default());
    }
    let directory = directory(request, conf.data_dir.as_deref(), dirs, conf.lock_timeout)?;
    directory.held().map_err(|error| failure::of_store(&error))
}

pub(crate) fn families(sets: &[Vec<&ipam::Pool>]) -> Vec<ipam::Family> {
    sets.iter().filter_map(|set| set.first().map(|pool| pool.family())).collect()
}

/// Where host-local kept the addresses of this network.
fn directory(
    request: &cni::Request,
    data_dir: Option<&Path>,
    dirs: &Dirs,
    timeout: Duration,
) -> Result<Directory, Error> {
    let network = request.config.name.as_str();
    let path = match data_dir {
        Some(data_dir) => data_dir.join(network),
        None => dirs.upstream.path(&["networks", network]).map_err(|error| failure::of_state(&error))?,
    };
    Ok(Directory::new(path, timeout))
}

/// What is to end.
type Find<'f> = dyn Fn(&dyn ipam::Leases) -> Result<Vec<Change>, StoreError> + 'f;

/// Makes the changes that `find` finds. Where there are none, nothing is locked and nothing written, so that it works on
/// a read-only file system, too.
fn release(dirs: &Dirs, find: &Find<'_>) -> Result<(), Error> {
    match try_release(&store(dirs, RELEASE_TIMEOUT)?, find) {
        // No address is given out of such a store, nor of one of another version. The pod has to go all the same, so that
        // somebody can drain the node; GC ends the lease once it can be read.
        Err(ipam::Error::Store(error)) if error.is_damage() => {
            tracing::warn!("{error}");
            Ok(())
        }
        released => released.map_err(failure::of),
    }
}

fn try_release(store: &JournalStore, find: &Find<'_>) -> Result<(), ipam::Error> {
    let mut found = false;
    let look = &mut |leases: &dyn ipam::Leases| {
        found = !find(leases)?.is_empty();
        Ok(())
    };
    store.view(look)?;
    if !found {
        return Ok(());
    }
    store.update(&mut |leases| Ok(find(leases)?))
}

/// A lease younger than so many seconds may belong to an ADD that still runs; nothing enforces it. Of a link plugin that keeps no
/// record, the age of a lease is all that tells.
const UNDER_WAY: u64 = 120;

/// Whose records say that there is a link, or may be. The others work on it.
const OF_LINKS: [&str; 6] = ["macvlan", "ipvlan", "ipoib", "sriov", "ib-sriov", "rail"];

/// Whether an attachment that the runtime's list lacks has a record: its ADD is under way, which the list did not know yet, or it
/// could not be undone.
fn has_a_link(lease: &Lease, recorded: &[(String, state::AttachmentKey)]) -> bool {
    recorded.iter().any(|(plugin, key)| {
        // Of several interfaces the first has the record.
        let same_interface = key.ifname == lease.key.ifname || plugin == "rail";
        OF_LINKS.contains(&plugin.as_str()) && key.container_id == lease.key.container_id && same_interface
    })
}

/// The link that had the addresses was not on record, and the pod may have given it another name: it keeps that link, and not
/// the addresses.
fn silence(request: &cni::Request, dirs: &Dirs, key: &AttachmentKey) -> Result<(), Error> {
    let mut leased = Vec::new();
    let look = &mut |leases: &dyn ipam::Leases| {
        leased = leases.of(key)?.iter().map(|lease| lease.ip).collect();
        Ok(())
    };
    // Where leases cannot be read, none ends.
    if store(dirs, RELEASE_TIMEOUT)?.view(look).is_err() || leased.is_empty() {
        return Ok(());
    }
    present::take_away(request.env.netns.as_deref(), &leased)
}

fn together(ours: Result<(), Error>, theirs: Result<(), StoreError>) -> Result<(), Error> {
    let theirs = theirs.map_err(|error| failure::of_store(&error));
    Error::join([ours.err(), theirs.err()].into_iter().flatten()).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plugin_that_makes_links_is_known() {
        let links: Vec<_> = runtime::suite::plugins(&[runtime::suite::Part::Link]).collect();
        assert!(links.iter().all(|plugin| OF_LINKS.contains(plugin)), "{links:?}");
        assert_eq!(links.len(), OF_LINKS.len());
    }
}
