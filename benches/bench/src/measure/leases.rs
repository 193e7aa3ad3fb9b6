use std::fs::{DirBuilder, File};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use ipam::{AttachmentKey, Change, JournalStore, Lease, Store};
use serde_json::{Value, json};
use state::Dirs;

use crate::exec::{Bench, Call, timed};
use crate::report::{Report, Unit};
use crate::samples::{Samples, in_turns};
use crate::suite::Suite;

const COUNTS: [u16; 4] = [10, 1_000, 10_000, 60_000];
/// The reference plugin takes 0.3 s for one ADD among as many.
const MANY: u16 = 10_000;

/// ADD and DEL of the IPAM plugin alone, by how many leases there are already.
pub(crate) fn by_count(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let mut filled = 0;
    for count in COUNTS {
        let rounds = if count < MANY { bench.rounds / 2 } else { bench.few_rounds() };
        fill(bench, &bench.ours, filled..count)?;
        fill(bench, &bench.theirs, filled..count)?;
        filled = count;
        let mut sides = (|| add_and_del(bench, &bench.ours), || add_and_del(bench, &bench.theirs));
        let times = in_turns(rounds, &mut [&mut sides.0, &mut sides.1])?;
        let case = |verb| format!("IPAM among {count} leases, {verb}");
        let part = |of: fn(&(Duration, Duration)) -> Duration| {
            times.each_ref().map(|times| Samples::of(&times.iter().map(of).collect::<Vec<_>>()))
        };
        report.compare(case("ADD"), Unit::Seconds, part(|times| times.0));
        report.compare(case("DEL"), Unit::Seconds, part(|times| times.1));
    }
    Ok(())
}

const OWNERS: [u16; 2] = [10, 60_000];
/// The last of them stand in the journal, which an ADD reads from its beginning; it is made a checkpoint after 256.
const JOURNALED: u16 = 200;

/// ADD of a sticky pool for an owner who is new, by how many owners there are: with its note, and with the notes that it reads.
pub(crate) fn by_owners(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let mut filled = 0;
    for count in OWNERS {
        fill_owners(bench, filled..count)?;
        filled = count;
        let rounds = if count < MANY { bench.rounds / 2 } else { bench.few_rounds() };
        let mut adds = Vec::with_capacity(rounds);
        for round in 0..rounds {
            adds.push(add_of_owner(bench, round)?);
        }
        report.alone(format!("IPAM among {count} owners, ADD"), Unit::Seconds, Samples::of(&adds));
    }
    Ok(())
}

fn add_of_owner(bench: &Bench<'_>, round: usize) -> Result<Duration> {
    let config =
        bench.ours.pool("owners", &json!({ "subnet": "10.102.0.0/15", "gateway": "10.103.255.254" }));
    let config = sticky(config);
    let call = |verb| Call { verb, container_id: "bench-pod", netns: "/run/netns/none", ifname: "eth0" };
    let run = |verb| {
        let mut command = bench.command(&bench.ours, bench.ours.ipam(), &call(verb));
        command.env("CNI_ARGS", format!("K8S_POD_NAMESPACE=ml;K8S_POD_NAME=new-{round}"));
        timed(command, &config)
    };
    let (add, _) = run("ADD")?;
    run("DEL")?;
    Ok(add)
}

fn sticky(mut config: Value) -> Value {
    config["ipam"]["sticky"] = json!(true);
    config
}

/// In the pool that the range of the config is.
fn fill_owners(bench: &Bench<'_>, pods: Range<u16>) -> Result<()> {
    let store = JournalStore::new(&dirs(bench)?, Duration::from_secs(10))?;
    let first = Ipv4Addr::new(10, 102, 0, 1).to_bits();
    let stick = |number: u16| Change::Stick {
        owner: format!("ml/pod-{number}/eth0"),
        pool: "10.102.0.1-10.103.255.254".into(),
        ip: Ipv4Addr::from_bits(first + u32::from(number)).into(),
    };
    let sticks = pods.map(stick).collect::<Vec<_>>();
    let (packed, journaled) = sticks.split_at(sticks.len().saturating_sub(JOURNALED.into()));
    for some in packed.chunks(2_000).chain(journaled.chunks(1)) {
        store.update(&mut |_| Ok(some.to_vec()))?;
    }
    Ok(())
}

const NETWORK: &str = "leases";

fn config(suite: &Suite) -> Value {
    suite.pool(NETWORK, &json!({ "subnet": "10.100.0.0/15", "gateway": "10.101.255.254" }))
}

fn add_and_del(bench: &Bench<'_>, suite: &Suite) -> Result<(Duration, Duration)> {
    let call = |verb| Call { verb, container_id: "bench-pod", netns: "/run/netns/none", ifname: "eth0" };
    let run = |verb| Ok(bench.run(suite, suite.ipam(), &call(verb), &config(suite))?.0);
    run("ADD").and_then(|add| Ok((add, run("DEL")?)))
}

/// The address of each pod that is there already.
fn addresses(pods: Range<u16>) -> impl Iterator<Item = (String, Ipv4Addr)> {
    let first = Ipv4Addr::new(10, 100, 0, 1).to_bits();
    pods.map(move |number| (format!("pod-{number}"), Ipv4Addr::from_bits(first + u32::from(number))))
}

fn fill(bench: &Bench<'_>, suite: &Suite, pods: Range<u16>) -> Result<()> {
    if suite.is_reference() { fill_host_local(pods) } else { fill_rail_ipam(bench, pods) }
}

/// One file per address (plugins/ipam/host-local/backend/disk), in the tmpfs that covers /var/lib.
fn fill_host_local(pods: Range<u16>) -> Result<()> {
    let folder = Path::new("/var/lib/cni/networks").join(NETWORK);
    DirBuilder::new().recursive(true).create(&folder)?;
    let mut last = String::new();
    for (container_id, ip) in addresses(pods) {
        last = ip.to_string();
        write!(File::create(folder.join(&last))?, "{container_id}\r\neth0")?;
    }
    Ok(File::create(folder.join("last_reserved_ip.0"))?.write_all(last.as_bytes())?)
}

/// One after another, as the pods came.
fn fill_rail_ipam(bench: &Bench<'_>, pods: Range<u16>) -> Result<()> {
    let store = JournalStore::new(&dirs(bench)?, Duration::from_secs(10))?;
    for (container_id, ip) in addresses(pods) {
        let key = AttachmentKey { network: NETWORK.into(), container_id, ifname: "eth0".into() };
        let lease = Lease { key, ip: IpAddr::V4(ip), pool: NETWORK.into(), since: 0, rest: 0 };
        store.update(&mut |_| Ok(vec![Change::Lease(lease.clone())]))?;
    }
    Ok(())
}

/// As the plugins get them by their environment.
fn dirs(bench: &Bench<'_>) -> Result<Dirs> {
    let theirs = bench.world.dirs();
    let dirs = Dirs::under(theirs.state.parent().unwrap_or(Path::new("/")));
    let same = dirs.state.as_path() == theirs.state && dirs.durable.as_path() == theirs.durable;
    ensure!(same, "{} is not where the plugins keep their state", dirs.state.as_path().display());
    Ok(dirs)
}
