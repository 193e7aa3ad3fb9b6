//! Eight rails on VFs with their RDMA devices by one `rail`, in turns with their bare messages (a process each) and with the reference
//! chain for eight macvlans.
//!
//! The budgets for eight macvlans, 0.06 and 0.15 of the peers' time, leave no room for VFs of an emulated device: their bare messages
//! alone take 0.12 and 0.15 of it. So VFs are held against those.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::World;

use crate::exec::{Bench, Call, timed};
use crate::measure::attach_and_detach;
use crate::options::Options;
use crate::report::{Report, Unit};
use crate::samples::{Samples, in_turns};
use crate::suite::{Suite, range};

use super::{bare_arguments, device_of, rdma_of, run_program};

const RAILS: u8 = 8;

pub(super) fn measure(options: &Options, report: &mut Report) -> Result<()> {
    // The suites call rails by numbers from one on.
    run_program("ip", &["link", "set", "rail0", "down"])?;
    run_program("ip", &["link", "set", "rail0", "name", "rail8", "up"])?;
    let world = World::of_guest();
    let pod = world.pod("eight");
    let (ours, theirs) = (Suite::find(&options.bin_dir)?, Suite::find(&options.peer_dir)?);
    let bench = Bench { world: &world, ours, theirs, bare: options.bare.clone(), rounds: options.rounds };
    let netns = pod.path().display().to_string();
    let config = config()?;
    let mut rail = || by_rail(&bench, &netns, &config);
    let bare_rails = bare_rails()?;
    let mut bare = || by_bare(options, &bare_rails);
    let mut peers = || attach_and_detach(&bench, &bench.theirs, &netns, RAILS).map(|(add, del)| [add, del]);
    let [ours, bare, theirs] = in_turns(bench.few_rounds(), &mut [&mut rail, &mut bare, &mut peers])?;
    for (verb, side) in [("ADD", 0), ("DEL", 1)] {
        let of =
            |both: &[[Duration; 2]]| Samples::of(&both.iter().map(|both| both[side]).collect::<Vec<_>>());
        report.floor(&format!("bare messages of eight rails on VFs, {verb}"), of(&bare));
        report.compare(
            format!("eight rails on VFs by `rail`, {verb}"),
            Unit::Seconds,
            [of(&ours), of(&theirs)],
        );
    }
    Ok(())
}

/// The number of a rail, and its VF.
fn vfs() -> impl Iterator<Item = (u8, String)> {
    (1..=RAILS).map(|number| (number, format!("rail{}v0", number % RAILS)))
}

fn config() -> Result<Value> {
    let rail = |(number, vf): (u8, String)| -> Result<Value> {
        let ipam = json!({ "type": "rail-ipam", "ranges": [[range(number)]] });
        Ok(json!({ "deviceID": device_of(&vf)?, "ipam": ipam }))
    };
    let rails = vfs().map(rail).collect::<Result<Vec<_>>>()?;
    Ok(json!({ "cniVersion": "1.1.0", "name": "rails", "type": "rail", "link": "sriov", "rdma": "exclusive",
               "vlan": 100, "spoofchk": "on", "trust": "on", "rails": rails }))
}

fn by_rail(bench: &Bench<'_>, netns: &str, config: &Value) -> Result<[Duration; 2]> {
    let mut config = config.clone();
    let call = |verb| Call { verb, container_id: "bench-pod", netns, ifname: "net1" };
    let (added, result) = bench.run(&bench.ours, "rail", &call("ADD"), &config)?;
    config["prevResult"] = result;
    let (deleted, _) = bench.run(&bench.ours, "rail", &call("DEL"), &config).context("eight rails on VFs")?;
    Ok([added, deleted])
}

/// Each in a namespace of its own, as `bare` calls every interface net1.
fn bare_rails() -> Result<Vec<Vec<String>>> {
    let rail = |(number, vf): (u8, String)| {
        let name = format!("bare{number}");
        run_program("ip", &["netns", "add", &name])?;
        let netns = format!("/run/netns/{name}");
        let (address, gateway) = (format!("172.16.{number}.10/24"), format!("172.16.{number}.254"));
        let mut arguments = bare_arguments(&format!("rail{number}"), &vf, &netns, &address, &gateway)?;
        arguments.push(rdma_of(&vf)?);
        Ok(arguments)
    };
    vfs().map(rail).collect()
}

fn by_bare(options: &Options, rails: &[Vec<String>]) -> Result<[Duration; 2]> {
    let all = |verb: &str| {
        let one = |arguments: &Vec<String>| {
            let mut command = Command::new(&options.bare);
            command.arg(verb).args(arguments);
            Ok(timed(command, &Value::Null).with_context(|| format!("bare {verb}"))?.0)
        };
        rails.iter().map(one).sum::<Result<Duration>>()
    };
    Ok([all("vf-add")?, all("vf-del")?])
}
