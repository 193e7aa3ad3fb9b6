use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Frame, assert_same, pause};

use super::stage::{Stage, addresses, config};

const FOUR: &str = "172.16.1.10-172.16.1.13";
const SIX: &str = "fd00:16:1::10-fd00:16:1::13";

fn conflict() -> serde_json::Value {
    json!({ "conflict": true, "interval": "20ms", "timeout": "100ms" })
}

/// ARP from nobody for an address: sender 0.0.0.0, as RFC 5227 has it.
fn is_probe_for(frame: &Frame, target: [u8; 4]) -> bool {
    !frame.outgoing
        && frame.ethertype() == 0x0806
        && frame.bytes.get(28..32) == Some(&[0; 4])
        && frame.bytes.get(38..42) == Some(&target)
}

/// An ARP packet whose sender has the address.
fn announces(frame: &Frame, sender: [u8; 4]) -> bool {
    !frame.outgoing && frame.ethertype() == 0x0806 && frame.bytes.get(28..32) == Some(&sender)
}

#[test]
fn a_free_address_is_given_after_three_unanswered_probes() {
    let stage = Stage::new();
    let before = stage.picture();
    let capture = stage.world.switch().capture();
    let start = Instant::now();
    let result = stage.plugin().add(&config(&conflict(), Some(FOUR), None)).success();
    assert!(start.elapsed() >= Duration::from_millis(140), "it did not wait: {:?}", start.elapsed());
    assert_eq!(addresses(&result), ["172.16.1.10"]);
    let frames = capture.drain();
    let on_port = frames.iter().filter(|frame| frame.ifname == stage.rail.port).collect::<Vec<_>>();
    let probes = on_port.iter().filter(|frame| is_probe_for(frame, [172, 16, 1, 10])).count();
    assert_eq!(probes, 3);
    let last = on_port.iter().rposition(|frame| is_probe_for(frame, [172, 16, 1, 10]));
    let first = on_port.iter().position(|frame| announces(frame, [172, 16, 1, 10]));
    assert!(first.is_some() && last < first, "it was announced before it was known to be free");
    stage.plugin().del(&config(&conflict(), Some(FOUR), None)).success();
    assert_same(&before, &stage.picture());
}

#[test]
fn nothing_is_asked_unless_the_network_wants_it() {
    let stage = Stage::new();
    stage.occupy(&["172.16.1.10/24"]);
    let capture = stage.world.switch().capture();
    let result = stage.plugin().add(&config(&json!(null), Some(FOUR), None)).success();
    assert_eq!(addresses(&result), ["172.16.1.10"]);
    assert!(!capture.drain().iter().any(|frame| is_probe_for(frame, [172, 16, 1, 10])));
}

/// C00007
#[test]
fn an_address_that_somebody_has_is_quarantined_and_the_next_one_given() {
    let stage = Stage::new();
    stage.occupy(&["172.16.1.10/24"]);
    stage.occupy_each(&["172.16.1.11/24"]);
    let config = config(&conflict(), Some(FOUR), None);
    let before = stage.picture();
    let outcome = stage.plugin().add(&config);
    let log = outcome.stderr.clone();
    assert_eq!(addresses(&outcome.success()), ["172.16.1.12"]);
    assert!(log.contains("172.16.1.10 for net1 is in use by 02:00:00:00:02:01"), "{log}");
    assert_eq!(stage.held(), ["172.16.1.12"]);
    assert_eq!(stage.quarantined(), ["172.16.1.10-172.16.1.11"]);
    let present = stage.pod.ip(&["-4", "addr", "show", "dev", "net1"]);
    assert_eq!(present[0]["addr_info"].as_array().map(Vec::len), Some(1), "{present}");
    stage.plugin().del(&config).success();
    assert_same(&before, &stage.picture());
    // The next pod is not even asked to try them, with detection or without.
    let mut blind = config.clone();
    blind["detection"] = json!(false);
    let next = stage.plugin().container("b").add(&blind).success();
    assert_eq!(addresses(&next), ["172.16.1.13"]);
}

/// C00018 and C00019: neither kind of pod keeps an address that others have. Where the peer has the pod of a `StatefulSet`
/// wait for its own, ours starts with another, and has that from then on.
#[test]
fn the_owner_of_a_sticky_address_that_somebody_has_moves_on_for_good() {
    let stage = Stage::new();
    let mut config = config(&conflict(), Some(FOUR), None);
    config["ipam"]["pools"][0]["sticky"] = json!(true);
    config["ipam"]["pools"][0]["rest"] = json!(0);
    let plugin = stage.plugin().args("IgnoreUnknown=1;K8S_POD_NAMESPACE=ml;K8S_POD_NAME=worker-0");
    assert_eq!(addresses(&plugin.add(&config).success()), ["172.16.1.10"]);
    plugin.del(&config).success();
    stage.occupy(&["172.16.1.10/24"]);
    assert_eq!(addresses(&plugin.add(&config).success()), ["172.16.1.11"]);
    plugin.del(&config).success();
    stage.remove_address("172.16.1.10/24");
    assert_eq!(addresses(&plugin.add(&config).success()), ["172.16.1.11"]);
    plugin.del(&config).success();
}

#[test]
fn a_quarantine_ends() {
    let stage = Stage::new();
    stage.occupy(&["172.16.1.10/24"]);
    let mut config = config(&conflict(), Some("172.16.1.10-172.16.1.11"), None);
    config["ipam"]["quarantine"] = json!(2);
    assert_eq!(addresses(&stage.plugin().add(&config).success()), ["172.16.1.11"]);
    let other = stage.world.bare_pod("b");
    let another = stage.plugin().netns(other.path()).container("b");
    let error = another.add(&config).error();
    assert_eq!(error.code, 100, "{error:?}");
    assert!(error.msg.starts_with("no address is left in pool \"four\" (172.16.1.0/24)"), "{error:?}");
    stage.remove_address("172.16.1.10/24");
    pause(Duration::from_secs(2));
    assert_eq!(addresses(&another.add(&config).success()), ["172.16.1.10"]);
}

#[test]
fn railctl_lists_a_quarantine_and_ends_it() {
    let stage = Stage::new();
    stage.occupy(&["172.16.1.10/24", "fd00:16:1::10/64"]);
    let config = config(&conflict(), Some("172.16.1.10-172.16.1.11"), Some("fd00:16:1::10-fd00:16:1::11"));
    stage.plugin().add(&config).success();
    let listed: Vec<Value> =
        serde_json::from_str(&stage.railctl(&["quarantine", "-o", "json"]).0).expect("JSON");
    let listed: Vec<_> = listed.iter().map(|one| one["address"].as_str().unwrap_or_default()).collect();
    assert_eq!(listed, ["172.16.1.10", "fd00:16:1::10"]);
    let (_, said) = stage.railctl(&["quarantine", "--release", "172.16.1.10", "172.16.1.11"]);
    assert!(said.contains("not quarantined: 172.16.1.11; nothing is changed"), "{said}");
    assert_eq!(stage.quarantined(), ["172.16.1.10", "fd00:16:1::10"]);
    let (_, said) = stage.railctl(&["quarantine", "--release", "172.16.1.10", "fd00:16:1::10"]);
    assert_eq!((said.as_str(), stage.quarantined()), ("", Vec::new()));
    assert_eq!(stage.railctl(&["quarantine"]).0, "no address is quarantined\n");
    stage.plugin().del(&config).success();
    stage.remove_address("172.16.1.10/24");
    stage.remove_address("fd00:16:1::10/64");
    // The others rest now, and these are as good as new.
    assert_eq!(addresses(&stage.plugin().add(&config).success()), ["172.16.1.10", "fd00:16:1::10"]);
}

#[test]
fn an_ipv6_address_that_somebody_has_is_not_kept() {
    let stage = Stage::new();
    stage.occupy(&["fd00:16:1::10/64"]);
    let config = config(&conflict(), None, Some(SIX));
    let before = stage.picture();
    assert_eq!(addresses(&stage.plugin().add(&config).success()), ["fd00:16:1::11"]);
    assert_eq!(stage.quarantined(), ["fd00:16:1::10"]);
    let present = stage.pod.ip(&["-6", "addr", "show", "dev", "net1", "scope", "global"]);
    let locals = present[0]["addr_info"].as_array().into_iter().flatten();
    // What a filter of `ip -j` leaves out is an empty object.
    let locals: Vec<_> = locals.filter(|local| !local["local"].is_null()).collect();
    assert!(locals.len() == 1 && locals[0]["local"] == "fd00:16:1::11", "{present}");
    assert!(locals[0]["tentative"].is_null() && locals[0]["dadfailed"].is_null(), "{present}");
    stage.plugin().del(&config).success();
    assert_same(&before, &stage.picture());
}

/// A pod whose kernel detects nothing by default does so for the address, and is left as it was.
#[test]
fn detection_does_not_depend_on_the_pods_settings_nor_changes_them() {
    let stage = Stage::new();
    stage.occupy(&["fd00:16:1::10/64"]);
    for (name, value) in [("accept_dad", "0"), ("dad_transmits", "0"), ("router_solicitation_delay", "3")] {
        stage.pod.set_sysctl(&format!("net/ipv6/conf/default/{name}"), value);
    }
    let mut config = config(&conflict(), Some(FOUR), Some(SIX));
    config["detection"]["gateway"] = json!(true);
    assert_eq!(addresses(&stage.plugin().add(&config).success()), ["172.16.1.10", "fd00:16:1::11"]);
    for (name, value) in [("accept_dad", "0"), ("dad_transmits", "0"), ("router_solicitation_delay", "3")] {
        assert_eq!(stage.pod.sysctl(&format!("net/ipv6/conf/net1/{name}")), value, "{name}");
    }
    for family in ["ipv4", "ipv6"] {
        for name in ["mcast_solicit", "retrans_time_ms"] {
            let of = |ifname| stage.pod.sysctl(&format!("net/{family}/neigh/{ifname}/{name}"));
            assert_eq!(of("net1"), of("lo"), "{family} {name}");
        }
    }
}

#[test]
fn both_families_move_on_together() {
    let stage = Stage::new();
    stage.occupy(&["172.16.1.10/24", "fd00:16:1::10/64", "fd00:16:1::11/64"]);
    let config = config(&conflict(), Some(FOUR), Some(SIX));
    assert_eq!(addresses(&stage.plugin().add(&config).success()), ["172.16.1.11", "fd00:16:1::12"]);
    assert_eq!(stage.held(), ["172.16.1.11", "fd00:16:1::12"]);
    assert_eq!(stage.quarantined(), ["172.16.1.10", "fd00:16:1::10-fd00:16:1::11"]);
}

#[test]
fn a_pool_that_others_have_used_up() {
    let stage = Stage::new();
    stage.occupy(&["172.16.1.11/24"]);
    stage.occupy_each(&["172.16.1.10/24"]);
    let config = config(&conflict(), Some("172.16.1.10-172.16.1.11"), None);
    let error = stage.refused(&config);
    assert_eq!(error.code, 100, "{error:?}");
    assert!(error.msg.starts_with("no address is left in pool \"four\" (172.16.1.0/24)"), "{error:?}");
    let said = ", after address 172.16.1.11 for net1 is in use by 02:00:00:00:02:01";
    assert!(error.msg.contains(said), "{error:?}");
    assert_eq!(stage.quarantined(), ["172.16.1.10-172.16.1.11"]);
    let start = Instant::now();
    assert!(stage.refused(&config).msg.starts_with("no address is left in pool \"four\" (172.16.1.0/24)"));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn after_eight_conflicts_add_gives_up() {
    let stage = Stage::new();
    let occupied: Vec<_> = (10..30).map(|host| format!("172.16.1.{host}/24")).collect();
    stage.occupy_each(&occupied.iter().map(String::as_str).collect::<Vec<_>>());
    let error = stage.refused(&config(&conflict(), Some("172.16.1.10-172.16.1.40"), None));
    assert_eq!(error.code, 102, "{error:?}");
    assert!(error.msg.starts_with("8 addresses for net1, one after another, are in use"), "{error:?}");
    assert_eq!(stage.quarantined(), ["172.16.1.10-172.16.1.17"]);
}

/// A neighbour that answers every probe took a pool of fifty away in seven ADDs, for an hour and over reboots.
#[test]
fn a_host_that_answers_for_every_address_costs_one() {
    let stage = Stage::new();
    let occupied: Vec<_> = (10..60).map(|host| format!("172.16.1.{host}/24")).collect();
    stage.occupy(&occupied.iter().map(String::as_str).collect::<Vec<_>>());
    let config = config(&conflict(), Some("172.16.1.10-172.16.1.59"), None);
    for _ in 0..4 {
        let error = stage.refused(&config);
        assert_eq!(error.code, 102, "{error:?}");
        let said = "is in use by 02:00:00:00:02:01: take it out of the pool (excludeIPs), or find who has it; 02:00:00:00:02:01 \
                    said so of 172.16.1.10, too";
        assert!(error.msg.contains(said), "{error:?}");
        assert_eq!(stage.quarantined(), ["172.16.1.10"]);
    }
    for address in &occupied {
        stage.remove_address(address);
    }
    stage.plugin().add(&config).success();
}

#[test]
fn a_requested_address_that_somebody_has() {
    let stage = Stage::new();
    stage.occupy(&["172.16.1.12/24"]);
    let mut config = config(&conflict(), Some(FOUR), None);
    config["args"] = json!({ "cni": { "ips": ["172.16.1.12"] } });
    let error = stage.refused(&config);
    assert_eq!(error.code, 7, "{error:?}");
    assert!(
        error.msg.contains("after address 172.16.1.12 for net1 is in use by 02:00:00:00:02:01"),
        "{error:?}"
    );
    assert_eq!(stage.quarantined(), ["172.16.1.12"]);
}

/// The reference IPAM cannot be told why its address is not wanted: it gets it back, and ADD fails.
#[test]
fn an_address_of_another_ipam() {
    let stage = Stage::new();
    stage.occupy(&["172.16.1.10/24"]);
    let mut config = config(&conflict(), Some(FOUR), None);
    config["cniVersion"] = json!("1.0.0");
    let data = stage.world.dirs().scratch.join("host-local");
    config["ipam"] = json!({ "type": "host-local", "dataDir": data, "ranges": [[
        { "subnet": "172.16.1.0/24", "rangeStart": "172.16.1.10", "rangeEnd": "172.16.1.11" }]] });
    let own = testkit::binary("macvlan");
    let path = format!("{}:/usr/lib/cni", own.parent().unwrap_or(Path::new("/")).display());
    let plugin = stage.plugin().env("CNI_PATH", path);
    let before = stage.picture();
    let error = plugin.add(&config).error();
    assert_eq!(error.code, 102, "{error:?}");
    let said = "address 172.16.1.10 for net1 is in use by 02:00:00:00:02:01";
    assert!(error.msg.starts_with(said), "{error:?}");
    assert_same(&before, &stage.picture());
    assert!(!data.join("rail1/172.16.1.10").exists(), "its lease is left");
    // It goes round by itself.
    assert_eq!(addresses(&plugin.add(&config).success()), ["172.16.1.11"]);
}

#[test]
fn a_link_without_carrier_cannot_ask() {
    let stage = Stage::new();
    stage.world.switch().ip_do(&format!("link set {} down", stage.rail.port));
    let error = stage.plugin().add(&config(&conflict(), Some(FOUR), None)).error();
    assert!(!stage.pod.has_link("net1") && stage.held().is_empty());
    assert!(error.msg.contains("net1 had no carrier after 5000 ms"), "{error:?}");
}

#[test]
fn a_bad_key_changes_nothing() {
    let stage = Stage::new();
    let error = stage.refused(&config(&json!({ "conflict": true, "timeout": "1h" }), Some(FOUR), None));
    assert_eq!(error.code, 7);
    assert!(error.msg.starts_with("detection.timeout \"1h\": expected a time from 10ms to 10s"), "{error:?}");
}

/// A network whose key came to mean nothing is told before its next pod starts.
#[test]
fn check_and_status_refuse_a_bad_key_too() {
    let stage = Stage::new();
    let good = config(&json!(false), Some(FOUR), None);
    let result = stage.plugin().add(&good).success();
    for plugin in ["macvlan", "rail"] {
        let mut bad = good.clone();
        bad["type"] = json!(plugin);
        bad["detection"] = json!({ "gateway": true, "retries": 11 });
        bad["prevResult"] = result.clone();
        let plugin = stage.world.plugin(plugin).netns(stage.pod.path());
        for outcome in [plugin.check(&bad), plugin.status(&bad)] {
            let error = outcome.error();
            assert_eq!((error.code, error.msg.as_str()), (7, "detection.retries 11: expected 1 to 10"));
        }
    }
    stage.plugin().del(&good).success();
}
