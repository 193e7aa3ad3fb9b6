use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use testkit::Pod;

use crate::chain::Attachment;
use crate::exec::{Bench, Call, timed};
use crate::report::{Report, Unit};
use crate::samples::{Samples, in_turns};
use crate::suite::Suite;

/// What ADD and DEL took.
pub(crate) type Times = (Duration, Duration);

/// One macvlan rail by a chain of single plugins, by `rail`, and by its bare messages.
pub(crate) fn one(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let pod = bench.world.pod("one");
    bench.world.rail(1);
    compare(bench, report, &pod, "one rail", 1, bench.rounds / 2)?;
    beside_bare(bench, report, &pod)
}

/// As a runtime that attaches one network after another.
pub(crate) fn eight(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let pod = bench.world.pod("eight");
    (2..=8).for_each(|number| drop(bench.world.rail(number)));
    compare(bench, report, &pod, "eight rails", 8, bench.few_rounds())
}

fn compare(
    bench: &Bench<'_>,
    report: &mut Report,
    pod: &Pod,
    case: &str,
    rails: u8,
    rounds: usize,
) -> Result<()> {
    let netns = pod.path().display().to_string();
    let chain = |suite: &Suite| attach_and_detach(bench, suite, &netns, rails);
    let mut sides = (|| chain(&bench.ours), || chain(&bench.theirs), || by_rail(bench, &netns, rails));
    let [ours, theirs, rail] = in_turns(rounds, &mut [&mut sides.0, &mut sides.1, &mut sides.2])?;
    for (way, ours) in [("the chain", &ours), ("`rail`", &rail)] {
        for (verb, part) in VERBS {
            let samples =
                [ours, &theirs].map(|times| Samples::of(&times.iter().map(part).collect::<Vec<_>>()));
            report.compare(format!("{case} by {way}, {verb}"), Unit::Seconds, samples);
        }
    }
    Ok(())
}

type Part = fn(&Times) -> Duration;

const VERBS: [(&str, Part); 2] = [("ADD", |times| times.0), ("DEL", |times| times.1)];

/// All of them in one call of each verb.
pub(super) fn by_rail(bench: &Bench<'_>, netns: &str, rails: u8) -> Result<Times> {
    let mut config = bench.ours.rails(rails);
    let call = |verb| Call { verb, container_id: "bench-pod", netns, ifname: "net1" };
    let (added, result) = bench.run(&bench.ours, "rail", &call("ADD"), &config)?;
    config["prevResult"] = result;
    let (deleted, _) = bench.run(&bench.ours, "rail", &call("DEL"), &config)?;
    Ok((added, deleted))
}

pub(crate) fn attach_and_detach(bench: &Bench<'_>, suite: &Suite, netns: &str, rails: u8) -> Result<Times> {
    let (mut added, mut deleted) = (Duration::ZERO, Duration::ZERO);
    let mut results = Vec::new();
    for rail in 1..=rails {
        let (took, result) = Attachment { suite, netns, rail }.add(bench)?;
        added += took;
        results.push(result);
    }
    for (rail, result) in (1..=rails).zip(results) {
        deleted += Attachment { suite, netns, rail }.del(bench, &result)?;
    }
    Ok((added, deleted))
}

/// `rail` and the bare messages in turns: what both of them wait for is the kernel.
fn beside_bare(bench: &Bench<'_>, report: &mut Report, pod: &Pod) -> Result<()> {
    let master = bench.world.host().ifindex("rail1").to_string();
    let netns = pod.path().display().to_string();
    let first = [
        pod.ifindex("eth0").to_string(),
        format!("{}/32", pod.eth0_4()),
        "169.254.1.1".to_owned(),
        format!("{}/128", pod.eth0_6()),
        "fe80::1".to_owned(),
        bench.world.host().ifindex(pod.host_veth()).to_string(),
        pod.ip(&["link", "show", "eth0"])[0]["address"].as_str().context("the address of eth0")?.to_owned(),
    ];
    // Started and read as a plugin is.
    let run = |verb: &str| -> Result<Duration> {
        let mut command = Command::new(&bench.bare);
        command.args([verb, &master]).arg(pod.path()).args(["172.16.1.9/24", "172.16.1.254"]).args(&first);
        Ok(timed(command, &Value::Null).with_context(|| format!("bare {verb}"))?.0)
    };
    let mut sides = (|| run("add").and_then(|add| Ok((add, run("del")?))), || by_rail(bench, &netns, 1));
    let [bare, rail] = in_turns(bench.rounds / 2, &mut [&mut sides.0, &mut sides.1])?;
    for (verb, part) in VERBS {
        let samples = |times: &[Times]| Samples::of(&times.iter().map(part).collect::<Vec<_>>());
        report.floor(&format!("bare messages of one rail, {verb}"), samples(&bare));
        report.floor(&format!("`rail` beside its bare messages, {verb}"), samples(&rail));
    }
    Ok(())
}
