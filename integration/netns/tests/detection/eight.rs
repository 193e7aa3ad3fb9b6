use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Frame, Plugin, Pod, Rail, World, assert_same};

use super::stage::{addresses, held};

struct Eight {
    world: World,
    rails: Vec<Rail>,
    pod: Pod,
}

impl Eight {
    fn new() -> Self {
        let world = World::new();
        let rails = (1..=8).map(|number| world.rail(number)).collect();
        let pod = world.pod("a");
        Self { world, rails, pod }
    }

    fn plugin(&self) -> Plugin {
        self.world.plugin("rail").netns(self.pod.path())
    }
}

fn config(detection: &Value) -> Value {
    let rail = |number: u8| {
        let pools = json!([{ "name": format!("rail{number}"), "subnet": format!("172.16.{number}.0/24"),
            "gateway": format!("172.16.{number}.254"),
            "ips": [format!("172.16.{number}.10-172.16.{number}.12")] }]);
        json!({ "master": format!("rail{number}"), "ipam": { "type": "rail-ipam", "pools": pools } })
    };
    let rails: Vec<_> = (1..=8).map(rail).collect();
    json!({ "cniVersion": "1.1.0", "name": "rails", "type": "rail", "detection": detection, "rails": rails })
}

fn both(retries: u32, interval: &str) -> Value {
    json!({ "conflict": true, "gateway": true, "retries": retries, "interval": interval, "timeout": interval })
}

/// Each probe would take a second and each gateway is asked, too.
#[test]
fn eight_rails_are_probed_in_the_time_of_one() {
    let eight = Eight::new();
    let before = eight.world.snapshot().without("file ");
    let start = Instant::now();
    let result = eight.plugin().add(&config(&both(2, "500ms"))).success();
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(1), "{took:?}");
    assert!(took < Duration::from_secs(4), "eight one after the other? {took:?}");
    let expected: Vec<_> = (1..=8).map(|number| format!("172.16.{number}.10")).collect();
    assert_eq!(addresses(&result), expected);
    eight.plugin().del(&config(&both(2, "500ms"))).success();
    assert_same(&before, &eight.world.snapshot().without("file "));
}

/// Nobody is given up before everybody is asked, on however slow a machine.
#[test]
fn eight_silent_gateways_take_the_time_of_one() {
    let eight = Eight::new();
    for rail in &eight.rails {
        eight.world.switch().ip_do(&format!("addr del {}/24 dev {}", rail.gateway4(), rail.port));
    }
    let silent = json!({ "gateway": true, "retries": 2, "interval": "500ms", "timeout": "500ms" });
    let capture = eight.world.switch().capture();
    let start = Instant::now();
    let error = eight.plugin().add(&config(&silent)).error();
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let frames = capture.drain();
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for number in 1..=8 {
        let said =
            format!("gateway 172.16.{number}.254 does not answer on net{number}: 2 ARP requests in 1000 ms");
        assert!(error.msg.contains(&said), "{error:?}");
        first.extend(frames.iter().position(|frame| asks_for_gateway(frame, number)));
        last.extend(frames.iter().rposition(|frame| asks_for_gateway(frame, number)));
    }
    assert_eq!((first.len(), last.len()), (8, 8));
    assert!(first.iter().max() < last.iter().min(), "one after the other: {first:?} {last:?}");
}

/// As the switch gets it.
fn asks_for_gateway(frame: &Frame, rail: u8) -> bool {
    !frame.outgoing
        && frame.ethertype() == 0x0806
        && frame.bytes.get(28..32) == Some(&[172, 16, rail, 10])
        && frame.bytes.get(38..42) == Some(&[172, 16, rail, 254])
}

#[test]
fn one_silent_gateway_of_eight_undoes_all() {
    let eight = Eight::new();
    let rail = &eight.rails[4];
    eight.world.switch().ip_do(&format!("addr del {}/24 dev {}", rail.gateway4(), rail.port));
    let before = eight.world.snapshot().without("file ");
    let error = eight.plugin().add(&config(&both(2, "20ms"))).error();
    assert_eq!(error.code, 103, "{error:?}");
    assert!(error.msg.starts_with("gateway 172.16.5.254 does not answer on net5"), "{error:?}");
    assert!(!error.msg.contains("172.16.1.254"), "{error:?}");
    assert_same(&before, &eight.world.snapshot().without("file "));
    assert!(held(&eight.world).is_empty());
}

#[test]
fn conflicts_on_some_rails_leave_the_others_alone() {
    let eight = Eight::new();
    let switch = eight.world.switch();
    switch.set_sysctl("net/ipv4/conf/all/arp_ignore", "1");
    switch.ip_do("link add other link port4 type macvlan mode bridge\nlink set other up");
    for (link, address) in [("port1", "172.16.1.10"), ("port4", "172.16.4.10"), ("other", "172.16.4.11")] {
        switch.ip_do(&format!("addr add {address}/24 dev {link}"));
    }
    let result = eight.plugin().add(&config(&both(2, "20ms"))).success();
    let host = |rail| match rail {
        1 => 11,
        4 => 12,
        _ => 10,
    };
    let expected: Vec<_> = (1..=8).map(|rail| format!("172.16.{rail}.{}", host(rail))).collect();
    assert_eq!(addresses(&result), expected);
    assert_eq!(held(&eight.world).len(), 8);
    for rail in 1..=8 {
        let rules = eight.pod.ip(&["rule", "show", "from", &format!("172.16.{rail}.{}", host(rail))]);
        assert_eq!(rules.as_array().map(Vec::len), Some(1), "rail {rail}: {rules}");
    }
}
