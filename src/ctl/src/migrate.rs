//! `railctl migrate`: what pods of Spiderpool and whereabouts still have in the cluster's pools, and what raild grants beside it.

mod judge;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use api::{Kind, RailBlock, SpiderIPPool, SpiderReservedIP, WhereaboutsPool, WhereaboutsReservation};
use clap::Args;
use grants::By;
use serde_json::json;

use crate::cli::Format;
use crate::kubectl;
use crate::output::{self, FAINT, GOOD, Table, styled};
use judge::{Objects, Pods, Verdict, judge, without};

pub(crate) const HELP: &str = "\
Addresses that a pool's status.allocatedIPs names (Spiderpool's record), and those in whereabouts' IPPools and OverlappingRangeIPReservations, \
are granted to no node. whereabouts takes an address off its record when its pod ends; Spiderpool does as long as its controller runs. What a \
Spiderpool that has been uninstalled left behind, this command takes off, pod by pod as they end: run it again while pods of before go.";

#[derive(Args, Debug)]
pub(crate) struct Migrate {
    /// Only say it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How it is printed; wide has a line for each address
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

pub(crate) fn run(args: &Migrate) -> Result<()> {
    let (objects, pods) = ask()?;
    let verdicts = judge(&objects, &pods);
    match args.output {
        Format::Table => table(&verdicts),
        Format::Wide => table(&verdicts).and_then(|()| lines(&verdicts)),
        format => output::print(&verdicts, format),
    }?;
    objects.unreadable().iter().for_each(|problem| output::warn(problem));
    if args.dry_run { Ok(()) } else { forget(&objects.pools, &verdicts) }
}

/// The records first, and then the pods: one that comes in between is not taken for gone.
fn ask() -> Result<(Objects, Pods)> {
    let objects = Objects {
        pools: list::<SpiderIPPool>()?,
        reserved: list::<SpiderReservedIP>()?,
        blocks: list::<RailBlock>()?,
        ranges: list::<WhereaboutsPool>()?,
        reservations: list::<WhereaboutsReservation>()?,
    };
    let columns = "custom-columns=NS:.metadata.namespace,NAME:.metadata.name,UID:.metadata.uid";
    let pods =
        kubectl::text(&["get", "pods", "--all-namespaces", "--no-headers", "--output", columns], None)?;
    Ok((objects, Pods::parse(&pods)))
}

/// All objects of a kind; none where the cluster has no such kind.
fn list<K: Kind + serde::de::DeserializeOwned>() -> Result<Vec<K>> {
    let kind = format!("{}.{}", K::PLURAL, K::GROUP);
    let listed = kubectl::list::<K>(&[&kind, "--all-namespaces"]);
    match listed {
        Err(error) if error.to_string().contains("doesn't have a resource type") => Ok(Vec::new()),
        listed => listed.with_context(|| format!("nothing is known of {}", K::KIND)),
    }
}

fn table(verdicts: &[Verdict]) -> Result<()> {
    if verdicts.is_empty() {
        return output::line(&styled(FAINT, "the cluster has no SpiderIPPool"));
    }
    let headings = ["POOL", "SUBNET", "ADDRESSES", "SPIDERPOOL", "WHEREABOUTS", "GONE", "GRANTED", "FREE"];
    let mut table = Table::new(&headings);
    for verdict in verdicts {
        let of = |by: By| {
            verdict
                .taken
                .iter()
                .filter(|taken| taken.by == by.name())
                .map(|taken| taken.addresses)
                .sum::<u64>()
        };
        let gone = verdict.gone().map(|taken| taken.addresses).sum();
        let numbers =
            [verdict.addresses, of(By::Spiderpool), of(By::Whereabouts), gone, verdict.granted, verdict.free];
        let cells = [verdict.pool.clone(), verdict.subnet.clone()];
        table.row(cells.into_iter().chain(numbers.map(|number| number.to_string())));
    }
    output::text(&table.render())?;
    verdicts.iter().for_each(warn_of);
    Ok(())
}

/// What keeps addresses of a pool from being granted.
fn warn_of(verdict: &Verdict) {
    if let Some(problem) = &verdict.problem {
        output::warn(&format!("nothing is granted of {}: {problem}", verdict.pool));
    }
    for (by, cure) in [
        (By::Spiderpool, "`railctl migrate` takes them off its record"),
        (By::Whereabouts, "its reconciler frees them, or you by their IPPool"),
    ] {
        let gone: BTreeSet<_> =
            verdict.gone().filter(|taken| taken.by == by.name()).map(|taken| taken.pod.as_str()).collect();
        if !gone.is_empty() {
            let names = gone.iter().take(5).copied().collect::<Vec<_>>().join(", ");
            let more = if gone.len() > 5 { format!(" and {} more", gone.len() - 5) } else { String::new() };
            output::warn(&format!(
                "{}: {} still has addresses of {names}{more}, which are gone: {cure}",
                verdict.pool,
                by.name()
            ));
        }
    }
}

fn lines(verdicts: &[Verdict]) -> Result<()> {
    let mut table = Table::new(&["POOL", "ADDRESS", "BY", "POD", "INTERFACE", "STATE"]);
    for verdict in verdicts {
        for taken in &verdict.taken {
            let state = if taken.gone { "gone" } else { "lives" };
            let cells =
                [verdict.pool.as_str(), &taken.address, taken.by, &taken.pod, &taken.interface, state];
            table.row(cells.map(str::to_owned));
        }
    }
    output::text(&table.render())
}

/// Takes what pods that are gone had off Spiderpool's record, if it still is what was read.
fn forget(pools: &[SpiderIPPool], verdicts: &[Verdict]) -> Result<()> {
    for (pool, verdict) in pools.iter().zip(verdicts) {
        let gone = verdict.gone().filter(|taken| taken.by == By::Spiderpool.name());
        let gone = gone.map(|taken| taken.address.as_str()).collect::<BTreeSet<_>>();
        let record = pool.status.as_ref().and_then(|status| status.allocated_ips.as_deref());
        let Some(record) = record.filter(|_| !gone.is_empty()) else { continue };
        let field = "/status/allocatedIPs";
        let operations = json!([
            {"op": "test", "path": field, "value": record},
            {"op": "replace", "path": field, "value": without(record, &gone)?},
        ]);
        let (name, operations) = (&pool.metadata.name, operations.to_string());
        let words = [
            "patch",
            "spiderippools.spiderpool.spidernet.io",
            name,
            "--subresource=status",
            "--type=json",
            "--patch",
            &operations,
        ];
        kubectl::text(&words, None).with_context(|| {
            format!("pool {name}: its record may have changed meanwhile; nothing of this pool was taken off, try again")
        })?;
        output::line(&format!("{} {name}: freed {}, of pods that are gone", styled(GOOD, "✓"), gone.len()))?;
    }
    Ok(())
}
