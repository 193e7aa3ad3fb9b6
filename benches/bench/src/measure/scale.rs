//! How the time of `rail` grows: with rails, with pods at once, with links on the host, with routes in the pod.

use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::rails::by_rail;
use crate::exec::{Bench, Call, said, start_with};
use crate::report::{Report, Unit};
use crate::samples::Samples;

const RAILS: u8 = 64;
const PODS: [usize; 4] = [1, 8, 64, 256];
const LINKS: usize = 1_000;
const ROUTES: u32 = 10_000;
/// Each of these takes its time.
const ROUNDS: usize = 5;

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
    for count in PODS {
        let rounds = (0..=ROUNDS).map(|_| {
            let took = all(bench, "ADD", &paths[..count])?;
            all(bench, "DEL", &paths[..count])?;
            Ok(took)
        });
        let times = rounds.collect::<Result<Vec<_>>>()?;
        report.alone(format!("{count} pods at once by `rail`, ADD"), Unit::Seconds, Samples::of(&times[1..]));
    }
    Ok(())
}

fn all(bench: &Bench<'_>, verb: &str, pods: &[String]) -> Result<Duration> {
    let ipam = json!({ "type": bench.ours.ipam(), "ranges": [[{ "subnet": "10.98.0.0/20", "gateway": "10.98.15.254" }]] });
    let config: Value = json!({ "cniVersion": "1.1.0", "name": "crowd", "type": "rail", "master": "rail1", "mode": "bridge", "ipam": ipam });
    let config = config.to_string();
    let begin = Instant::now();
    let start = |(number, netns): (usize, &String)| {
        let container_id = format!("crowd-{number}");
        let call = Call { verb, container_id: &container_id, netns, ifname: "net1" };
        start_with(&mut bench.command(&bench.ours, "rail", &call), config.as_bytes())
    };
    let children = pods.iter().enumerate().map(start).collect::<Result<Vec<Child>>>()?;
    for child in children {
        said(&child.wait_with_output()?).with_context(|| format!("rail {verb}"))?;
    }
    Ok(begin.elapsed())
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

/// One rail in a pod that has ten thousand routes.
pub(crate) fn routes(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let pod = bench.world.pod("many-routes");
    let route = |number: u32| format!("route add 100.{}.{}.0/24 dev eth0", number / 256, number % 256);
    pod.ip_do(&(0..ROUTES).map(route).collect::<Vec<_>>().join("\n"));
    let netns = pod.path().display().to_string();
    one_case(bench, report, &format!("one rail among {ROUTES} routes of the pod"), &netns, 1)
}

fn one_case(bench: &Bench<'_>, report: &mut Report, case: &str, netns: &str, rails: u8) -> Result<()> {
    let times = (0..=ROUNDS).map(|_| by_rail(bench, netns, rails)).collect::<Result<Vec<_>>>()?;
    let (adds, dels): (Vec<_>, Vec<_>) = times.into_iter().skip(1).unzip();
    report.alone(format!("{case}, ADD"), Unit::Seconds, Samples::of(&adds));
    report.alone(format!("{case}, DEL"), Unit::Seconds, Samples::of(&dels));
    Ok(())
}
