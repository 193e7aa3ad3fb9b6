//! `railctl quarantine`: addresses that somebody outside was found to use, which nobody gets for a while.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use cni::log::rfc3339_of;
use ipam::{Change, JournalStore, Store as _, journal};
use serde::Serialize;
use state::Dirs;

use crate::cli::Format;
use crate::output::{self, FAINT, Table, styled};
use crate::pools;

#[derive(Args, Debug)]
pub(crate) struct Quarantine {
    /// End the quarantine of these addresses now, instead of listing what is quarantined
    #[arg(long, value_name = "ADDRESS", num_args = 1.., conflicts_with = "output")]
    pub(crate) release: Vec<IpAddr>,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

/// Longer than the pods of a node take that start at once.
const PATIENCE: Duration = Duration::from_secs(10);
const NOT_OF_POOLS_D: &str = "-";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Quarantined {
    address: IpAddr,
    /// Of pools.d; pools in the configs of networks are not known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<String>,
    seconds_left: u64,
    /// When it ends, in RFC 3339.
    until: String,
}

pub(crate) fn run(args: &Quarantine) -> Result<()> {
    let dirs = Dirs::from_env()?;
    if !args.release.is_empty() {
        return release(&dirs, &args.release);
    }
    let quarantined = list(&dirs)?;
    match args.output {
        Format::Table | Format::Wide => table(&quarantined, args.output == Format::Wide),
        format => output::print(&quarantined, format),
    }
}

fn list(dirs: &Dirs) -> Result<Vec<Quarantined>> {
    let catalog = pools::catalog(dirs)?;
    let pool_of = |ip: IpAddr| catalog.pools().find(|pool| pool.offered.contains(ip));
    let now = journal::now();
    let mut found = Vec::new();
    JournalStore::new(dirs, Duration::ZERO)?.view(&mut |leases| {
        found = leases.quarantines(now)?;
        Ok(())
    })?;
    let quarantined = |(address, until): (IpAddr, u64)| Quarantined {
        address,
        pool: pool_of(address).map(|pool| pool.name.clone()),
        seconds_left: until.saturating_sub(now),
        until: rfc3339_of(until),
    };
    Ok(found.into_iter().map(quarantined).collect())
}

fn table(quarantined: &[Quarantined], is_wide: bool) -> Result<()> {
    if quarantined.is_empty() {
        return output::line(&styled(FAINT, "no address is quarantined"));
    }
    let headings = ["ADDRESS", "POOL", "ENDS IN", "UNTIL"];
    let columns = if is_wide { 4 } else { 3 };
    let mut table = Table::new(&headings[..columns]);
    for Quarantined { address, pool, seconds_left, until } in quarantined {
        let pool = pool.as_deref().unwrap_or(NOT_OF_POOLS_D);
        let cells = [address.to_string(), pool.to_owned(), format!("{seconds_left} s"), until.clone()];
        table.row(cells.into_iter().take(columns));
    }
    output::text(&table.render())
}

/// All of them, or none when one is not quarantined: that is a slip of the pen.
fn release(dirs: &Dirs, addresses: &[IpAddr]) -> Result<()> {
    let mut others = Vec::new();
    JournalStore::new(dirs, PATIENCE)?.update(&mut |leases| {
        let quarantined = leases.quarantines(journal::now())?;
        let is_quarantined = |ip: &&IpAddr| quarantined.iter().any(|(other, _)| other == *ip);
        others = addresses.iter().filter(|ip| !is_quarantined(ip)).copied().collect();
        let end = |&ip: &IpAddr| Change::Quarantine { ip, until: 0 };
        Ok(if others.is_empty() { addresses.iter().map(end).collect() } else { Vec::new() })
    })?;
    match others.as_slice() {
        [] => Ok(()),
        others => {
            let others: Vec<_> = others.iter().map(ToString::to_string).collect();
            bail!(
                "not quarantined: {}; nothing is changed; `railctl quarantine` lists those that are",
                others.join(", ")
            )
        }
    }
}
