//! How the time of `rail` grows, beside that of the reference chain: with rails, which the chain attaches one after another,
//! with pods at once, with links on the host, with routes in the pod.

use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::rails::{attach_and_detach, by_rail};
use crate::exec::{Bench, Call, said, start_with};
use crate::report::{Report, Unit};
use crate::samples::{Samples, in_turns};
use crate::suite::Suite;

const RAILS: u8 = 64;
const PODS: [usize; 4] = [1, 8, 64, 256];
const LINKS: usize = 1_000;
const ROUTES: u32 = 10_000;
/// Each of these takes its time.
const ROUNDS: usize = 3;

/// More rails than any node has.
pub(crate) fn rails(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    (9..=RAILS).for_each(|number| drop(bench.world.rail(number)));
    let pod = bench.world.pod("many-rails");
    let netns = pod.path().display().to_string();
    one_case(bench, report, &format!("{RAILS} rails by `rail`"), &netns, RAILS)
}

/// As many pods as a node may start after its boot, each with one rail.
pub(crate) fn pods(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let most = PODS.into_iter().max().unwrap_or_default();
    let pods: Vec<_> = (0..most).map(|number| bench.world.bare_pod(&format!("crowd{number}"))).collect();
    let paths: Vec<_> = pods.iter().map(|pod| pod.path().display().to_string()).collect();
    let stages = [rail_of_the_crowd(&bench.ours), chain_of_the_crowd(&bench.theirs)];
    for count in PODS {
        let mut ours = || crowd(bench, &bench.ours, &stages[0], &paths[..count]);
        let mut theirs = || crowd(bench, &bench.theirs, &stages[1], &paths[..count]);
        let times = in_turns(ROUNDS, &mut [&mut ours, &mut theirs])?;
        let case = format!("{count} pods at once by `rail`, ADD");
        report.compare(case, Unit::Seconds, times.map(|times| Samples::of(&times)));
    }
    Ok(())
}

fn rail_of_the_crowd(suite: &Suite) -> Vec<Value> {
    let mut rail = crowd_config(suite);
    rail["type"] = json!("rail");
    vec![rail]
}

fn chain_of_the_crowd(suite: &Suite) -> Vec<Value> {
    let mut routing = suite.chain(1).pop().unwrap_or_default();
    routing["name"] = json!("crowd");
    vec![crowd_config(suite), routing]
}

fn crowd_config(suite: &Suite) -> Value {
    let mut config = suite.pool("crowd", &json!({ "subnet": "10.98.0.0/20", "gateway": "10.98.15.254" }));
    config["master"] = json!("rail1");
    config["mode"] = json!("bridge");
    config
}

/// What ADD in all pods took: each plugin of a chain in all of them at once.
fn crowd(bench: &Bench<'_>, suite: &Suite, stages: &[Value], pods: &[String]) -> Result<Duration> {
    let begin = Instant::now();
    let mut results = vec![Value::Null; pods.len()];
    for stage in stages {
        results = all(bench, suite, "ADD", stage, pods, &results)?;
    }
    let took = begin.elapsed();
    for stage in stages.iter().rev() {
        all(bench, suite, "DEL", stage, pods, &results)?;
    }
    Ok(took)
}

fn all(
    bench: &Bench<'_>,
    suite: &Suite,
    verb: &str,
    config: &Value,
    pods: &[String],
    previous: &[Value],
) -> Result<Vec<Value>> {
    let plugin = config["type"].as_str().context("a config without type")?;
    let start = |(number, (netns, previous)): (usize, (&String, &Value))| {
        let container_id = format!("crowd-{number}");
        let call = Call { verb, container_id: &container_id, netns, ifname: "net1" };
        let mut config = config.clone();
        if !previous.is_null() {
            config["prevResult"] = previous.clone();
        }
        start_with(&mut bench.command(suite, plugin, &call), config.to_string().as_bytes())
    };
    let children = pods.iter().zip(previous).enumerate().map(start).collect::<Result<Vec<Child>>>()?;
    let finish = |child: Child| said(&child.wait_with_output()?).with_context(|| format!("{plugin} {verb}"));
    children.into_iter().map(finish).collect()
}

/// One rail on a host with a thousand links more.
pub(crate) fn links(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let lines = |make: &dyn Fn(usize) -> String| (0..LINKS / 2).map(make).collect::<Vec<_>>().join("\n");
    bench
        .world
        .host()
        .ip_do(&lines(&|number| format!("link add many{number}a type veth peer name many{number}b")));
    let pod = bench.world.pod("many-links");
    let netns = pod.path().display().to_string();
    let outcome = one_case(bench, report, &format!("one rail among {LINKS} links of the host"), &netns, 1);
    bench.world.host().ip_do(&lines(&|number| format!("link del many{number}a")));
    outcome
}

/// One rail in a pod that has ten thousand routes, by an interface that is none of its rails: those of a NIC that is coordinated
/// are copied, and so are limited.
pub(crate) fn routes(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let pod = bench.world.pod("many-routes");
    pod.ip_do("link add other type veth peer name far\nlink set far up\nlink set other up");
    let route = |number: u32| format!("route add 100.{}.{}.0/24 dev other", number / 256, number % 256);
    pod.ip_do(&(0..ROUTES).map(route).collect::<Vec<_>>().join("\n"));
    let netns = pod.path().display().to_string();
    one_case(bench, report, &format!("one rail among {ROUTES} routes of the pod"), &netns, 1)
}

fn one_case(bench: &Bench<'_>, report: &mut Report, case: &str, netns: &str, rails: u8) -> Result<()> {
    let mut ours = || by_rail(bench, netns, rails);
    let mut theirs = || attach_and_detach(bench, &bench.theirs, netns, rails);
    let times = in_turns(ROUNDS, &mut [&mut ours, &mut theirs])?;
    let times = times.map(|times| times.into_iter().unzip::<_, _, Vec<_>, Vec<_>>());
    let adds = times.each_ref().map(|times| Samples::of(&times.0));
    report.compare(format!("{case}, ADD"), Unit::Seconds, adds);
    report.compare(
        format!("{case}, DEL"),
        Unit::Seconds,
        times.each_ref().map(|times| Samples::of(&times.1)),
    );
    Ok(())
}
