//! A node: what was seen of it, and what is told of that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use netlink::{PfcFrames, RdmaResources, Statistics};

use crate::family::{Families, Family, Kind, Labels, Value};
use crate::infiniband::COUNTERS;
use crate::rails::{Link, Rail};
use crate::workload;

/// More rails than a node of eight NICs can have pods for; of more, the newest are told.
const MOST_RAILS: usize = 4096;

/// What a scrape sees of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sight {
    /// On record, newest first.
    pub rails: Vec<Rail>,
    /// `namespace/name` by sandbox, where the runtime has told.
    pub pods: BTreeMap<String, String>,
    /// Counters of a pod's interfaces by sandbox and name, where a process of the pod shows them.
    pub interfaces: BTreeMap<String, BTreeMap<String, Statistics>>,
    /// Links of the host namespace by index.
    pub links: BTreeMap<u32, (String, Statistics)>,
    /// Devices of their own: on which NIC they are, and what that says of them.
    pub devices: BTreeMap<String, Counters>,
    /// Ports of RDMA devices that the host namespace shows.
    pub ports: Vec<Port>,
    /// What of those devices is in use.
    pub resources: Vec<RdmaResources>,
    /// Pause frames of the NICs that rails are on, where they have priority flow control.
    pub pauses: BTreeMap<String, PfcFrames>,
    /// When ports, resources and pauses were read: less often than the rest.
    pub firmware_at: Option<Instant>,
    /// What could not be read, a sentence each.
    pub problems: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// A VF or a subfunction as its NIC sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The NIC's interface.
    pub nic: String,
    /// What the NIC has counted for it.
    pub statistics: Option<Statistics>,
}

/// A port of an RDMA device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// `mlx5_0`
    pub device: String,
    /// From 1.
    pub number: u32,
    /// By their files, `counters/port_rcv_data`.
    pub counters: BTreeMap<String, u64>,
    /// Read for Spiderpool's names only.
    pub identity: Identity,
}

/// What Spiderpool's exporter tells of a port's device; empty where there is no such file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `node_guid`
    pub node_guid: String,
    /// `sys_image_guid`
    pub image_guid: String,
    /// The interface that the host shows of it.
    pub netdev: String,
    /// The PF's, of a VF.
    pub parent: String,
    /// Of the port.
    pub megabits: Option<u64>,
    /// That the host forces on all queue pairs.
    pub traffic_class: u64,
}

/// All that is told of a node's rails.
pub fn node(sight: &Sight) -> Vec<Family> {
    let mut families = Families::default();
    let rails: Vec<&Rail> = newest(&sight.rails).into_iter().take(MOST_RAILS).collect();
    info(&mut families, sight, &rails);
    interfaces(&mut families, sight, &rails);
    vfs(&mut families, sight, &rails);
    nics(&mut families, sight, &rails);
    pauses(&mut families, sight);
    ports(&mut families, sight, &rails);
    resources(&mut families, sight, &rails);
    own(&mut families, sight, &rails);
    families.done()
}

/// A pod that begins again has a second sandbox while the first is cleaned up; both are called the same.
fn newest(rails: &[Rail]) -> Vec<&Rail> {
    let mut seen = BTreeSet::new();
    rails.iter().filter(|rail| seen.insert((&rail.container, &rail.interface))).collect()
}

/// Namespace and name; what no kubelet has made is called by its sandbox.
fn pod<'s>(sight: &'s Sight, container: &'s str) -> (&'s str, &'s str) {
    let name = sight.pods.get(container).and_then(|name| name.split_once('/'));
    name.unwrap_or(("", container))
}

/// A sandbox's ID is no name that a controller has made.
fn workload<'s>(namespace: &str, pod: &'s str) -> &'s str {
    if namespace.is_empty() { "" } else { workload::of(pod) }
}

fn labels(sight: &Sight, rail: &Rail) -> Labels {
    let (namespace, pod, workload) = sight.pod(rail);
    vec![
        ("namespace", namespace.to_owned()),
        ("pod", pod.to_owned()),
        ("workload", workload.to_owned()),
        ("interface", rail.interface.clone()),
        ("network", rail.network.clone()),
        ("device", sight.nic(rail).cloned().unwrap_or_default()),
    ]
}

fn info(families: &mut Families, sight: &Sight, rails: &[&Rail]) {
    let help = "A rail of a pod: which plugin made it, and of which PCI and RDMA device it is";
    let place = families.declare("railcni_rail_info", Kind::Gauge, help);
    for rail in rails {
        let mut labels = labels(sight, rail);
        let pci = if let Link::Device(device) = &rail.link { device.clone() } else { String::new() };
        labels.extend([
            ("plugin", rail.plugin.clone()),
            ("pci", pci),
            ("rdma_device", rail.rdma.clone().unwrap_or_default()),
        ]);
        families.add(place, labels, Value::Real(1.0));
    }
}

type Read = fn(&Statistics) -> u64;

/// As `node_exporter` calls those of a network device.
const OF_LINKS: [(&str, &str, Read); 8] = [
    ("receive_bytes", "Bytes received", |of| of.rx_bytes),
    ("receive_packets", "Packets received", |of| of.rx_packets),
    ("receive_errs", "Packets received with errors", |of| of.rx_errors),
    ("receive_drop", "Packets received and dropped", |of| of.rx_dropped),
    ("transmit_bytes", "Bytes sent", |of| of.tx_bytes),
    ("transmit_packets", "Packets sent", |of| of.tx_packets),
    ("transmit_errs", "Packets that could not be sent", |of| of.tx_errors),
    ("transmit_drop", "Packets dropped before they were sent", |of| of.tx_dropped),
];

fn told(families: &mut Families, of: &str, whose: &str, counters: &[(Labels, Statistics)]) {
    // A PF counts no errors of its VFs.
    let is_counted = |name: &str| of != "vf" || !name.ends_with("_errs");
    for (name, help, read) in OF_LINKS.iter().filter(|(name, ..)| is_counted(name)) {
        let place =
            families.declare(&format!("railcni_{of}_{name}"), Kind::Counter, &format!("{help} {whose}"));
        for (labels, statistics) in counters {
            families.add(place, labels.clone(), Value::Whole(read(statistics)));
        }
    }
}

fn interfaces(families: &mut Families, sight: &Sight, rails: &[&Rail]) {
    let of = |rail: &&Rail| {
        let statistics = sight.interfaces.get(&rail.container)?.get(&rail.interface)?;
        Some((labels(sight, rail), *statistics))
    };
    let counters: Vec<_> = rails.iter().filter_map(of).collect();
    told(families, "rail", "by the interface in the pod, without RDMA", &counters);
}

fn vfs(families: &mut Families, sight: &Sight, rails: &[&Rail]) {
    let of = |rail: &&Rail| {
        let Link::Device(device) = &rail.link else { return None };
        Some((labels(sight, rail), sight.devices.get(device)?.statistics?))
    };
    let counters: Vec<_> = rails.iter().filter_map(of).collect();
    told(families, "vf", "by the pod's VF, as its PF counts", &counters);
}

impl Sight {
    /// Namespace, pod and workload.
    pub(crate) fn pod<'s>(&'s self, rail: &'s Rail) -> (&'s str, &'s str, &'s str) {
        let (namespace, pod) = pod(self, &rail.container);
        (namespace, pod, workload(namespace, pod))
    }

    /// The NIC that a rail is on.
    pub fn nic(&self, rail: &Rail) -> Option<&String> {
        match &rail.link {
            Link::Child(index) => index.and_then(|index| self.links.get(&index)).map(|(name, _)| name),
            Link::Device(device) => self.devices.get(device).map(|counters| &counters.nic),
        }
    }
}

/// The NICs that rails are on, once each: what all pods and the node itself have on them.
fn nics(families: &mut Families, sight: &Sight, rails: &[&Rail]) {
    let names: BTreeSet<&String> = rails.iter().filter_map(|rail| sight.nic(rail)).collect();
    let of = |(name, statistics): &(String, Statistics)| {
        names.contains(name).then(|| (vec![("device", name.clone())], *statistics))
    };
    let counters: Vec<_> = sight.links.values().filter_map(of).collect();
    told(families, "device", "by a NIC that rails of pods are on", &counters);
}

type Direction = fn(&PfcFrames) -> &[u64; 8];

fn pauses(families: &mut Families, sight: &Sight) {
    let directions: [(&str, &str, Direction); 2] = [
        (
            "receive",
            "Pause frames of priority flow control that a NIC received: the network stops this host",
            |frames| &frames.received,
        ),
        (
            "transmit",
            "Pause frames of priority flow control that a NIC sent: this host stops the network",
            |frames| &frames.sent,
        ),
    ];
    for (name, help, read) in directions {
        let place = families.declare(&format!("railcni_device_{name}_pfc_frames"), Kind::Counter, help);
        for (nic, frames) in &sight.pauses {
            for (priority, count) in read(frames).iter().enumerate() {
                let labels = vec![("device", nic.clone()), ("priority", priority.to_string())];
                families.add(place, labels, Value::Whole(*count));
            }
        }
    }
}

/// The labels of an RDMA device that is one pod's have the pod; those of a NIC's own do not.
fn owned(sight: &Sight, rails: &[&Rail], device: &str) -> Labels {
    let owner = rails.iter().find(|rail| rail.rdma.as_deref() == Some(device));
    let mut labels: Labels = owner.map_or_else(
        || {
            ["namespace", "pod", "workload", "interface", "network"]
                .map(|name| (name, String::new()))
                .to_vec()
        },
        |rail| labels(sight, rail).into_iter().filter(|(name, _)| *name != "device").collect(),
    );
    labels.push(("device", device.to_owned()));
    labels
}

fn ports(families: &mut Families, sight: &Sight, rails: &[&Rail]) {
    let owned: Vec<Labels> = sight.ports.iter().map(|port| owned(sight, rails, &port.device)).collect();
    for (file, name, scale, help) in COUNTERS {
        let place = families.declare(&format!("railcni_infiniband_{name}"), Kind::Counter, help);
        for (port, labels) in sight.ports.iter().zip(&owned) {
            let Some(value) = port.counters.get(file) else { continue };
            let labels = labels.iter().cloned().chain([("port", port.number.to_string())]).collect();
            families.add(place, labels, Value::Whole(value.wrapping_mul(scale)));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a device has fewer objects than a mantissa has bits")]
fn resources(families: &mut Families, sight: &Sight, rails: &[&Rail]) {
    let help = "Objects of an RDMA device in use, by the kernel's names: qp, cq, mr, pd, cm_id, ctx";
    let place = families.declare("railcni_infiniband_resources", Kind::Gauge, help);
    for of_device in &sight.resources {
        let labels = owned(sight, rails, &of_device.device);
        for (kind, count) in &of_device.counts {
            let labels = labels.iter().cloned().chain([("type", kind.clone())]).collect();
            families.add(place, labels, Value::Real(*count as f64));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a node has fewer rails than a mantissa has bits")]
fn own(families: &mut Families, sight: &Sight, rails: &[&Rail]) {
    let is_dark = |rail: &&&Rail| {
        let inside =
            sight.interfaces.get(&rail.container).is_some_and(|all| all.contains_key(&rail.interface));
        let outside = matches!(&rail.link, Link::Device(device)
            if sight.devices.get(device).is_some_and(|counters| counters.statistics.is_some()));
        !inside && !outside
    };
    let dark = rails.iter().filter(is_dark).count();
    families.gauge("railcni_rails", "Rails of pods that are on record", Vec::new(), sight.rails.len() as f64);
    let help = "Rails of pods whose counters cannot be seen from the host";
    families.gauge("railcni_rails_without_counters", help, Vec::new(), dark as f64);
    let help = "What the last scrape could not read";
    families.gauge("railcni_scrape_problems", help, Vec::new(), sight.problems.len() as f64);
    families.gauge("railcni_scrape_seconds", "How long the last scrape read", Vec::new(), sight.seconds);
}
