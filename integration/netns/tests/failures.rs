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
    let ipam = stage.plugin(Binary::named("rail-ipam")).container("other");
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
