//! `railctl pools`: how much of each address pool is used. Takes no lock and writes nothing.

mod cluster;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Args;
use ipam::{Catalog, Grants, JournalStore, Kept, Lease, Leases, Pool, RangeSet, Store as _};
use serde::Serialize;
use state::Dirs;

use crate::cli::Format;
use crate::output::{self, FAINT, Table, WARN, styled};
use crate::watch;

#[derive(Args, Debug)]
pub(crate) struct Pools {
    /// Those of the whole cluster, by kubectl, instead of this node's
    #[arg(long)]
    pub(crate) cluster: bool,
    /// Again whenever something changes, until it is interrupted
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

/// A pool of the node in numbers of addresses.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    pool: String,
    subnet: String,
    /// What the pool can hand out at all.
    offered: u64,
    used: u64,
    /// Neither used nor quarantined; those that rest are among them and are given last.
    free: u64,
    /// Released a short while ago.
    resting: u64,
    /// Used by somebody outside, so nobody gets them for a time.
    quarantined: u64,
    disabled: bool,
    /// The nodes that it is for, where it names some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<String>,
    /// None of them is this one: no attach here gets an address of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    elsewhere: bool,
    /// Why it offers no address at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    empty: Option<&'static str>,
    /// Not defined here: of a network's own config, or gone since. Only what is leased of it is known.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    only_leased: bool,
    /// Of a pool of the cluster, of which all of this is the node's share: what no node had at the last grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    free_in_cluster: Option<u64>,
}

pub(crate) fn run(args: &Pools) -> Result<()> {
    let every = args.watch.then_some(watch::EVERY);
    if args.cluster {
        return watch::follow(every, cluster::look, |usage| cluster::show(usage, args.output));
    }
    let dirs = Dirs::from_env()?;
    watch::follow(
        every,
        || look(&dirs),
        |Seen { usage, refused, problems }| {
            match args.output {
                Format::Table | Format::Wide => table(usage, *refused, &dirs),
                format => output::print(usage, format),
            }?;
            for problem in problems {
                output::warn(problem);
            }
            Ok(())
        },
    )
}

/// The pools, and what is wrong with their files.
#[derive(PartialEq)]
struct Seen {
    usage: Vec<Usage>,
    /// How many pools and files are of no use.
    refused: usize,
    problems: Vec<String>,
}

fn look(dirs: &Dirs) -> Result<Seen> {
    let catalog = catalog(dirs)?;
    let refused = catalog.refused().map(ToString::to_string);
    let mut problems: Vec<_> = refused.chain(catalog.unreadable().iter().cloned()).collect();
    let refused = problems.len();
    problems.extend(catalog.warnings().iter().cloned());
    let usage = count(dirs, &catalog)?;
    let empty =
        usage.iter().filter_map(|pool| Some(format!("{} offers no address: {}", pool.pool, pool.empty?)));
    problems.extend(empty);
    Ok(Seen { usage, refused, problems })
}

/// How many addresses are leased on this node, from whatever pool.
pub(crate) fn leases(dirs: &Dirs) -> Result<usize> {
    let mut count = 0;
    JournalStore::new(dirs, Duration::ZERO)?.view(&mut |leases| {
        count = leases.all()?.len();
        Ok(())
    })?;
    Ok(count)
}

/// What the files of the node define and the cluster has granted to it, and what is wrong with that.
pub(crate) fn catalog(dirs: &Dirs) -> Result<Catalog> {
    let mut catalog = Catalog::default();
    let grants = Grants::read(dirs)?;
    let granted = grants.granted().unwrap_or_else(|error| {
        catalog.add_unreadable(error.to_string());
        None
    });
    catalog.add_granted(&grants.path().display().to_string(), granted.as_ref());
    catalog.add_directory(&dirs.config.path(&["pools.d"])?);
    Ok(catalog.complete())
}

fn count(dirs: &Dirs, catalog: &Catalog) -> Result<Vec<Usage>> {
    let store = JournalStore::new(dirs, Duration::ZERO)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut usage = Vec::new();
    store.view(&mut |leases| {
        usage = catalog.pools().map(|pool| of_pool(pool, leases, now)).collect::<Result<_, _>>()?;
        usage.extend(only_leased(&leases.all()?, catalog));
        Ok(())
    })?;
    Ok(usage)
}

/// What has leases and is no pool of the node: pools and ranges within the configs of networks.
fn only_leased(leases: &[Lease], catalog: &Catalog) -> Vec<Usage> {
    let mut used: BTreeMap<&str, u64> = BTreeMap::new();
    let unknown = |lease: &&Lease| {
        !catalog.pools().any(|pool| pool.offered.contains(lease.ip) || pool.name == lease.pool)
    };
    for lease in leases.iter().filter(unknown) {
        *used.entry(&lease.pool).or_default() += 1;
    }
    let row = |(pool, used): (&str, u64)| Usage {
        pool: pool.to_owned(),
        used,
        only_leased: true,
        ..Usage::default()
    };
    used.into_iter().map(row).collect()
}

fn of_pool(pool: &Pool, leases: &dyn Leases, now: u64) -> Result<Usage, ipam::Error> {
    let in_use =
        leases.all()?.into_iter().map(|lease| lease.ip).filter(|ip| pool.offered.contains(*ip)).count();
    let quarantined = pool.offered.common(&leases.quarantined(now)?).len();
    let (offered, used) = (saturate(pool.offered.len()), u64::try_from(in_use).unwrap_or(u64::MAX));
    Ok(Usage {
        pool: pool.name.clone(),
        subnet: pool.subnet.to_string(),
        offered,
        used,
        free: offered.saturating_sub(used).saturating_sub(saturate(quarantined)),
        resting: resting(pool, leases, now)?,
        quarantined: saturate(quarantined),
        disabled: pool.disabled,
        nodes: pool.scope.nodes.clone(),
        elsewhere: !(pool.scope.nodes.is_empty()
            || rail_ipam::node_names().iter().any(|name| pool.scope.nodes.contains(name))),
        empty: (offered == 0).then(|| pool.emptiness()),
        only_leased: false,
        free_in_cluster: pool.share.and_then(|share| share.free),
    })
}

/// An IPv6 pool may offer more than anybody counts to.
fn saturate(count: u128) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn resting(pool: &Pool, leases: &dyn Leases, now: u64) -> Result<u64, ipam::Error> {
    let (mut rest, mut count) = (pool.offered.clone(), 0);
    while let Some(resting) = leases.released_first(&rest, Kept::Counted)? {
        rest = rest.without(&RangeSet::from(ipam::Range::one(resting.ip)));
        count += u64::from(resting.until > now);
    }
    Ok(count)
}

fn table(usage: &[Usage], refused: usize, dirs: &Dirs) -> Result<()> {
    if usage.is_empty() {
        let folder = dirs.config.path(&["pools.d"])?.display().to_string();
        return output::line(&match refused {
            0 => styled(FAINT, &format!("no pool is defined in {folder}")),
            count => styled(WARN, &format!("no pool of {folder} can be used: {count} are refused")),
        });
    }
    let mut table = Table::new(&["POOL", "SUBNET", "OFFERED", "USED", "FREE", "RESTING", "QUARANTINED", ""]);
    for pool in usage {
        let numbers =
            [pool.offered, pool.used, pool.free, pool.resting, pool.quarantined].map(|n| n.to_string());
        let [offered, used, free, resting, quarantined] = numbers;
        let (name, note) = (pool.pool.clone(), pool.note());
        if pool.only_leased {
            let dash = || "-".to_owned();
            table.row([name, dash(), dash(), used, dash(), dash(), dash(), note]);
        } else {
            table.row([name, pool.subnet.clone(), offered, used, free, resting, quarantined, note]);
        }
    }
    output::text(&table.render())
}

impl Usage {
    /// In one line, what the numbers do not say.
    fn note(&self) -> String {
        let share = self.free_in_cluster.map(|free| format!("share; {free} more free in the cluster"));
        let notes = [
            self.disabled.then(|| "disabled".to_owned()),
            self.elsewhere.then(|| format!("not of this node: of {}", self.nodes.join(", "))),
            self.only_leased.then(|| "of a network's own config".to_owned()),
            self.empty.map(str::to_owned),
            share.filter(|_| !self.disabled),
        ];
        notes.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use state::AttachmentKey;

    use super::*;

    #[test]
    fn what_only_leases_know_of_is_counted() {
        let lease = |pool: &str, ip: &str| Lease {
            key: AttachmentKey::new("net", "pod", "net1").unwrap(),
            ip: ip.parse().unwrap(),
            pool: pool.to_owned(),
            since: 1,
            rest: 0,
        };
        let mut catalog = Catalog::default();
        let pool = "apiVersion: spiderpool.spidernet.io/v2beta1\nkind: SpiderIPPool\nmetadata: {name: rail}\n\
                    spec: {subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.4]}\n";
        catalog.add_text("pools.yaml", pool);
        let catalog = catalog.complete();
        let leases = [
            lease("rail", "10.0.0.2"),
            lease("inline", "10.9.0.2"),
            lease("inline", "10.9.0.3"),
            lease("x", "10.0.0.3"),
        ];
        let found = only_leased(&leases, &catalog);
        let [inline] = &found[..] else { panic!("{found:?}") };
        assert_eq!(
            (inline.pool.as_str(), inline.used, inline.note().as_str()),
            ("inline", 2, "of a network's own config")
        );
    }
}
