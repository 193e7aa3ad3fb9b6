use std::collections::BTreeSet;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::exec::{Bench, Call, said, start_with};
use crate::report::{Report, Unit};
use crate::samples::{Samples, in_turns};
use crate::suite::Suite;

const PODS: usize = 128;

/// As many pods as a node starts after its boot; each has to get an address of its own. Our store still holds the leases
/// of the measurement before, while the reference plugin keeps each network apart.
pub(crate) fn at_once(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let mut sides = (|| storm(bench, &bench.ours), || storm(bench, &bench.theirs));
    let times = in_turns(bench.few_rounds(), &mut [&mut sides.0, &mut sides.1])?;
    report.compare(format!("{PODS} IPAM ADDs at once"), Unit::Seconds, times.map(|it| Samples::of(&it)));
    Ok(())
}

fn storm(bench: &Bench<'_>, suite: &Suite) -> Result<Duration> {
    let config = suite.pool("storm", &json!({ "subnet": "10.99.0.0/22" }));
    let text = config.to_string();
    let start = Instant::now();
    let all = all_pods(bench, suite, "ADD", &text)?;
    let took = start.elapsed();
    let addresses =
        all.iter().filter_map(|result| result["ips"][0]["address"].as_str()).collect::<BTreeSet<_>>();
    ensure!(addresses.len() == PODS, "{} of {PODS} pods have an address of their own", addresses.len());
    all_pods(bench, suite, "DEL", &text)?;
    Ok(took)
}

fn all_pods(bench: &Bench<'_>, suite: &Suite, verb: &str, config: &str) -> Result<Vec<Value>> {
    let start = |number: usize| {
        let container_id = format!("pod-{number}");
        let call = Call { verb, container_id: &container_id, netns: "/run/netns/none", ifname: "eth0" };
        start_with(&mut bench.command(suite, suite.ipam(), &call), config.as_bytes())
    };
    let children = (0..PODS).map(start).collect::<Result<Vec<Child>>>()?;
    let finish =
        |child: Child| said(&child.wait_with_output()?).with_context(|| format!("{} {verb}", suite.ipam()));
    children.into_iter().map(finish).collect()
}
