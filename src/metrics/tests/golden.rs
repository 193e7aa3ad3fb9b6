//! Names and labels are what dashboards and alerts are made of: a change of one is a change for everybody who has them.

use std::collections::BTreeMap;
use std::time::Duration;

use host::doctor::{Check, Finding, Level};
use metrics::{
    Agent, Condition, Controller, Counters, Identity, Link, NodePool, Pool, Port, Rail, Sight, text,
};
use netlink::{PfcFrames, RdmaResources, Statistics};
use state::calls::Call;

/// Eight different numbers.
fn statistics(from: u64) -> Statistics {
    Statistics {
        rx_bytes: from,
        rx_packets: from + 1,
        rx_errors: from + 2,
        rx_dropped: from + 3,
        tx_bytes: from + 4,
        tx_packets: from + 5,
        tx_errors: from + 6,
        tx_dropped: from + 7,
    }
}

fn rail(container: &str, interface: &str, link: Link, rdma: Option<&str>) -> Rail {
    Rail {
        container: container.to_owned(),
        network: format!("gpu-{interface}"),
        interface: interface.to_owned(),
        plugin: "rail".to_owned(),
        link,
        rdma: rdma.map(str::to_owned),
        created: 1,
    }
}

/// A macvlan of a pod and a VF of another that no kubelet has made, and a NIC of the node's own.
fn sight() -> Sight {
    let vf = Link::Device("0000:1a:00.2".to_owned());
    let device = Counters { nic: "ens2".to_owned(), statistics: Some(statistics(300)) };
    // Of every file another number.
    let files = include_str!("../src/infiniband.rs").split('"').filter(|word| word.contains("counters/"));
    let counters: BTreeMap<String, u64> = files.map(str::to_owned).zip(1..).collect();
    let port = |device: &str| Port {
        device: device.to_owned(),
        number: 1,
        counters: counters.clone(),
        identity: Identity::default(),
    };
    let counts = [("qp", 12), ("mr", 340), ("cq", 6)].map(|(name, count)| (name.to_owned(), count)).to_vec();
    let resources = vec![RdmaResources { device: "mlx5_2".to_owned(), counts }];
    let pauses = PfcFrames { sent: [0, 0, 0, 0, 0, 7, 0, 0], received: [0, 0, 0, 0, 0, 9, 0, 0] };
    Sight {
        rails: vec![rail("c1", "net1", Link::Child(Some(4)), None), rail("c2", "net2", vf, Some("mlx5_2"))],
        pods: BTreeMap::from([("c1".to_owned(), "ml/train-0".to_owned())]),
        interfaces: BTreeMap::from([(
            "c1".to_owned(),
            BTreeMap::from([("net1".to_owned(), statistics(100))]),
        )]),
        links: BTreeMap::from([
            (4, ("ens1".to_owned(), statistics(400))),
            (5, ("ens2".to_owned(), statistics(500))),
            (6, ("eth0".to_owned(), statistics(600))),
        ]),
        devices: BTreeMap::from([("0000:1a:00.2".to_owned(), device)]),
        ports: vec![port("mlx5_0"), port("mlx5_2")],
        resources,
        pauses: BTreeMap::from([("ens1".to_owned(), pauses)]),
        firmware_at: None,
        problems: vec!["a record".to_owned()],
        seconds: 0.25,
    }
}

fn condition(kind: &str, status: &str) -> Condition {
    Condition { r#type: kind.to_owned(), status: status.to_owned(), ..Condition::default() }
}

fn agent() -> Agent {
    let finding = |check, level| Finding {
        check,
        level,
        subject: "mlx5_0/1".to_owned(),
        value: String::new(),
        wanted: String::new(),
        source: String::new(),
        cure: String::new(),
    };
    let findings = vec![
        finding(Check::Device, Level::Good),
        finding(Check::Mtu, Level::Good),
        finding(Check::Mtu, Level::Warning),
    ];
    let mut agent = Agent {
        epoch: 7,
        findings: Some((findings, 1_790_000_000)),
        conditions: vec![condition("Ready", "True")],
        ..Agent::default()
    };
    agent.pools.insert("gpu-rail1".to_owned(), NodePool { granted: 16, used: 5, waiting: 1 });
    agent.ended("gpu-rail1", "granted");
    agent.ended("gpu-rail1", "refused");
    agent.waits.add(0.07);
    let call = |command: &str, code, took| Call {
        plugin: "macvlan".to_owned(),
        command: command.to_owned(),
        code,
        took: Duration::from_millis(took),
    };
    for call in [call("ADD", None, 6), call("ADD", Some(11), 70_000), call("DEL", None, 3)] {
        agent.calls.add(&call);
    }
    agent
}

fn controller() -> Controller {
    let conditions = vec![condition("Granting", "True"), condition("Exhausted", "False")];
    let pool = Pool { total: 254, granted: 64, used: 40, free: 190, unmet: 0, conditions };
    Controller {
        pools: BTreeMap::from([("gpu-rail1".to_owned(), pool)]),
        nodes: BTreeMap::from([("True".to_owned(), 3), ("False".to_owned(), 1)]),
        blocks: 2,
        leader: true,
    }
}

#[track_caller]
fn compare(told: &str, golden: &str) {
    assert_eq!(
        told, golden,
        "names and labels have changed; if that is meant, this is the new file:\n{told}"
    );
}

#[test]
fn an_agent_tells_these_names_and_labels() {
    let families = [metrics::node(&sight()), metrics::agent(&agent())].concat();
    compare(&text(families).unwrap(), include_str!("agent.prom"));
}

/// Of a NIC, of a VF of a pod that the host shows, and of one that is in its pod.
#[test]
fn spiderpools_dashboards_find_these_names_and_labels() {
    let mut sight = sight();
    let files = include_str!("../src/spiderpool.rs").split('"').filter(|word| word.contains("counters/"));
    let counters: BTreeMap<String, u64> = files.map(str::to_owned).zip(1..).collect();
    let identity = |guid: &str, netdev: &str, parent: &str| Identity {
        node_guid: guid.to_owned(),
        image_guid: "0002:c903:0028:7a1c".to_owned(),
        netdev: netdev.to_owned(),
        parent: parent.to_owned(),
        megabits: Some(200_000),
        traffic_class: 160,
    };
    let port = |device: &str, identity| Port {
        device: device.to_owned(),
        number: 1,
        counters: counters.clone(),
        identity,
    };
    sight.ports = vec![
        port("mlx5_0", identity("0002:c903:0028:7a1c", "ens1", "")),
        port("mlx5_2", identity("0202:c903:0028:7a1c", "ens1v0", "ens1")),
    ];
    let moved = Link::Device("0000:1a:00.3".to_owned());
    sight.rails.push(rail("c1", "net3", moved, Some("mlx5_3")));
    let counted = Counters { nic: "ens2".to_owned(), statistics: Some(statistics(700)) };
    sight.devices.insert("0000:1a:00.3".to_owned(), counted);
    compare(&text(metrics::spiderpool(&sight, "worker-1")).unwrap(), include_str!("spiderpool.prom"));
}

#[test]
fn a_controller_tells_these_names_and_labels() {
    compare(&text(metrics::controller(&controller())).unwrap(), include_str!("controller.prom"));
}

/// What has no sample yet is told by its name and meaning: a dashboard that finds nothing finds the reason.
#[test]
fn an_idle_node_has_the_same_names() {
    let named =
        |families: Vec<metrics::Family>| families.into_iter().map(|family| family.name).collect::<Vec<_>>();
    assert_eq!(named(metrics::node(&Sight::default())), named(metrics::node(&sight())));
    assert_eq!(named(metrics::agent(&Agent::default())), named(metrics::agent(&agent())));
    assert_eq!(named(metrics::controller(&Controller::default())), named(metrics::controller(&controller())));
}

/// Two samples of one name and labels are a scrape that Prometheus refuses whole.
#[test]
fn a_pod_that_has_begun_again_is_told_once() {
    let mut sight = sight();
    sight.rails.push(rail("c0", "net1", Link::Child(Some(4)), None));
    sight.pods.insert("c0".to_owned(), "ml/train-0".to_owned());
    sight.interfaces.insert("c0".to_owned(), BTreeMap::from([("net1".to_owned(), statistics(900))]));
    let told = text(metrics::node(&sight)).unwrap();
    let own = told.lines().filter(|line| line.starts_with("railcni_rail_receive_bytes_total{"));
    let own: Vec<&str> = own.filter(|line| line.contains("train-0")).collect();
    assert_eq!(own.len(), 1, "{told}");
    assert!(own[0].ends_with(" 100"), "the newest sandbox counts: {own:?}");
}
