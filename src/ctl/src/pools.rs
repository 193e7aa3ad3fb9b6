//! `railctl pools`: how much of each address pool is used. Takes no lock and writes nothing.

mod cluster;
mod watch;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Args;
use ipam::{Catalog, Grants, JournalStore, Kept, Leases, Pool, RangeSet, Store as _};
use serde::Serialize;
use state::Dirs;

use crate::cli::Format;
use crate::output::{self, FAINT, Table, styled};

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
#[derive(Debug, PartialEq, Serialize)]
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
    /// Of a pool of the cluster, of which all of this is the node's share: what no node had at the last grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    free_in_cluster: Option<u64>,
}

pub(crate) fn run(args: &Pools) -> Result<()> {
    if args.cluster {
        return watch::follow(args.watch, cluster::look, |usage| cluster::show(usage, args.output));
    }
    let dirs = Dirs::from_env()?;
    watch::follow(
        args.watch,
        || look(&dirs),
        |(usage, problems)| {
            match args.output {
                Format::Table | Format::Wide => table(usage, &dirs),
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
fn look(dirs: &Dirs) -> Result<(Vec<Usage>, Vec<String>)> {
    let catalog = catalog(dirs)?;
    let refused = catalog.refused().map(ToString::to_string);
    let problems =
        refused.chain(catalog.unreadable().iter().cloned()).chain(catalog.warnings().iter().cloned());
    let problems = problems.collect();
    Ok((count(dirs, &catalog)?, problems))
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
        Ok(())
    })?;
    Ok(usage)
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

fn table(usage: &[Usage], dirs: &Dirs) -> Result<()> {
    if usage.is_empty() {
        let folder = dirs.config.path(&["pools.d"])?;
        return output::line(&styled(FAINT, &format!("no pool is defined in {}", folder.display())));
    }
    let mut table = Table::new(&["POOL", "SUBNET", "OFFERED", "USED", "FREE", "RESTING", "QUARANTINED", ""]);
    for pool in usage {
        let numbers =
            [pool.offered, pool.used, pool.free, pool.resting, pool.quarantined].map(|n| n.to_string());
        let [offered, used, free, resting, quarantined] = numbers;
        let share = || pool.free_in_cluster.map(|free| format!("share; {free} more free in the cluster"));
        let note = if pool.disabled { "disabled".to_owned() } else { share().unwrap_or_default() };
        table.row([pool.pool.clone(), pool.subnet.clone(), offered, used, free, resting, quarantined, note]);
    }
    output::text(&table.render())
}
