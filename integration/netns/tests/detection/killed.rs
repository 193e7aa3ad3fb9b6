use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;

use serde_json::{Value, json};
use testkit::{Call, Chain, Matrix, Rail, Scope, Share, World, assert_same, matrix_tests};

use super::stage::{Stage, config};

/// What can leave a trace: netlink requests, files, delegates and threads, and the output.
const CHANGES: &str = "sendto,sendmsg,sendmmsg,write,writev,pwrite64,rename,renameat,renameat2,unlink,unlinkat,mkdir,\
                       mkdirat,openat,?open,ftruncate,fork,vfork,clone,clone3,setns,flock";

fn quick() -> Value {
    json!({ "conflict": true, "gateway": true, "retries": 1, "interval": "10ms", "timeout": "20ms" })
}

/// Killed at every point of an ADD that meets a conflict in each family, and then does not: DEL leaves nothing.
#[test]
fn add_with_detection_killed_anywhere_is_undone_by_del() {
    let stage = Stage::new();
    stage.occupy(&["172.16.1.10/24", "fd00:16:1::10/64"]);
    let mut config = config(&quick(), Some("172.16.1.10-172.16.1.11"), Some("fd00:16:1::10-fd00:16:1::11"));
    // Over before the next ADD, which is to meet the same conflicts.
    config["ipam"]["quarantine"] = json!(0);
    for pool in 0..2 {
        config["ipam"]["pools"][pool]["rest"] = json!(0);
    }
    let plugin = stage.plugin();
    let before = stage.picture();
    let trace = plugin.trace("ADD", &config, CHANGES, Scope::Plugin);
    let points: Vec<Call> = trace.points();
    trace.outcome.success();
    plugin.del(&config).success();
    assert_same(&before, &stage.picture());
    assert!(points.len() > 40, "only {} points", points.len());
    for point in &points {
        let killed = plugin.kill_at("ADD", &config, Scope::Plugin, point);
        // Which address is met first goes round, and with it how many calls there are.
        if killed.outcome.status.signal() != Some(9) {
            assert!(killed.outcome.status.success(), "{point}: {}", killed.outcome);
        }
        plugin.del(&config).success();
        assert!(!stage.pod.has_link("net1"), "{point}: the link is left");
        assert_same(&before, &stage.picture());
        assert!(stage.held().is_empty(), "{point}: leases are left: {:?}", stage.held());
    }
}

/// Two rails in one network, whose addresses are free and whose gateways answer: the settings that hold for a detection go
/// with the links that it was about.
fn rails(run: impl FnOnce(&Matrix<'_>)) {
    let world = World::new();
    let pod = world.pod("a");
    pod.set_sysctl("net/ipv6/conf/default/accept_dad", "0");
    let of = |rail: &Rail| {
        let range = |subnet: String, one: IpAddr, gateway: IpAddr| json!([{ "subnet": subnet, "rangeStart": one, "rangeEnd": one, "gateway": gateway }]);
        let four = range(rail.subnet4(), rail.address4(10).into(), rail.gateway4().into());
        let six = range(rail.subnet6(), rail.address6(0x10).into(), rail.gateway6().into());
        json!({ "master": rail.master, "ipam": { "type": "rail-ipam", "ranges": [four, six] } })
    };
    let rails: Vec<_> = (1..=2).map(|number| of(&world.rail(number))).collect();
    let config = json!({ "cniVersion": "1.1.0", "name": "rails", "type": "rail", "detection": quick(), "rails": rails });
    let chain = Chain::default().first(world.plugin("rail").netns(pod.path()), config);
    run(&Matrix::new("rail, detection", &world, chain, Share::About(60), &[]));
}

matrix_tests! { rails }

mod conflict {
    use super::*;

    /// Another host has the first address: its objection is taken down and the address quarantined, each on its way to the disk
    /// when the end comes. Both are remembered as long as they hold, and nothing else of the pod.
    fn in_conflict(run: impl FnOnce(&Matrix<'_>)) {
        let stage = Stage::new();
        stage.pod.set_sysctl("net/ipv6/conf/default/accept_dad", "0");
        stage.occupy(&["172.16.1.10/24"]);
        let mut config = config(&quick(), Some("172.16.1.10-172.16.1.11"), None);
        config["ipam"]["quarantine"] = json!(0);
        config["ipam"]["pools"][0]["rest"] = json!(0);
        let chain = Chain::default().first(stage.plugin(), config);
        // Of a writer who was killed there is a part, which the next one writes over.
        let remembered = ["file state/detection/", "file durable/ipam/"];
        run(&Matrix::new("macvlan in conflict", &stage.world, chain, Share::About(60), &remembered));
    }

    matrix_tests! { in_conflict }
}
