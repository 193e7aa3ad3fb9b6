use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::exec::{Bench, Call, said, start_with};
use crate::report::{Report, Unit};
use crate::samples::{Samples, in_turns};
use crate::suite::Suite;

const VERSION: Call<'_> = Call { verb: "VERSION", container_id: "", netns: "", ifname: "" };

/// None of those that are timed.
const RAIL: u8 = 200;

/// The largest of the plugins that the peers' package has nothing like.
const OTHERS: [&str; 3] = ["sriov", "ib-sriov", "rail"];

/// Spawn, answer VERSION, exit.
pub(crate) fn version(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    let config = json!({ "cniVersion": "1.0.0" });
    let ask = |suite: &Suite, plugin| Ok(bench.run(suite, plugin, &VERSION, &config)?.0);
    for (ours, theirs) in pairs(bench) {
        let mut sides = (|| ask(&bench.ours, ours), || ask(&bench.theirs, theirs));
        let times = in_turns(bench.rounds, &mut [&mut sides.0, &mut sides.1])?;
        report.compare(
            format!("VERSION of {}", both(ours, theirs)),
            Unit::Seconds,
            times.map(|it| Samples::of(&it)),
        );
    }
    Ok(())
}

/// Instructions in user space of the same, which do not depend on the machine.
pub(crate) fn instructions(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        report.note("instructions are not counted: valgrind is not installed");
        return Ok(());
    }
    for (ours, theirs) in pairs(bench) {
        let case = format!("instructions of {}, VERSION", both(ours, theirs));
        match (count(bench, &bench.ours, ours)?, count(bench, &bench.theirs, theirs)?) {
            (Some(ours), Some(theirs)) => report.compare(case, Unit::Count, [ours, theirs].map(Samples::one)),
            _ => report.note(&format!("{case}: valgrind could not run one of them")),
        }
    }
    Ok(())
}

fn count(bench: &Bench<'_>, suite: &Suite, plugin: &str) -> Result<Option<f64>> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(suite.path(plugin));
    let mut command = bench.wrapped(valgrind, suite, &VERSION);
    // The signals by which Go's scheduler preempts make callgrind give up.
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("GODEBUG", "asyncpreemptoff=1");
    let output = start_with(&mut command, b"{\"cniVersion\":\"1.0.0\"}")?.wait_with_output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    Ok(stderr.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok()))
}

/// Bytes of the file, and of memory at most in an ADD; that of macvlan includes the IPAM plugin, which it waits for.
pub(crate) fn size_and_memory(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    for (ours, theirs) in pairs(bench) {
        let size = |suite: &Suite, plugin| Ok::<_, anyhow::Error>(suite.path(plugin).metadata()?.len());
        let sizes = [size(&bench.ours, ours)?, size(&bench.theirs, theirs)?];
        #[expect(clippy::cast_precision_loss, reason = "no file here has 2^53 bytes")]
        report.compare(
            format!("size of {}", both(ours, theirs)),
            Unit::Bytes,
            sizes.map(|it| Samples::one(it as f64)),
        );
    }
    for plugin in OTHERS {
        #[expect(clippy::cast_precision_loss, reason = "no file here has 2^53 bytes")]
        let size = bench.ours.path(plugin).metadata()?.len() as f64;
        report.alone(format!("size of `{plugin}`"), Unit::Bytes, Samples::one(size));
    }
    let pod = bench.world.pod("memory");
    bench.world.rail(RAIL);
    let netns = pod.path().display().to_string();
    let (ours, theirs) = (memory(bench, &bench.ours, &netns)?, memory(bench, &bench.theirs, &netns)?);
    for ((ours, theirs), sides) in pairs(bench).into_iter().zip(ours.into_iter().zip(theirs)) {
        let case = format!("memory of {}, ADD", both(ours, theirs));
        report.compare(case, Unit::Bytes, [Samples::one(sides.0), Samples::one(sides.1)]);
    }
    Ok(())
}

/// Of the plugins of one rail, in the order of [`Suite::plugins`].
fn memory(bench: &Bench<'_>, suite: &Suite, netns: &str) -> Result<[f64; 3]> {
    let [mut link, mut routing] = <[Value; 2]>::try_from(suite.chain(RAIL)).ok().context("a chain of two")?;
    let call = |verb, container_id| Call { verb, container_id, netns, ifname: "net1" };
    let (ipam_kb, _) = add_in_bare(bench, suite, suite.ipam(), &call("ADD", "alone"), &link)?;
    let (link_kb, result) = add_in_bare(bench, suite, "macvlan", &call("ADD", "pod"), &link)?;
    routing["prevResult"] = result;
    let (routing_kb, result) = add_in_bare(bench, suite, suite.plugins()[1], &call("ADD", "pod"), &routing)?;
    link["prevResult"] = result;
    bench.run(suite, suite.plugins()[1], &call("DEL", "pod"), &routing)?;
    bench.run(suite, "macvlan", &call("DEL", "pod"), &link)?;
    bench.run(suite, suite.ipam(), &call("DEL", "alone"), &link)?;
    Ok([link_kb, routing_kb, ipam_kb])
}

fn add_in_bare(
    bench: &Bench<'_>,
    suite: &Suite,
    plugin: &str,
    call: &Call<'_>,
    config: &Value,
) -> Result<(f64, Value)> {
    let mut bare = Command::new(&bench.bare);
    bare.arg("memory").arg(suite.path(plugin));
    let mut command = bench.wrapped(bare, suite, call);
    let output: Output = start_with(&mut command, config.to_string().as_bytes())?.wait_with_output()?;
    let result = said(&output).with_context(|| format!("{plugin} ADD"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let kilobytes: f64 =
        stderr.lines().last().unwrap_or_default().parse().context("the memory of a child")?;
    ensure!(kilobytes > 0.0, "{plugin} used no memory");
    Ok((kilobytes * 1024.0, result))
}

fn pairs(bench: &Bench<'_>) -> [(&'static str, &'static str); 3] {
    let (ours, theirs) = (bench.ours.plugins(), bench.theirs.plugins());
    [0, 1, 2].map(|index| (ours[index], theirs[index]))
}

/// `rail-ipam | host-local`
fn both(ours: &str, theirs: &str) -> String {
    if ours == theirs { ours.to_owned() } else { format!("{ours} | {theirs}") }
}
