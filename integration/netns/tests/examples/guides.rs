//! Pools as the field's guides print them: what cannot work is refused with its reason, what has a plain meaning is taken.

use std::fs;

use serde_json::json;

use crate::Node;

/// The pools of a node's eight rails, a /27 each: name, spec, and why it cannot be used as it stands. Each range ends at
/// the first address of the next rail's subnet.
fn refused() -> Vec<(String, String, String)> {
    let of_rail = |rail: u16| {
        let first = (rail - 1) * 32;
        let ips = format!("172.16.1.{}-172.16.1.{}", first + 2, first + 32);
        let subnet = format!("172.16.1.{first}/27");
        let spec = format!("subnet: {subnet}, gateway: 172.16.1.{}, ips: [{ips}]", first + 1);
        let why = if rail == 8 {
            "\"172.16.1.256\" is not an IP address; write ADDRESS or FIRST-LAST".to_owned()
        } else {
            format!("leaves the subnet {subnet}, whose last address for a host is 172.16.1.{}", first + 30)
        };
        (format!("eno3np{rail}-rail{rail}-node1"), spec, format!("\"{ips}\": {why}"))
    };
    (1..=8).map(of_rail).collect()
}

fn document(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: spiderpool.spidernet.io/v2beta1\nkind: SpiderIPPool\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
    )
}

fn ask(node: &Node, pool: &str) -> testkit::Outcome {
    let ipam = json!({ "type": "rail-ipam", "ippools": { "ipv4": [pool] } });
    let config = json!({ "cniVersion": "1.1.0", "name": "guides", "type": "rail-ipam", "ipam": ipam });
    node.world.plugin("rail-ipam").netns(node.world.switch().path()).add(&config)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "nobody reads the file while it is written")]
fn pools_of_the_guides_that_cannot_work_are_refused_with_the_reason() {
    let node = Node::new();
    let path = node.world.dirs().config.join("pools.d/pools.yaml");
    for (name, spec, reason) in refused() {
        fs::write(&path, document(&name, &spec)).unwrap();
        let error = ask(&node, &name).error();
        assert_eq!((error.code, error.msg), (7, format!("pool {name:?}: spec.ips[0] {reason}")));
    }
    fs::write(&path, document("gpu1-net11", "subnet: 172.16.11.0/24, ips: [172.16.11.1-172.16.11.200]"))
        .unwrap();
    let error = ask(&node, "gpu1-net91").error();
    assert_eq!(
        (error.code, error.msg.as_str()),
        (7, r#"pool "gpu1-net91" is not defined; known are gpu1-net11"#)
    );
}

/// `ipVersion: ipv4`, `to` and `via` are no fields of the definition, and a subnet with host bits is no subnet; but what
/// they mean is plain.
#[test]
#[expect(clippy::disallowed_methods, reason = "nobody reads the file while it is written")]
fn spellings_of_the_guides_with_a_plain_meaning_are_taken() {
    let node = Node::new();
    let spec = "ipVersion: ipv4, subnet: 172.16.11.0/16, gateway: 172.16.11.254, ips: [172.16.11.1-172.16.11.200], \
                routes: [{to: 172.17.0.0/16, via: 172.16.11.254}]";
    fs::write(node.world.dirs().config.join("pools.d/pools.yaml"), document("gpu1-net11", spec)).unwrap();
    let result = ask(&node, "gpu1-net11").success();
    assert_eq!(result["ips"][0]["address"], "172.16.11.1/16");
    let routes = result["routes"].as_array().unwrap();
    assert!(routes.contains(&json!({ "dst": "172.17.0.0/16", "gw": "172.16.11.254" })), "{result}");
}
