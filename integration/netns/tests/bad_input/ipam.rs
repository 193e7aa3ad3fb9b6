use netns_tests::suite::with;
use serde_json::{Value, json};

use crate::{Bad, wrong};

pub(crate) fn inputs(config: &Value) -> Vec<Bad> {
    let mut all = Vec::new();
    let mut add =
        |path: &str, values: &[Value]| all.extend(values.iter().map(|value| wrong(config, path, value)));
    add(
        "ipam.pools.0.spec.subnet",
        &[json!("172.16.1.0/33"), json!("172.16.1/24"), json!("x"), json!(""), json!(5), json!([])],
    );
    add(
        "ipam.pools.0.spec.gateway",
        &[json!("x"), json!("10.0.0.1"), json!("fd00::1"), json!(5), json!("172.16.1.254/24")],
    );
    add("ipam.pools.0.spec.ips", &[json!("172.16.1.1"), json!(5), json!({}), json!([5])]);
    let ranges = [
        "x",
        "172.16.1.20-172.16.1.10",
        "10.0.0.1-10.0.0.5",
        "172.16.1.10-",
        "-172.16.1.10",
        "172.16.1.300",
        "172.16.1.1-fd00::1",
        "172.16.1.10-172.16.2.10",
        "172.16.1.10--172.16.1.20",
        "172.16.1.1,172.16.1.2",
    ];
    for range in ranges {
        add("ipam.pools.0.spec.ips.0", &[json!(range)]);
    }
    add("ipam.pools.0.spec.excludeIPs", &[json!(["x"]), json!("172.16.1.11"), json!(5)]);
    add("ipam.pools.0.spec.routes", &[json!(5), json!([5]), json!("x")]);
    add("ipam.pools.0.spec.routes.0.dst", &[json!("x"), json!("10.0.0.0/40"), json!(5)]);
    add("ipam.pools.0.spec.routes.0.gw", &[json!("x"), json!("fd00::1"), json!(5)]);
    add("ipam.ippools", &[json!(5), json!("x"), json!([])]);
    add("ipam.ippools", &[json!({ "ipv4": 5 }), json!({ "ipv4": "gpu1" }), json!({ "ipv6": [5] })]);
    add("ipam.routes", &[json!(5), json!("x"), json!([5])]);
    add("ipam.matchMasterSubnet", &[json!("yes"), json!(1)]);
    add("ipam.cleanGateway", &[json!("yes"), json!(1)]);
    add("ipam.rest", &[json!(-1), json!("5"), json!(1.5), json!(4_294_967_296_u64)]);
    add("ipam.sticky", &[json!(1), json!("true")]);
    add("ipam.lockTimeout", &[json!(-1), json!("5"), json!([])]);
    add("ipam.dataDir", &[json!(5), json!([])]);
    for ip in ["x", "10.0.0.0.1", "172.16.1.10/40", "fd00::/129"] {
        all.push(Bad::new(
            7,
            &["ips", ip],
            with(config.clone(), &json!({ "runtimeConfig": { "ips": [ip] } })),
        ));
        all.push(Bad::new(7, &["CNI_ARGS", ip], config.clone()).env("CNI_ARGS", &format!("IP={ip}")));
    }
    for args in ["COLOR=blue", "COLOR", "=blue", "IgnoreUnknown=perhaps", "IgnoreUnknown=0;X=1"] {
        all.push(Bad::new(4, &["CNI_ARGS"], config.clone()).env("CNI_ARGS", args));
    }
    all.extend(host_local(config));
    all
}

/// The words of host-local in place of pools.
fn host_local(config: &Value) -> Vec<Bad> {
    let cases = [
        (json!({ "subnet": "x" }), vec!["subnet", "x"]),
        (json!({ "subnet": "172.16.1.0/33" }), vec!["subnet", "172.16.1.0/33"]),
        (json!({ "subnet": "172.16.1.0/32" }), vec!["172.16.1.0/32"]),
        (json!({ "subnet": "172.16.1.0/24", "rangeStart": "10.0.0.1" }), vec!["rangeStart", "10.0.0.1"]),
        (json!({ "subnet": "172.16.1.0/24", "rangeEnd": "10.0.0.1" }), vec!["rangeEnd", "10.0.0.1"]),
        (json!({ "subnet": "172.16.1.0/24", "rangeStart": "x" }), vec!["rangeStart", "x"]),
        (json!({ "subnet": "172.16.1.0/24", "gateway": "x" }), vec!["gateway", "x"]),
        (
            json!({ "subnet": "172.16.1.0/24", "rangeStart": "172.16.1.20", "rangeEnd": "172.16.1.10" }),
            vec!["172.16.1.20"],
        ),
        (json!({ "ranges": 5 }), vec!["ranges"]),
        (json!({ "ranges": [5] }), vec!["ranges"]),
        (json!({ "ranges": [[{}]] }), vec!["ranges[0]", "subnet"]),
        (json!({ "ranges": [[{ "subnet": 5 }]] }), vec!["subnet", "5"]),
        (
            json!({ "ranges": [[{ "subnet": "172.16.1.0/24" }], [{ "subnet": "172.16.1.0/25" }]] }),
            vec!["172.16.1.0"],
        ),
        (
            json!({ "ranges": [[{ "subnet": "172.16.1.0/24" }, { "subnet": "fd00::/64" }]] }),
            vec!["ranges[0]"],
        ),
    ];
    let bad = |(keys, words): (Value, Vec<&str>)| {
        let ipam = with(json!({ "type": "host-local" }), &keys);
        Bad::new(7, &words, with(config.clone(), &json!({ "ipam": ipam })))
    };
    cases.into_iter().map(bad).collect()
}
