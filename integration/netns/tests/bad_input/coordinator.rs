use netns_tests::suite::with;
use serde_json::{Value, json};

use crate::{Bad, wrong};

pub(crate) fn inputs(config: &Value) -> Vec<Bad> {
    let mut all = Vec::new();
    let mut add =
        |path: &str, values: &[Value]| all.extend(values.iter().map(|value| wrong(config, path, value)));
    add("mode", &[json!("sideways"), json!("AUTO"), json!(5), json!([])]);
    for key in ["hijackCIDR", "serviceCIDR", "overlayPodCIDR"] {
        add(key, &[json!(5), json!("10.0.0.0/8"), json!([5]), json!({})]);
    }
    for key in ["hijackCIDR", "serviceCIDR", "overlayPodCIDR"] {
        for cidr in ["10.0.0.0/33", "x", "10.0.0", "fd00::/129", "0.0.0.0/0", "::/0"] {
            all.push(Bad::new(
                7,
                &[&format!("{key}[0]"), cidr],
                with(config.clone(), &json!({ key: [cidr] })),
            ));
        }
    }
    let mut add =
        |path: &str, values: &[Value]| all.extend(values.iter().map(|value| wrong(config, path, value)));
    add("podRPFilter", &[json!(3), json!("1"), json!(1.5), json!(true), json!([])]);
    add("txQueueLen", &[json!(-1), json!("many"), json!(4_294_967_296_u64), json!(1.5)]);
    add(
        "podMACPrefix",
        &[json!("03:00"), json!("x"), json!("0200"), json!("02:00:00:00:00:00:00"), json!("02:zz"), json!(5)],
    );
    add("tunePodRoutes", &[json!("yes"), json!(1), json!([])]);
    add("policyRoutes", &[json!(5), json!("x"), json!([5]), json!({})]);
    for key in ["podDefaultCniNic", "podDefaultRouteNic"] {
        add(
            key,
            &[
                json!("no/slash"),
                json!("sixteen-bytes-xx"),
                json!("a b"),
                json!("."),
                json!(".."),
                json!(5),
                json!([]),
            ],
        );
    }
    let routes = [
        (json!({ "dst": "x", "gw": "172.16.1.254" }), "policyRoutes[0].dst"),
        (json!({ "dst": "10.0.0.0/40", "gw": "172.16.1.254" }), "10.0.0.0/40"),
        (json!({ "dst": "10.0.0.0/8", "gw": "x" }), "policyRoutes[0].gw"),
        (json!({ "dst": "10.0.0.0/8", "gw": "fd00::1" }), "fd00::1"),
        (json!({ "dst": "10.0.0.0/8" }), "policyRoutes[0].gw is missing"),
        (json!({ "gw": "172.16.1.254" }), "policyRoutes[0].dst is missing"),
        (json!({ "dst": 5, "gw": "172.16.1.254" }), "dst"),
        (json!({ "dst": "10.0.0.0/8", "gw": [] }), "gw"),
    ];
    for (route, word) in routes {
        all.push(Bad::new(7, &[word], with(config.clone(), &json!({ "policyRoutes": [route] }))));
    }
    let far = json!({ "policyRoutes": [{ "dst": "10.0.0.0/8", "gw": "192.0.2.1" }] });
    all.push(Bad::new(7, &["192.0.2.1"], with(config.clone(), &far)).after_a_look());
    let underlay = with(config.clone(), &json!({ "mode": "underlay" }));
    all.push(Bad::new(7, &["underlay", "the pod has no veth0"], underlay).after_a_look());
    let first = with(config.clone(), &json!({ "podDefaultCniNic": "net1", "mode": "overlay" }));
    all.push(Bad::new(7, &["net1 is the pod's first NIC"], first).after_a_look());
    let mut add =
        |path: &str, values: &[Value]| all.extend(values.iter().map(|value| wrong(config, path, value)));
    add("hostRuleTable", &[json!(-1), json!(254), json!(1.5), json!("500"), json!([])]);
    add("vethMTU", &[json!(0), json!(1279), json!(65_536), json!("big"), json!({})]);
    add("vethLinkAddress", &[json!("10.0.0.1/24"), json!("x"), json!("0.0.0.0"), json!("ff02::1"), json!(5)]);
    all.push(Bad::new(7, &["prevResult"], with(config.clone(), &json!({ "prevResult": null }))));
    all.push(Bad::new(
        7,
        &["podDefaultRouteNic", "a/b"],
        with(config.clone(), &json!({ "args": { "cni": { "podDefaultRouteNic": "a/b" } } })),
    ));
    all
}
