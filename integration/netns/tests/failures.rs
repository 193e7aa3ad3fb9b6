//! What does not depend on what failed is done all the same, and what does is not.

use netns_tests::suite::{Binary, Stage, pool, with};
use serde_json::json;
use testkit::{Scope, assert_same};

/// A link that could not be deleted may answer for its address: nobody gets that until it is gone.
#[test]
fn an_address_stays_taken_while_its_link_is_there() {
    let (stage, binary) = (Stage::new(), Binary::named("macvlan"));
    let one = json!({ "type": "rail-ipam", "pools": [pool("one", "172.16.1.10-172.16.1.10")] });
    let config = with(stage.ready(binary, "1.1.0"), &json!({ "ipam": one }));
    let plugin = stage.plugin(binary);
    // In this pod the address is still there.
    let other = stage.world.bare_pod("other");
    let ipam = stage.plugin(Binary::named("rail-ipam")).container("other").netns(other.path());
    plugin.add(&config).success();
    plugin.del(&config).success();
    let before = stage.world.snapshot().without("file state/ipam");
    plugin.add(&config).success();
    let sends = plugin.trace("DEL", &config, "sendto", Scope::Plugin).points();
    let mut kept = 0;
    for point in &sends {
        plugin.add(&config).success();
        // One call that fails is made good by the next: what still has the address is looked for.
        plugin.fail_from("DEL", &config, Scope::Plugin, point, "ENOBUFS");
        if stage.pod.has_link("net1") {
            kept += 1;
            assert_eq!(ipam.add(&config).error().code, 100, "{point}");
        }
        plugin.del(&config).success();
        ipam.add(&config).success();
        ipam.del(&config).success();
    }
    assert!(kept > 0, "no call deletes the link");
    assert_same(&before, &stage.world.snapshot().without("file state/ipam"));
}

/// The disk says no when it is asked to keep the owner of a sticky address: ADD fails, and so has no lease.
#[test]
fn an_add_that_fails_at_the_disk_has_no_lease() {
    for name in ["rail-ipam", "macvlan", "rail"] {
        let (stage, binary) = (Stage::new(), Binary::named(name));
        let mut sticky = pool("sticky", "172.16.1.10-172.16.1.10");
        sticky["spec"]["sticky"] = json!(true);
        let mut config = stage.ready(binary, "1.1.0");
        let ipam = json!({ "type": "rail-ipam", "pools": [sticky] });
        config["ipam"] = ipam;
        let before = stage.kernel();
        let plugin = |owner: &str| {
            let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=ml;K8S_POD_NAME={owner}");
            stage.plugin(binary).args(&args)
        };
        let first = plugin("first").trace("ADD", &config, "fdatasync", Scope::Plugin);
        first.outcome.success();
        plugin("first").del(&config).success();
        let points = plugin("second").trace("ADD", &config, "fdatasync", Scope::Plugin).points();
        plugin("second").del(&config).success();
        assert!(!points.is_empty(), "{name} waits for no disk");
        for (number, point) in points.iter().enumerate() {
            let owner = format!("third-{number}");
            let failed = plugin(&owner).fail_at("ADD", &config, Scope::Plugin, point, "EIO").outcome.error();
            assert!(failed.msg.contains("sync ") && failed.msg.contains("owners"), "{name}: {failed:?}");
            assert_same(&before, &stage.kernel());
        }
    }
}
