use std::time::Duration;

use serde_json::json;
use state::Lock;

use crate::node::{Node, network, pool, using};

fn node() -> Node {
    Node::with_pools(&pool("rail", "{subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.4]}"))
}

#[test]
fn a_lock_that_stays_taken_is_try_again_later() {
    let node = node();
    let mut config = using(&["rail"]);
    config["ipam"]["lockTimeout"] = 0.into();
    node.add("a", &config);
    let held = Lock::acquire(&node.path("state/ipam/lock"), Duration::ZERO).unwrap();
    let (code, message) = node.refusal("b", &config);
    assert_eq!(code, 11);
    assert!(message.contains(&format!("by process {}", std::process::id())), "{message}");
    assert!(node.run("STATUS", "", &config).ok, "asking needs no lock");
    drop(held);
    // With the time to wait: another test's fork may hold our descriptors for the moment before its exec.
    assert_eq!(node.add("b", &using(&["rail"])), ["10.0.0.3/24"]);
}

#[test]
fn a_state_directory_that_cannot_be_written() {
    let node = node();
    let call =
        |verb: &str| node.call(verb, "a", &using(&["rail"])).env("RAILCNI_STATE_DIR", "/proc/railcni").run();
    let (code, message) = call("ADD").error();
    assert_eq!(code, 5, "{message}");
    assert!(message.contains("/proc/railcni"), "{message}");
    assert!(call("DEL").ok && call("STATUS").ok);
}

#[test]
fn a_full_disk_is_an_error_and_no_lease() {
    let node = node();
    let full = "trap '' XFSZ; ulimit -f 0; exec \"$0\"";
    let (code, message) = node.call("ADD", "a", &using(&["rail"])).under(full).run().error();
    assert_eq!(code, 5, "{message}");
    node.add("b", &using(&["rail"]));
    assert_eq!(node.call("ADD", "c", &using(&["rail"])).under(full).run().error().0, 5);
    assert_eq!(node.add("d", &using(&["rail"])), ["10.0.0.3/24"]);
}

#[test]
fn a_damaged_store_is_named_and_nothing_is_given() {
    let node = node();
    node.add("a", &using(&["rail"]));
    node.put("state/ipam/leases", &"no lease store, but long enough for a header".repeat(4));
    let (code, message) = node.refusal("b", &using(&["rail"]));
    assert_eq!(code, 5);
    assert!(message.contains("leases is damaged (it is no lease store): no address is given"), "{message}");
    let outcome = node.run("DEL", "a", &using(&["rail"]));
    assert!(outcome.ok && outcome.log.contains("is damaged"), "the pod can go: {}", outcome.log);
}

/// One byte of the journal changed: every lease behind it came free, and its address was given twice.
#[test]
fn a_byte_changed_in_the_journal_gives_no_address_twice() {
    let node = Node::with_pools(&pool("rail", "{subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.40]}"));
    let living = ["a", "b", "c", "d"].map(|name| node.add(name, &using(&["rail"])).remove(0));
    let path = node.path("state/ipam/journal");
    let whole = std::fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        state::file::replace(&path, &bytes).unwrap();
        let (code, message) = node.refusal("new", &using(&["rail"]));
        assert_eq!(code, 5, "{at}: {message}");
        assert!(message.contains("/state/ipam/journal is damaged ("), "{at}: {message}");
        assert_eq!(node.run("STATUS", "", &using(&["rail"])).error().0, 50, "{at}");
        node.del("d", &using(&["rail"]));
        assert_eq!(
            node.refusal("new", &using(&["rail"])).0,
            5,
            "{at}: and a release changes nothing about it"
        );
    }
    state::file::replace(&path, &whole).unwrap();
    assert!(!living.contains(&node.add("e", &using(&["rail"])).remove(0)));
    std::fs::remove_file(&path).unwrap();
    assert!(
        node.refusal("new", &using(&["rail"])).1.contains("journal is damaged (it is gone"),
        "lost altogether"
    );
    node.put("state/ipam/journal", "");
    assert!(node.refusal("new", &using(&["rail"])).1.contains("journal is damaged (it is gone"), "emptied");
}

/// What cannot be read for want of rights, or since the disk fails, is not damaged.
#[test]
fn a_store_that_cannot_be_read_is_not_called_damaged() {
    let node = node();
    node.add("a", &using(&["rail"]));
    for (options, said) in [("RLIMIT", "open"), ("LINK", "symbolic link")] {
        let outcome = match options {
            "LINK" => {
                std::fs::rename(node.path("state/ipam/leases"), node.path("elsewhere")).unwrap();
                std::os::unix::fs::symlink(node.path("elsewhere"), node.path("state/ipam/leases")).unwrap();
                node.run("ADD", "b", &using(&["rail"]))
            }
            _ => node.call("ADD", "b", &using(&["rail"])).under("ulimit -n 4; exec \"$0\"").run(),
        };
        let (_, message) = outcome.error();
        assert!(message.contains(said) && !message.contains("damaged"), "{message}");
    }
}

#[test]
fn configs_that_mean_two_things_or_nothing() {
    let node = node();
    let refusal = |ipam: serde_json::Value| node.refusal("a", &network(&ipam));
    let both = "ipam has both ranges (subnet, ranges or ipRanges) and pools (ippools, default_ipv4_ippool or pools): keep one of them";
    let ipam = serde_json::json!({"subnet": "10.0.0.0/24", "ippools": {"ipv4": ["rail"]}});
    assert_eq!(refusal(ipam), (7, both.to_owned()));
    let (code, message) = refusal(serde_json::json!({"ippools": {"ipv4": "rail"}}));
    assert_eq!(code, 7);
    assert!(message.contains("\"ipam.ippools.ipv4\"") && message.contains("\"rail\""), "{message}");
    let outcome = node.run("ADD", "a", &network(&serde_json::json!({"ippool": {"ipv4": ["rail"]}})));
    assert!(outcome.log.contains("did you mean \\\"ippools\\\"?"), "{}", outcome.log);
    assert!(node.is_untouched());
}

/// A network of whereabouts, or of the plugin static, is not given addresses from somewhere else instead.
#[test]
fn keys_of_peers_that_cannot_be_kept_are_refused_one_by_one() {
    let node = node();
    let keys = serde_json::json!({
        "range": "192.168.2.225/28", "range_start": "192.168.2.1", "range_end": "192.168.2.9",
        "exclude": ["192.168.2.229/30"], "ipRanges": [{"range": "192.168.10.0/24"}], "node_slice_size": "/28",
        "addresses": [{"address": "10.10.0.1/24"}],
    });
    for (key, value) in keys.as_object().unwrap() {
        let (code, message) = node.refusal("a", &network(&serde_json::json!({ key: value })));
        assert_eq!(code, 2, "{message}");
        assert!(message.starts_with(&format!("ipam.{key} {value}: it is of ")), "{message}");
        let instead = if key == "addresses" { "args.cni.ips" } else { "subnet, rangeStart and rangeEnd" };
        assert!(message.contains(instead), "{message}");
    }
    assert!(node.is_untouched());
}

#[test]
fn a_config_with_more_pools_or_ranges_than_a_network_has_is_refused_at_once() {
    let node = Node::new();
    let range = json!({"subnet": "10.0.0.0/24"});
    let inline = json!({"name": "p", "subnet": "10.0.0.0/24"});
    for (ipam, what) in [
        (json!({"ranges": [vec![range; 1001]]}), "ranges"),
        (json!({"pools": vec![inline; 1001]}), "inline pools"),
        (json!({"ippools": {"ipv4": vec!["a*"; 1001]}}), "names of pools"),
    ] {
        let (code, message) = node.refusal("a", &network(&ipam));
        assert!(code == 7 && message.contains(&format!("1001 {what}")), "{message}");
    }
    assert!(node.is_untouched());
}

#[test]
fn what_means_nothing_is_told_up_to_a_limit() {
    let node = Node::with_pools(&pool("rail", "{subnet: 10.0.0.0/24, ips: [10.0.0.2]}"));
    let mut config = using(&["rail"]);
    for number in 0..5000 {
        config["ipam"][format!("zzz{number}")] = 1.into();
    }
    config["ipam"]["lockTimeout"] = u64::MAX.into();
    let outcome = node.run("ADD", "a", &config);
    assert_eq!(outcome.ips(), ["10.0.0.2/24"]);
    assert_eq!(outcome.log.matches("means nothing here").count(), 32);
    assert!(outcome.log.contains("taken as 60"), "{}", outcome.log);
}

#[test]
fn keys_of_any_length_are_told_by_their_beginning_and_a_call_logs_little() {
    let node = Node::with_pools(&pool("rail", "{subnet: 10.0.0.0/24, ips: [10.0.0.2]}"));
    let mut config = using(&["rail"]);
    for number in 10..42 {
        config["ipam"][format!("{number}{}", "$".repeat(30_000))] = 1.into();
    }
    let outcome = node.run("ADD", "a", &config);
    assert_eq!(outcome.ips(), ["10.0.0.2/24"]);
    assert_eq!(outcome.log.matches("means nothing here").count(), 32);
    assert!(outcome.log.len() < 64 << 10, "{} bytes", outcome.log.len());
}
