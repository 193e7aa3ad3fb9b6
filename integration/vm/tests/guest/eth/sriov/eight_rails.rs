//! Eight rails with all that a rail can have: VF attributes, RDMA devices, addresses, detection and routing. `rail` leaves
//! what the chain of single plugins leaves, and asks the gateways of all of them at the same time.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Frame, Plugin, Pod, Snapshot, World, assert_same, eventually};
use vm::lab::{Vf, ip, vf};

const RAILS: usize = 8;
const SOON: Duration = Duration::from_secs(10);

/// A pod with its default NIC, a VF of each rail for it, and a second one of each in the switch, for the gateways.
struct Stage {
    world: World,
    pod: Pod,
    vfs: Vec<Vf>,
}

impl Stage {
    fn new() -> Self {
        let world = World::of_guest();
        for rail in 0..RAILS {
            let gateway = vf(rail, 1);
            gateway.set("vlan 100");
            ip(&format!("link set dev {} netns switch name gw{rail}", gateway.ifname()));
            world.switch().ip_do(&format!("link set gw{rail} up"));
        }
        let pod = world.pod("a");
        // Or a link-local address would come a second after its link, between two pictures.
        pod.set_sysctl("net/ipv6/conf/default/accept_dad", "0");
        Self { world, pod, vfs: (0..RAILS).map(|rail| vf(rail, 0)).collect() }
    }

    /// The gateways of these rails answer from now on.
    fn answer(&self, rails: impl Iterator<Item = usize>) {
        for rail in rails {
            let [four, six] = gateways(rail);
            let lines = format!("addr add {four}/24 dev gw{rail}\naddr add {six}/64 dev gw{rail} nodad");
            self.world.switch().ip_do(&lines);
        }
    }

    fn plugin(&self, name: &str, ifname: &str) -> Plugin {
        self.world.plugin(name).netns(self.pod.path()).ifname(ifname)
    }

    /// All of them in one network; `detection` is what it wants to have detected.
    fn rail(&self, detection: &Value) -> (Plugin, Value) {
        let one = |(rail, vf): (usize, &Vf)| json!({ "deviceID": vf.bdf(), "ipam": ipam(rail) });
        let rails: Vec<_> = self.vfs.iter().enumerate().map(one).collect();
        let mut config =
            json!({ "link": "sriov", "rdma": "exclusive", "rails": rails, "routing": routing() });
        merge(&mut config, &attributes(detection));
        (self.plugin("rail", "net1"), network("rail", &config))
    }

    /// `sriov` with `rail-ipam`, `rdma` and `coordinator` for each; what is to be deleted, and what each rail's last one
    /// answered.
    fn add_by_chain(&self, detection: &Value) -> (Vec<(Plugin, Value)>, Vec<Value>) {
        let (mut made, mut results) = (Vec::new(), Vec::new());
        for (rail, vf) in self.vfs.iter().enumerate() {
            let mut sriov = json!({ "deviceID": vf.bdf(), "ipam": ipam(rail) });
            merge(&mut sriov, &attributes(detection));
            let rdma = json!({ "deviceID": vf.bdf() });
            let mut result = Value::Null;
            for (name, config) in [("sriov", sriov), ("rdma", rdma), ("coordinator", routing())] {
                let (plugin, mut config) =
                    (self.plugin(name, &format!("net{}", rail + 1)), network(name, &config));
                if !result.is_null() {
                    config["prevResult"] = result;
                }
                result = plugin.add(&config).success();
                made.push((plugin, config));
            }
            results.push(result);
        }
        (made, results)
    }

    /// VFs with their attributes, links, addresses, rules, routes, neighbours, sysctls, RDMA devices and leases of host and
    /// pod. Records and caches tell who made it, and differ.
    fn picture(&self) -> Snapshot {
        let links = self.pod.ip(&["link"]).as_array().map_or(0, Vec::len);
        let with_local = || {
            let listed = self.pod.ip(&["-6", "addr", "show", "scope", "link"]);
            let list = listed.as_array().into_iter().flatten();
            (list.filter(|link| link["ifname"].is_string()).count() + 1 == links).then_some(())
        };
        eventually(SOON, with_local).expect("a link-local address on every link");
        self.world.snapshot().without("file ")
    }
}

fn gateways(rail: usize) -> [String; 2] {
    [format!("10.{}.0.254", 80 + rail), format!("fd00:{}::fe", 80 + rail)]
}

/// One address of each family, so that every attachment gets the same. Routes name their gateways, as `rail` has to: its
/// result is about several.
fn ipam(rail: usize) -> Value {
    let ([four, six], net) = (gateways(rail), 80 + rail);
    json!({ "type": "rail-ipam", "routes": [{ "dst": "0.0.0.0/0", "gw": four }, { "dst": "::/0", "gw": six }], "ranges": [
        [{ "subnet": format!("10.{net}.0.0/24"), "rangeStart": format!("10.{net}.0.10"),
           "rangeEnd": format!("10.{net}.0.10"), "gateway": four }],
        [{ "subnet": format!("fd00:{net}::/64"), "rangeStart": format!("fd00:{net}::10"),
           "rangeEnd": format!("fd00:{net}::10"), "gateway": six }],
    ] })
}

fn attributes(detection: &Value) -> Value {
    json!({ "vlan": 100, "spoofchk": "on", "trust": "on", "max_tx_rate": 100, "detection": detection })
}

fn routing() -> Value {
    json!({ "serviceCIDR": ["10.96.0.0/12"], "hijackCIDR": ["169.254.0.0/16"], "podRPFilter": 2 })
}

fn network(plugin: &str, more: &Value) -> Value {
    let mut config = json!({ "cniVersion": "1.1.0", "name": "rails", "type": plugin });
    merge(&mut config, more);
    config
}

fn merge(config: &mut Value, more: &Value) {
    for (key, value) in more.as_object().expect("an object") {
        config[key] = value.clone();
    }
}

/// The results of networks as one of all of them would have it: without routes of tables, which clients take for the pod's own.
fn together(results: &[Value]) -> Value {
    let list = |result: &Value, key: &str| result[key].as_array().cloned().unwrap_or_default();
    let all = |key: &str| results.iter().flat_map(|result| list(result, key)).collect::<Vec<_>>();
    let ips = results.iter().enumerate().flat_map(|(rail, result)| {
        list(result, "ips").into_iter().map(move |mut ip| {
            ip["interface"] = json!(rail);
            ip
        })
    });
    assert!(all("routes").iter().all(|route| !route["table"].is_null()), "{results:?}");
    json!({ "cniVersion": "1.1.0", "interfaces": all("interfaces"), "ips": ips.collect::<Vec<_>>() })
}

#[test]
fn pod_host_and_result_are_as_after_the_chain_of_single_plugins() {
    let stage = Stage::new();
    stage.answer(0..RAILS);
    let detection = json!({ "conflict": true, "gateway": true, "retries": 2, "interval": "50ms" });
    let before = stage.picture();
    let (made, results) = stage.add_by_chain(&detection);
    let by_chain = stage.picture();
    for (plugin, config) in made.iter().rev() {
        plugin.del(config).success();
    }
    assert_same(&before, &stage.picture());
    let (plugin, config) = stage.rail(&detection);
    let mut result = plugin.add(&config).success();
    assert_same(&by_chain, &stage.picture());
    // An empty object says as much as none.
    result.as_object_mut().expect("an object").retain(|_, value| *value != json!({}));
    assert_eq!(result, together(&results));
    let mut checked = config.clone();
    checked["prevResult"] = result;
    plugin.check(&checked).success();
    plugin.del(&config).success();
    assert_same(&before, &stage.picture());
}

/// An ARP request of a pod for the gateway of a rail, as the switch gets it.
fn asks_for_gateway(frame: &Frame, rail: usize) -> bool {
    let net = u8::try_from(80 + rail).expect("a byte");
    !frame.outgoing
        && frame.ethertype() == 0x0806
        && frame.bytes.get(28..32) == Some(&[10, net, 0, 10])
        && frame.bytes.get(38..42) == Some(&[10, net, 0, 254])
}

/// The order in which the requests come is what shows it, on however slow a machine: nobody has been given up before
/// everybody is asked.
#[test]
fn eight_silent_gateways_are_asked_at_the_same_time_and_undo_all() {
    let stage = Stage::new();
    let before = stage.picture();
    let capture = stage.world.switch().capture();
    let silent = json!({ "gateway": true, "retries": 3, "interval": "1s", "timeout": "1s" });
    let (plugin, config) = stage.rail(&silent);
    let error = plugin.add(&config).error();
    assert_eq!(error.code, 103, "{error:?}");
    let frames = capture.drain();
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for rail in 0..RAILS {
        for gateway in gateways(rail) {
            let said = format!("gateway {gateway} does not answer on net{}: 3 ", rail + 1);
            assert!(error.msg.contains(&said), "{said}: {error:?}");
        }
        let asks = |frame: &Frame| asks_for_gateway(frame, rail);
        assert_eq!(frames.iter().filter(|frame| asks(frame)).count(), 3, "rail {rail}");
        first.extend(frames.iter().position(asks));
        last.extend(frames.iter().rposition(asks));
    }
    assert!(first.iter().max() < last.iter().min(), "one after the other: {first:?} {last:?}");
    assert_same(&before, &stage.picture());
}

#[test]
fn one_silent_gateway_of_eight_is_named_and_undoes_all() {
    let stage = Stage::new();
    stage.answer((0..RAILS).filter(|rail| *rail != 4));
    let before = stage.picture();
    let quick = json!({ "gateway": true, "retries": 2, "interval": "100ms", "timeout": "500ms" });
    let (plugin, config) = stage.rail(&quick);
    let error = plugin.add(&config).error();
    assert_eq!(error.code, 103, "{error:?}");
    assert!(error.msg.contains("gateway 10.84.0.254 does not answer on net5"), "{error:?}");
    assert!(!error.msg.contains("10.80.0.254") && !error.msg.contains("10.87.0.254"), "{error:?}");
    assert_same(&before, &stage.picture());
    stage.answer(4..5);
    plugin.add(&config).success();
    plugin.del(&config).success();
    assert_same(&before, &stage.picture());
}
