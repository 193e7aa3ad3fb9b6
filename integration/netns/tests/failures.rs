//! What does not depend on what failed is done all the same.

use netns_tests::suite::{Binary, Stage, pool, with};
use serde_json::json;
use testkit::{Scope, assert_same};

/// The link cannot be deleted, and its addresses come free all the same.
#[test]
fn a_failed_link_does_not_hold_the_address_back() {
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
    for point in &sends {
        plugin.add(&config).success();
        plugin.fail_at("DEL", &config, Scope::Plugin, point, "ENOBUFS");
        ipam.add(&config).success();
        ipam.del(&config).success();
        plugin.del(&config).success();
    }
    assert!(!sends.is_empty());
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
