use netns_tests::suite::with;
use serde_json::{Value, json};

use crate::{Bad, wrong};

pub(crate) fn inputs(config: &Value) -> Vec<Bad> {
    let mut all = Vec::new();
    let mut add =
        |path: &str, values: &[Value]| all.extend(values.iter().map(|value| wrong(config, path, value)));
    add("master", &[json!(3), json!(true), json!({}), json!(["rail1", "rail2"]), json!([5])]);
    add(
        "mode",
        &[
            json!("brdige"),
            json!("BRIDGE"),
            json!("passthrough"),
            json!(" bridge"),
            json!(1),
            json!(["bridge"]),
        ],
    );
    add("mtu", &[json!("9000"), json!(1.5), json!(true), json!([1500]), json!({})]);
    add(
        "mac",
        &[
            json!(5),
            json!("x"),
            json!("02:00:00:00:00"),
            json!("02:00:00:00:00:0g"),
            json!("01:00:5e:00:00:01"),
            json!("00:00:00:00:00:00"),
            json!("ff:ff:ff:ff:ff:ff"),
            json!("02:00:00:00:00:00:00:01"),
            json!([]),
        ],
    );
    add("linkInContainer", &[json!(1), json!("true"), json!({}), json!([])]);
    add("bcqueuelen", &[json!(-1), json!("5"), json!(1.5), json!(4_294_967_296_u64)]);
    add("ipam", &[json!("rail-ipam"), json!(5), json!([]), json!(true)]);
    add("ipam.type", &[json!(5), json!([]), json!({})]);
    all.push(Bad::new(2, &["mode", "source"], with(config.clone(), &json!({ "mode": "source" }))));
    for mac in ["x", "01:00:00:00:00:01", "02:00:00"] {
        let runtime = json!({ "runtimeConfig": { "mac": mac } });
        all.push(Bad::new(7, &["runtimeConfig.mac", mac], with(config.clone(), &runtime)));
        all.push(Bad::new(7, &["CNI_ARGS", mac], config.clone()).env("CNI_ARGS", &format!("MAC={mac}")));
    }
    for args in ["COLOR=blue", "COLOR", "=blue", "IgnoreUnknown=perhaps", "IgnoreUnknown=0;X=1"] {
        all.push(Bad::new(4, &["CNI_ARGS"], config.clone()).env("CNI_ARGS", args));
    }
    // A list has no MAC, so it is the IPAM that stumbles over it.
    for runtime in [json!(5), json!("x"), json!([])] {
        all.push(wrong(config, "runtimeConfig", &runtime).after_a_look());
    }
    for mtu in [9001, 65536, 70000] {
        all.push(wrong(config, "mtu", &json!(mtu)).after_a_look());
    }
    for master in ["nosuch", "eth9"] {
        all.push(wrong(config, "master", &json!(master)).after_a_look());
    }
    for ipam in ["nosuch", "../macvlan", "a/b", ".."] {
        let config = with(config.clone(), &json!({ "ipam": { "type": ipam } }));
        all.push(Bad::new(999, &[ipam], config).after_a_look());
    }
    all.push(Bad::new(7, &["eth0"], config.clone()).env("CNI_IFNAME", "eth0").after_a_look());
    all
}
