use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{assert_same, pause};

use super::stage::{Stage, addresses, config};

const FOUR: &str = "172.16.1.10-172.16.1.13";
const SIX: &str = "fd00:16:1::10-fd00:16:1::13";

fn gateway() -> Value {
    json!({ "gateway": true, "interval": "20ms", "timeout": "100ms" })
}

#[test]
fn a_gateway_that_answers_is_not_waited_for() {
    let stage = Stage::new();
    let patient = json!({ "gateway": true, "timeout": "10s" });
    let before = stage.picture();
    let start = Instant::now();
    let result = stage.plugin().add(&config(&patient, Some(FOUR), None)).success();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(addresses(&result), ["172.16.1.10"]);
    let neighbours = stage.pod.ip(&["neigh", "show", "172.16.1.254"]);
    assert_eq!(neighbours[0]["lladdr"], "02:00:00:00:02:01", "{neighbours}");
    stage.plugin().del(&config(&patient, Some(FOUR), None)).success();
    assert_same(&before, &stage.picture());
}

/// C00009
#[test]
fn a_silent_gateway_fails_add_and_leaves_nothing() {
    let stage = Stage::new();
    stage.remove_address("172.16.1.254/24");
    let start = Instant::now();
    let error = stage.refused(&config(&gateway(), Some(FOUR), None));
    assert_eq!(error.code, 103, "{error:?}");
    let said =
        "gateway 172.16.1.254 does not answer on net1: 3 ARP requests in 140 ms; check the pool's gateway";
    assert!(error.msg.starts_with(said), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(stage.quarantined().is_empty(), "the address is not to blame");
}

#[test]
fn three_requests_are_sent_to_a_silent_gateway() {
    let stage = Stage::new();
    stage.remove_address("172.16.1.254/24");
    let capture = stage.world.switch().capture();
    stage.plugin().add(&config(&gateway(), Some(FOUR), None)).error();
    let asks = |frame: &&testkit::Frame| {
        !frame.outgoing
            && frame.ifname == stage.rail.port
            && frame.ethertype() == 0x0806
            && frame.bytes.get(28..32) == Some(&[172, 16, 1, 10])
            && frame.bytes.get(38..42) == Some(&[172, 16, 1, 254])
    };
    assert_eq!(capture.drain().iter().filter(asks).count(), 3);
}

#[test]
fn a_silent_ipv6_gateway() {
    let stage = Stage::new();
    stage.remove_address("fd00:16:1::fe/64");
    let error = stage.refused(&config(&gateway(), Some(FOUR), Some(SIX)));
    assert_eq!(error.code, 103, "{error:?}");
    let said = "gateway fd00:16:1::fe does not answer on net1: 3 NDP requests in 140 ms";
    assert!(error.msg.starts_with(said), "{error:?}");
}

#[test]
fn gateways_of_both_families_answer() {
    let stage = Stage::new();
    let result = stage.plugin().add(&config(&gateway(), Some(FOUR), Some(SIX))).success();
    assert_eq!(addresses(&result), ["172.16.1.10", "fd00:16:1::10"]);
}

/// It comes up while it is asked for: a later request finds it.
#[test]
fn a_gateway_that_comes_late() {
    let stage = Stage::new();
    stage.remove_address("172.16.1.254/24");
    let slow = json!({ "gateway": true, "retries": 10, "interval": "500ms", "timeout": "5s" });
    let (switch, port) = (stage.world.switch().clone(), stage.rail.port.clone());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pause(Duration::from_millis(700));
            switch.ip_do(&format!("addr add 172.16.1.254/24 dev {port}"));
        });
        stage.plugin().add(&config(&slow, Some(FOUR), None)).success();
    });
}

/// The only request is not answered for so long that the kernel has given up; then the gateway speaks up.
#[test]
fn a_gateway_that_answers_late() {
    let stage = Stage::new();
    let (switch, port) = (stage.world.switch().clone(), stage.rail.port.clone());
    switch.set_sysctl(&format!("net/ipv4/conf/{port}/arp_ignore"), "8");
    let patient = json!({ "gateway": true, "retries": 1, "interval": "10ms", "timeout": "8s" });
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pause(Duration::from_millis(900));
            switch.exec(&["ping", "-c", "3", "-i", "0.5", "-W", "1", "172.16.1.10"]);
        });
        stage.plugin().add(&config(&patient, Some(FOUR), None)).success();
    });
}

#[test]
fn without_a_gateway_there_is_nothing_to_wait_for() {
    let stage = Stage::new();
    let mut config = config(&gateway(), Some(FOUR), None);
    config["ipam"]["pools"][0]["gateway"] = Value::Null;
    let outcome = stage.plugin().add(&config);
    assert!(outcome.stderr.contains("no gateway to detect"), "{outcome}");
    outcome.success();
}

#[test]
fn a_conflict_comes_before_a_silent_gateway() {
    let stage = Stage::new();
    // First, or the kernel would take the second address with the first.
    stage.remove_address("172.16.1.254/24");
    stage.occupy(&["172.16.1.10/24"]);
    let both = json!({ "conflict": true, "gateway": true, "interval": "20ms" });
    let error = stage.refused(&config(&both, Some(FOUR), None));
    assert_eq!(error.code, 103, "{error:?}");
    assert_eq!(stage.quarantined(), ["172.16.1.10"]);
}
