//! What the demo claims, seen from the kernel's side.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use netns::NetNs;
use nix::net::if_::if_indextoname;
use runtime::records;
use state::Dirs;

use super::scene::Rail;
use super::stage::{RAILS, Stage, foreign_host, gateway, ip, netns_path, port};
use crate::echo::{Answer, Probe, ask};
use crate::output::Table;
use crate::pools;

const LIMIT: Duration = Duration::from_secs(2);

/// Asks every gateway from every rail. The request has to leave on the rail that asks, or the switch drops it, and the
/// answer has to come in there.
pub(crate) fn gateways(stage: &Stage, rails: &[Rail]) -> Result<usize> {
    let pairs: Vec<_> = rails.iter().flat_map(|rail| (1..=RAILS).map(move |to| (rail, to))).collect();
    let probe = |&(rail, to): &(&Rail, u8)| Probe {
        source: rail.address.into(),
        target: gateway(to).into(),
        device: None,
    };
    let probes: Vec<_> = pairs.iter().map(probe).collect();
    let arrivals = ask_in(&stage.pod(), &probes)?;
    for ((rail, to), arrival) in pairs.iter().zip(arrivals) {
        let (link, target) = (rail.link(), gateway(*to));
        match arrival {
            Some((by, _)) if by == link => (),
            Some((by, _)) => bail!("the answer of {target} to {link} came in by {by}"),
            None => bail!("{target} does not answer {link}"),
        }
    }
    Ok(pairs.len())
}

/// Asks the pod on each rail from an address that is not of the rail's subnet; returns who was answered where.
pub(crate) fn symmetry(stage: &Stage, rails: &[Rail]) -> Result<String> {
    let probe = |rail: &Rail| Probe {
        source: foreign_host(rail.number).into(),
        target: rail.address.into(),
        device: None,
    };
    let probes: Vec<_> = rails.iter().map(probe).collect();
    let mut table = Table::new(&["FROM", "TO", "ASKED ON", "ANSWERED ON", "AFTER"]);
    for (rail, arrival) in rails.iter().zip(ask_in(&stage.switch(), &probes)?) {
        let (from, asked) = (foreign_host(rail.number), port(rail.number));
        let Some((by, answer)) = arrival else {
            bail!("{} does not answer {from}, who asks on {asked}", rail.address);
        };
        ensure!(by == asked, "{} was asked on {asked} and answers on {by}", rail.address);
        let after = format!("{:.2} ms", answer.after.as_secs_f64() * 1000.0);
        table.row([from.to_string(), rail.address.to_string(), asked, by, after]);
    }
    Ok(table.render())
}

type Arrival = Option<(String, Answer)>;

/// Asks from within a namespace, and says by which link each answer came in.
fn ask_in(netns: &str, probes: &[Probe]) -> Result<Vec<Arrival>> {
    let named =
        |answer: Option<Answer>| answer.map(|answer| Ok((link_name(answer.ifindex)?, answer))).transpose();
    let work = || ask(probes, LIMIT)?.into_iter().map(named).collect();
    NetNs::open(&netns_path(netns))?.run(work)?
}

fn link_name(ifindex: u32) -> Result<String> {
    let name = if_indextoname(ifindex).with_context(|| format!("name link {ifindex}"))?;
    Ok(name.to_string_lossy().into_owned())
}

/// Links, rules and routes of host and pod, in words that do not change by themselves.
pub(crate) fn kernel_state(stage: &Stage) -> Result<String> {
    let mut text = String::new();
    for netns in [stage.host(), stage.pod()] {
        let run = |args: &[&str]| ip(&[&["-n", netns.as_str()], args].concat());
        text.extend(
            run(&["-o", "link"])?.lines().filter_map(|line| Some(format!("{}\n", line.split(':').nth(1)?))),
        );
        for family in ["-4", "-6"] {
            text.push_str(&run(&[family, "rule"])?);
            // The kernel's own table follows the addresses, and multicast routes come when the carrier does.
            let routes = run(&[family, "route", "show", "table", "all"])?;
            text.extend(
                routes.lines().filter(|line| !line.contains("table local")).map(|line| format!("{line}\n")),
            );
        }
    }
    Ok(text)
}

/// Fails with the first difference from before, or with the number of leases and records that are left.
pub(crate) fn nothing_left(stage: &Stage, before: &str, dirs: &Dirs) -> Result<()> {
    let after = kernel_state(stage)?;
    if let Some(line) = first_difference(before, &after) {
        bail!("something is left, or gone, that should not be: {line}");
    }
    let (leases, records) = (pools::leases(dirs)?, records::attachments(dirs)?.len());
    ensure!(leases == 0 && records == 0, "{leases} leases and {records} attachment records are left");
    Ok(())
}

fn first_difference(before: &str, after: &str) -> Option<String> {
    let mut counts: BTreeMap<&str, i32> = BTreeMap::new();
    before.lines().for_each(|line| *counts.entry(line).or_default() += 1);
    after.lines().for_each(|line| *counts.entry(line).or_default() -= 1);
    counts.into_iter().find(|(_, count)| *count != 0).map(|(line, _)| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_more_or_less_is_a_difference() {
        assert_eq!(first_difference("a\nb\n", "b\na\n"), None);
        assert_eq!(first_difference("a\n", "a\nb\n").as_deref(), Some("b"));
        assert_eq!(first_difference("a\na\n", "a\n").as_deref(), Some("a"));
    }
}
