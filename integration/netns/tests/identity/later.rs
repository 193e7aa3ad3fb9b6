//! Two attachments of one name in one namespace, one after the other, and a DEL of the first that comes once the second is there.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use netns_tests::suite::with;
use serde_json::{Value, json};
use testkit::{Space, World, assert_same};

use super::{Network, macvlan, networks, pod, rail, world};

/// Gives one address, and takes it back unless it is down.
const AILING: &str = r#"#!/bin/sh
cat >/dev/null
case $CNI_COMMAND in
ADD) echo '{"cniVersion":"1.0.0","ips":[{"address":"172.16.1.50/24","gateway":"172.16.1.254"}]}' ;;
DEL) [ ! -e ${0%/*}/down ] || { echo '{"cniVersion":"1.0.0","code":999,"msg":"the IPAM is down"}'; exit 1; } ;;
esac
"#;

/// With that IPAM, which is up.
fn ailing(world: &World, pod: &Space, config: &Value) -> Network {
    let path = world.file("ailing", AILING);
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("make it a program");
    let config = with(config.clone(), &json!({ "ipam": { "type": "ailing" } }));
    let network = Network::of(world, pod, "first", "net1", config);
    Network { link: network.link.env("CNI_PATH", &world.dirs().scratch), ..network }
}

/// The link is gone, and the record stays for the IPAM's sake.
#[test]
fn a_del_that_comes_again_after_its_ipam_failed_leaves_the_next_owner_in_the_namespace_alone() {
    for config in [macvlan(1), rail(1)] {
        let world = world();
        let pod = pod(&world, "a");
        let first = ailing(&world, &pod, &config);
        first.add();
        let down = world.file("down", "");
        let said = first.link.del(&first.config).error().msg;
        assert!(said.contains("the IPAM is down") && !pod.has_link("net1"), "{said}");
        let second = Network::of(&world, &pod, "second", "net1", config.clone());
        let result = second.add();
        let kernel = || world.snapshot().without("file ").without("lease ");
        let before = kernel();
        first.link.del(&first.config).error();
        assert_same(&before, &kernel());
        second.check(&result);
        fs::remove_file(down).expect("the IPAM is up");
        first.del();
        assert_same(&before, &kernel());
        second.check(&result);
        second.del();
        assert!(!pod.has_link("net1"));
    }
}

/// Its link went with its master, and no DEL came: what it has in the pod and on the node goes, and nothing of the second.
#[test]
fn a_del_that_comes_once_another_has_the_name_takes_only_what_its_own_had() {
    for way in 0..3 {
        let world = world();
        let pod = world.pod("a");
        let clean = || world.snapshot().without("file ").without("lease ");
        let untouched = clean();
        let first = networks(&world, &pod, "first")[way].clone();
        first.add();
        pod.ip_do("link del net1");
        let second = networks(&world, &pod, "second")[way].clone();
        let result = second.add();
        first.del();
        second.check(&result);
        let rules = pod.ip(&["rule"]).to_string();
        let of_first = "172.16.1.10\"";
        assert!(!rules.contains(of_first), "{way}: {rules}");
        let given = result["ips"][0]["address"].as_str().unwrap_or_default();
        assert_eq!(given, "172.16.1.11/24", "{way}");
        second.del();
        assert_same(&untouched, &clean());
    }
}
