//! What is refused changes nothing.

use serde_json::json;
use testkit::assert_same;

use crate::pod::{Scene, Stack, merge, nic};

#[test]
fn bad_input_is_refused_and_changes_nothing() {
    let scene = Scene::new(1, Stack::V4);
    scene.pod.ip_do("route add 10.7.0.0/16 via 172.16.1.1 dev net1");
    let before = scene.world.snapshot();
    let cases = [
        (json!({ "mode": "underlay" }), 7, "mode \"underlay\": the pod has no veth0"),
        (json!({ "mode": "sideways" }), 7, "mode \"sideways\""),
        (json!({ "podDefaultCniNic": "net1", "mode": "overlay" }), 7, "net1 is the pod's first NIC"),
        (json!({ "hostRuleTable": 254 }), 7, "hostRuleTable \"254\""),
        (json!({ "vethMTU": 68 }), 7, "vethMTU \"68\""),
        (json!({ "vethLinkAddress": "10.0.0.1/24" }), 7, "vethLinkAddress \"10.0.0.1/24\""),
        (json!({ "podDefaultRouteNic": "no/slash" }), 7, "podDefaultRouteNic \"no/slash\""),
        (json!({ "hijackCIDR": ["10.0.0.0/33"] }), 7, "hijackCIDR[0] \"10.0.0.0/33\""),
        (
            json!({ "policyRoutes": [{ "dst": "10.0.0.0/8", "gw": "fd00::1" }] }),
            7,
            "policyRoutes[0].gw \"fd00::1\"",
        ),
        (
            json!({ "policyRoutes": [{ "dst": "10.0.0.0/8", "gw": "192.0.2.1" }] }),
            7,
            "gw 192.0.2.1 is in no subnet of net1",
        ),
        (json!({ "podMACPrefix": "03:00" }), 7, "podMACPrefix \"03:00\": has the multicast bit"),
        (json!({ "podRPFilter": 5 }), 7, "podRPFilter \"5\""),
        (json!({ "txQueueLen": "many" }), 7, "txQueueLen"),
        (json!({ "prevResult": null }), 7, "prevResult is missing"),
        // Upstream takes "exists already" for success, whatever it is that exists (hazard 3).
        (
            json!({ "hijackCIDR": ["10.7.0.0/16"] }),
            7,
            "there is 10.7.0.0/16 via 172.16.1.1 dev net1 table main already",
        ),
    ];
    for (more, code, expected) in cases {
        let mut config = scene.config(&scene.rails[0], &json!({}));
        merge(&mut config, &more);
        let error = scene.plugin("net1").add(&config).error();
        assert!(error.code == code && error.msg.contains(expected), "{more}: {error:?}");
        assert_same(&before, &scene.snapshot().without("file state/locks/"));
    }
}

#[test]
fn an_interface_that_is_missing_or_has_no_address_is_refused() {
    let scene = Scene::new(1, Stack::V4);
    let config = scene.config(&scene.rails[0], &json!({}));
    let error = scene.plugin("net7").add(&config).error();
    assert!(error.msg.contains("no interface net7"), "{error:?}");
    scene.pod.ip_do("addr flush dev net1");
    let error = scene.plugin("net1").add(&config).error();
    assert!(error.msg.contains("net1 has no address"), "{error:?}");
}

#[test]
fn disable_passes_the_result_on_and_leaves_no_trace() {
    let scene = Scene::new(1, Stack::Dual);
    let before = scene.world.snapshot();
    for mode in ["disable", "disabled"] {
        let result = scene.add(1, &json!({ "mode": mode }));
        assert_eq!(result["routes"], scene.previous(&scene.rails[0], "net1")["routes"]);
        assert_eq!(scene.check(1, &json!({ "mode": mode }), &result), "");
        scene.del(1);
    }
    assert_same(&before, &scene.world.snapshot());
}

/// C00022: what no MAC address can begin with is refused by ADD, and by STATUS before the first pod.
#[test]
fn a_mac_prefix_that_is_none_is_refused_before_a_pod_starts() {
    let scene = Scene::new(1, Stack::V4);
    let before = scene.snapshot();
    for (prefix, why) in [
        ("03:00", "has the multicast bit"),
        ("0a", "is not two bytes in hex"),
        ("0a:1b:2c", "is not two bytes in hex"),
        ("zz:00", "is not two bytes in hex"),
        ("a:1b", "is not two bytes in hex"),
    ] {
        let config = scene.config(&scene.rails[0], &json!({ "podMACPrefix": prefix }));
        for outcome in [scene.plugin("net1").add(&config), scene.plugin("net1").status(&config)] {
            let error = outcome.error();
            let expected = format!("podMACPrefix \"{prefix}\": {why}");
            assert!(error.code == 7 && error.msg.starts_with(&expected), "{error:?}");
        }
    }
    assert_same(&before, &scene.snapshot());
}

/// Hazard 6: upstream writes -2 into the sysctl.
#[test]
fn a_negative_rp_filter_leaves_it() {
    let scene = Scene::new(1, Stack::V4);
    scene.pod.set_sysctl("net/ipv4/conf/all/rp_filter", "2");
    scene.add(1, &json!({ "podRPFilter": -2 }));
    assert_eq!(scene.pod.sysctl("net/ipv4/conf/all/rp_filter"), "2");
}

#[test]
fn keys_that_do_nothing_here_are_accepted_with_one_warning() {
    let scene = Scene::new(1, Stack::V4);
    let more = json!({ "hostRPFilter": 0, "vethMTU": 1500, "detectGateway": true, "podCIDRType": "auto" });
    let outcome = scene.plugin("net1").add(&scene.config(&scene.rails[0], &more));
    let warnings: Vec<&str> = outcome.stderr.lines().filter(|line| line.contains("without effect")).collect();
    assert_eq!(warnings.len(), 1, "{outcome}");
    assert!(warnings[0].contains("hostRPFilter,podCIDRType,detectGateway"), "{warnings:?}");
    outcome.success();
}

#[test]
fn a_second_add_without_del_is_refused_and_breaks_nothing() {
    let scene = Scene::new(1, Stack::V4);
    scene.add(1, &json!({}));
    let before = scene.world.snapshot();
    let error = scene.plugin(&nic(&scene.rails[0])).add(&scene.config(&scene.rails[0], &json!({}))).error();
    assert!(error.msg.contains("already"), "{error:?}");
    assert_same(&before, &scene.world.snapshot());
}

#[test]
fn older_results_are_understood() {
    for version in ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let scene = Scene::new(1, Stack::V4);
        let mut previous = scene.previous(&scene.rails[0], "net1");
        previous["cniVersion"] = version.into();
        if version.starts_with('0') {
            previous["ips"][0]["version"] = "4".into();
        }
        let result = scene.add(1, &json!({ "cniVersion": version, "prevResult": previous }));
        assert_eq!(result["cniVersion"], version);
        assert_eq!(result["routes"][0]["table"], 101);
        assert_eq!(scene.rules("-4").len(), 5);
    }
}

#[test]
fn status_takes_no_lock_and_writes_nothing() {
    let scene = Scene::new(1, Stack::V4);
    let before = scene.world.snapshot();
    scene.plugin("net1").status(&scene.bare_config(1)).success();
    let mut config = scene.bare_config(1);
    config["mode"] = "sideways".into();
    assert_eq!(scene.plugin("net1").status(&config).error().code, 7);
    assert_same(&before, &scene.world.snapshot());
}

/// The addresses of a NIC are those that the kernel has: an index of prevResult above the interfaces that there are, or below (some
/// write -1 for none), takes none of them away.
#[test]
fn an_index_that_names_no_interface_is_no_reason_for_less() {
    let scene = Scene::new(1, Stack::V4);
    let before = scene.snapshot();
    scene.add(1, &json!({}));
    let expected = scene.snapshot().without("file ");
    scene.del(1);
    for index in [json!(7), json!(-1), json!(null)] {
        let mut config = scene.config(&scene.rails[0], &json!({}));
        config["prevResult"]["ips"][0]["interface"] = index;
        scene.plugin("net1").add(&config).success();
        assert_same(&expected, &scene.snapshot().without("file "));
        scene.del(1);
        assert_same(&before, &scene.snapshot());
    }
}

/// Somebody has switched IPv6 off where prevResult has an address of it: which setting, and where, and not that root lacks a right.
#[test]
fn ipv6_that_is_switched_off_names_the_setting() {
    for name in ["net1", "all"] {
        let scene = Scene::new(1, Stack::Dual);
        scene.pod.set_sysctl(&format!("net/ipv6/conf/{name}/disable_ipv6"), "1");
        let rules = (scene.rules("-4"), scene.rules("-6"), scene.table("-4", "all"));
        let said = scene.plugin("net1").add(&scene.config(&scene.rails[0], &json!({}))).error().msg;
        assert!(
            said.contains("IPv6 is switched off on net1 in the pod, which is to have fd00:16:1::10"),
            "{said}"
        );
        assert!(said.contains("set sysctl net.ipv6.conf.net1.disable_ipv6 to 0"), "{said}");
        assert!(!said.contains("CAP_NET_ADMIN"), "{said}");
        // Of IPv6 the kernel takes the routes away by itself, one after the other.
        assert_eq!((scene.rules("-4"), scene.rules("-6"), scene.table("-4", "all")), rules);
        scene.pod.set_sysctl(&format!("net/ipv6/conf/{name}/disable_ipv6"), "0");
        let rail = &scene.rails[0];
        scene.pod.ip_do(&format!("addr add {}/64 dev net1 nodad", rail.address6(0x10)));
        scene.add(1, &json!({}));
        scene.del(1);
    }
}
