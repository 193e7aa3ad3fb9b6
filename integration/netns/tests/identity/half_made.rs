//! An ADD that was killed when the link had its address already, and a pod that has put that elsewhere since.

use std::path::Path;

use serde_json::Value;
use state::record::Loaded;
use state::{AttachmentKey, Dirs, Records};
use testkit::{CHANGES, Scope};

use super::{Network, leases, macvlan, pod, rail, world};

/// How far the ADD on record has come.
fn phase(plugin: &str) -> Option<String> {
    let records = Records::open(&Dirs::under(Path::new("/run/world")), plugin).expect("records");
    let key = AttachmentKey::new("rail1", "cid", "net1").expect("a key");
    let Ok(Loaded::Present(record)) = records.load::<Value>(&key) else { return None };
    record.body["phase"].as_str().map(str::to_owned)
}

#[test]
fn del_takes_the_address_from_whatever_else_in_the_pod_has_it() {
    for config in [macvlan(1), rail(1)] {
        let world = world();
        let pod = pod(&world, "a");
        let network = Network::of(&world, &pod, "cid", "net1", config);
        let plugin = network.config["type"].as_str().expect("a type").to_owned();
        let points = network.link.trace("ADD", &network.config, CHANGES, Scope::Plugin).points();
        network.del();
        // The last one that was to write down the end.
        let killed = points.iter().rev().any(|point| {
            network.link.kill_at("ADD", &network.config, Scope::Plugin, point);
            let is_it = phase(&plugin).as_deref() == Some("adding");
            if !is_it {
                network.del();
            }
            is_it
        });
        assert!(killed, "{plugin}");
        let shown = pod.ip(&["-4", "addr", "show", "net1"]);
        let given = shown[0]["addr_info"][0]["local"].as_str().expect("an address").to_owned();
        pod.ip_do("link add link net1 name twin type macvlan\nlink set twin up\nlink del net1");
        pod.ip_do(&format!("addr add {given}/32 dev twin"));
        network.del();
        let left = pod.ip(&["addr"]).to_string();
        assert!(!left.contains(&given), "{plugin}: the pod answers for it yet: {left}");
        assert!(leases(&world).is_empty(), "{plugin}");
    }
}
