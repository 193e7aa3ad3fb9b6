//! Eight rails on VFs with their RDMA devices by one `rail`, beside the reference chain for eight macvlans in the same guest:
//! what the budgets for eight rails are about, on the devices that they are for.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::World;

use crate::exec::{Bench, Call};
use crate::measure::attach_and_detach;
use crate::options::Options;
use crate::report::{Report, Unit};
use crate::samples::{Samples, in_turns};
use crate::suite::{Suite, range};

use super::{device_of, run_program};

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
    let mut peers = || attach_and_detach(&bench, &bench.theirs, &netns, RAILS).map(|(add, del)| [add, del]);
    let [ours, theirs] = in_turns(bench.few_rounds(), &mut [&mut rail, &mut peers])?;
    for (verb, side) in [("ADD", 0), ("DEL", 1)] {
        let of =
            |both: &[[Duration; 2]]| Samples::of(&both.iter().map(|both| both[side]).collect::<Vec<_>>());
        report.compare(
            format!("eight rails on VFs by `rail`, {verb}"),
            Unit::Seconds,
            [of(&ours), of(&theirs)],
        );
    }
    Ok(())
}

fn config() -> Result<Value> {
    let vfs = [8, 1, 2, 3, 4, 5, 6, 7].into_iter().zip(0..RAILS);
    let rail = |(number, vf): (u8, u8)| -> Result<Value> {
        let device = device_of(&format!("rail{vf}v0"))?;
        Ok(json!({ "deviceID": device, "ipam": { "type": "rail-ipam", "ranges": [[range(number)]] } }))
    };
    let rails = vfs.map(rail).collect::<Result<Vec<_>>>()?;
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
