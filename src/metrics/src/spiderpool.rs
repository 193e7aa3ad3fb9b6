//! The names that Spiderpool's exporter has, for its dashboards: made of what our own look sees, where that has the same meaning.

use crate::family::{Families, Family, Kind, Labels, Value};
use crate::rails::{Link, Rail};
use crate::sight::{Identity, Port, Sight};

/// Of a file below `ports/N/`: what one count stands for, and its name after `rdma_`.
type Name = (&'static str, u64, &'static str);

/// The driver's own counters have their files' names. Of what goes by a port, RDMA is all that is counted there; bytes are told as
/// unicast, for no file tells them apart, and packets are.
pub(crate) const NAMES: [Name; 35] = [
    own("rx_write_requests", "hw_counters/rx_write_requests"),
    own("rx_read_requests", "hw_counters/rx_read_requests"),
    own("rx_atomic_requests", "hw_counters/rx_atomic_requests"),
    own("rx_dct_connect", "hw_counters/rx_dct_connect"),
    own("out_of_buffer", "hw_counters/out_of_buffer"),
    own("out_of_sequence", "hw_counters/out_of_sequence"),
    own("duplicate_request", "hw_counters/duplicate_request"),
    own("rnr_nak_retry_err", "hw_counters/rnr_nak_retry_err"),
    own("packet_seq_err", "hw_counters/packet_seq_err"),
    own("implied_nak_seq_err", "hw_counters/implied_nak_seq_err"),
    own("local_ack_timeout_err", "hw_counters/local_ack_timeout_err"),
    own("resp_local_length_error", "hw_counters/resp_local_length_error"),
    own("resp_cqe_error", "hw_counters/resp_cqe_error"),
    own("req_cqe_error", "hw_counters/req_cqe_error"),
    own("req_remote_invalid_request", "hw_counters/req_remote_invalid_request"),
    own("req_remote_access_errors", "hw_counters/req_remote_access_errors"),
    own("resp_remote_access_errors", "hw_counters/resp_remote_access_errors"),
    own("resp_cqe_flush_error", "hw_counters/resp_cqe_flush_error"),
    own("req_cqe_flush_error", "hw_counters/req_cqe_flush_error"),
    own("roce_adp_retrans", "hw_counters/roce_adp_retrans"),
    own("roce_adp_retrans_to", "hw_counters/roce_adp_retrans_to"),
    own("roce_slow_restart", "hw_counters/roce_slow_restart"),
    own("roce_slow_restart_cnps", "hw_counters/roce_slow_restart_cnps"),
    own("roce_slow_restart_trans", "hw_counters/roce_slow_restart_trans"),
    own("rp_cnp_ignored", "hw_counters/rp_cnp_ignored"),
    own("rp_cnp_handled", "hw_counters/rp_cnp_handled"),
    own("np_ecn_marked_roce_packets", "hw_counters/np_ecn_marked_roce_packets"),
    own("np_cnp_sent", "hw_counters/np_cnp_sent"),
    own("rx_icrc_encapsulated", "hw_counters/rx_icrc_encapsulated"),
    ("counters/port_rcv_data", 4, RECEIVED),
    ("counters/port_xmit_data", 4, SENT),
    own("rx_vport_rdma_unicast_packets", "counters/unicast_rcv_packets"),
    own("tx_vport_rdma_unicast_packets", "counters/unicast_xmit_packets"),
    own("rx_vport_rdma_multicast_packets", "counters/multicast_rcv_packets"),
    own("tx_vport_rdma_multicast_packets", "counters/multicast_xmit_packets"),
];

const RECEIVED: &str = "rx_vport_rdma_unicast_bytes";
const SENT: &str = "tx_vport_rdma_unicast_bytes";
/// What the dashboards add to those: nothing here, or their sums would be empty.
const MULTICAST: [&str; 2] = ["rx_vport_rdma_multicast_bytes", "tx_vport_rdma_multicast_bytes"];

const fn own(name: &'static str, file: &'static str) -> Name {
    (file, 1, name)
}

/// All that is told by these names; `node` is that of Kubernetes.
pub fn spiderpool(sight: &Sight, node: &str) -> Vec<Family> {
    let mut families = Families::default();
    for port in &sight.ports {
        let labels = of_port(sight, node, port);
        for (file, scale, name) in NAMES {
            if let Some(value) = port.counters.get(file) {
                count(&mut families, name, &labels, value.wrapping_mul(scale));
            }
        }
        if port.counters.contains_key("counters/port_rcv_data") {
            no_multicast(&mut families, &labels);
        }
        if let Some(speed) = port.identity.megabits {
            count(&mut families, "vport_speed_mbps", &labels, speed);
        }
        if port.identity.parent.is_empty() {
            count(&mut families, "device_tos", &labels, port.identity.traffic_class);
            pauses(&mut families, sight, port, &labels);
        }
    }
    for rail in &sight.rails {
        moved(&mut families, sight, node, rail);
    }
    families.done()
}

fn count(families: &mut Families, name: &str, labels: &Labels, value: u64) {
    let help = format!("As Spiderpool tells {name}");
    let place = families.declare(&format!("rdma_{name}"), Kind::Counter, &help);
    families.add(place, labels.clone(), Value::Whole(value));
}

fn no_multicast(families: &mut Families, labels: &Labels) {
    for name in MULTICAST {
        count(families, name, labels, 0);
    }
}

fn pauses(families: &mut Families, sight: &Sight, port: &Port, labels: &Labels) {
    let Some(frames) = sight.pauses.get(&port.identity.netdev) else { return };
    for (name, of) in [("rx_pause", &frames.received), ("tx_pause", &frames.sent)] {
        for (priority, value) in of.iter().enumerate() {
            let labels = labels.iter().cloned().chain([("priority", priority.to_string())]).collect();
            count(families, name, &labels, *value);
        }
    }
}

/// A VF whose RDMA device is in its pod shows no port here; its PF counts what goes by it.
fn moved(families: &mut Families, sight: &Sight, node: &str, rail: &Rail) {
    let Some(rdma) = &rail.rdma else { return };
    let Link::Device(device) = &rail.link else { return };
    let counted = sight.devices.get(device).and_then(|counters| counters.statistics);
    let Some(statistics) = counted.filter(|_| sight.ports.iter().all(|port| port.device != *rdma)) else {
        return;
    };
    let parent = sight.nic(rail).cloned().unwrap_or_default();
    let identity = Identity { parent, ..Identity::default() };
    let labels = labels(sight, node, rdma, &identity, Some(rail));
    count(families, RECEIVED, &labels, statistics.rx_bytes);
    count(families, SENT, &labels, statistics.tx_bytes);
    no_multicast(families, &labels);
}

fn of_port(sight: &Sight, node: &str, port: &Port) -> Labels {
    let owner = sight.rails.iter().find(|rail| rail.rdma.as_deref() == Some(&port.device));
    labels(sight, node, &port.device, &port.identity, owner)
}

/// The owner is what the pod's name says; of which kind it is, it does not.
fn labels(sight: &Sight, node: &str, device: &str, identity: &Identity, owner: Option<&Rail>) -> Labels {
    let pod = owner.map(|rail| sight.pod(rail));
    let (namespace, name, workload) = pod.unwrap_or_default();
    let netdev = owner.map_or(&identity.netdev, |rail| &rail.interface);
    let is_root = identity.parent.is_empty();
    [
        ("node_name", node),
        ("ifname", device),
        ("net_dev_name", netdev),
        ("node_guid", &identity.node_guid),
        ("sys_image_guid", &identity.image_guid),
        ("is_root", if is_root { "true" } else { "false" }),
        ("rdma_parent_name", &identity.parent),
        ("pod_namespace", namespace),
        ("pod_name", name),
        ("owner_api_version", ""),
        ("owner_kind", ""),
        ("owner_namespace", namespace),
        ("owner_name", workload),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}
