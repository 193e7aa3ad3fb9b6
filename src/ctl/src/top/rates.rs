//! Rates out of counters, from look to look.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use metrics::{Link, Port, Rail, Sight};
use netlink::Statistics;
use serde::Serialize;

/// Looks of which a picture has a place.
const LOOKS: usize = 120;
/// Data of RDMA ports is counted in words of four bytes.
const WORD: u64 = 4;
/// What of a port's counters says that something went wrong.
const ERRORS: [&str; 11] = [
    "counters/port_rcv_errors",
    "counters/port_xmit_discards",
    "counters/link_downed",
    "counters/symbol_error",
    "hw_counters/out_of_sequence",
    "hw_counters/packet_seq_err",
    "hw_counters/local_ack_timeout_err",
    "hw_counters/rnr_nak_retry_err",
    "hw_counters/out_of_buffer",
    "hw_counters/roce_adp_retrans",
    "hw_counters/req_transport_retries_exceeded",
];

/// A rail, as it is printed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    /// `namespace/name`, or the sandbox that no kubelet made.
    pub(super) pod: String,
    pub(super) interface: String,
    pub(super) network: String,
    /// The NIC on the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device: Option<String>,
    /// Who counts: `interface` in the pod, or the `vf` as its PF does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) counted_by: Option<&'static str>,
    /// Absent where nobody counts, and at the first look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rate: Option<Rate>,
    /// Since the first look.
    pub(super) errors: u64,
    pub(super) drops: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rdma: Option<Rdma>,
    /// Bytes per second of both directions at each look, the newest last.
    #[serde(skip)]
    pub(super) history: Vec<f64>,
}

/// Per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rate {
    pub(super) receive_bytes: f64,
    pub(super) transmit_bytes: f64,
    pub(super) receive_packets: f64,
    pub(super) transmit_packets: f64,
}

/// What the RDMA device of the rail says that is its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rdma {
    pub(super) device: String,
    /// Per second; absent until it was read twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) receive_bytes: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transmit_bytes: Option<f64>,
    /// Since the first look: lost, repeated or refused packets, and links that went down.
    pub(super) errors: u64,
}

/// All that was seen.
#[derive(Default)]
pub(super) struct Rails {
    rails: BTreeMap<Key, Seen>,
    devices: BTreeMap<String, Device>,
}

/// Sandbox and interface.
type Key = (String, String);

struct Seen {
    at: Instant,
    counters: Option<(&'static str, Statistics)>,
    /// Errors and drops at the first look.
    base: (u64, u64),
    row: Row,
    history: VecDeque<f64>,
}

/// An RDMA device.
struct Device {
    at: Option<Instant>,
    counters: Counters,
    base: u64,
    rates: Option<(f64, f64)>,
}

#[derive(Clone, Copy, Default)]
struct Counters {
    received: u64,
    sent: u64,
    errors: u64,
}

impl Rails {
    /// Takes in what is there now, and forgets what is not.
    pub(super) fn see(&mut self, sight: &Sight, at: Instant) {
        self.see_devices(sight);
        let mut rails = BTreeMap::new();
        for rail in &sight.rails {
            let key = (rail.container.clone(), rail.interface.clone());
            if rails.contains_key(&key) {
                continue;
            }
            let seen = self.rail(self.rails.get(&key), sight, rail, at);
            rails.insert(key, seen);
        }
        self.rails = rails;
    }

    fn see_devices(&mut self, sight: &Sight) {
        let mut now: BTreeMap<String, Counters> = BTreeMap::new();
        for port in &sight.ports {
            now.entry(port.device.clone()).or_default().add(port);
        }
        self.devices.retain(|name, _| now.contains_key(name));
        for (name, counters) in now {
            let base = counters.errors;
            let new = || Device { at: None, counters, base, rates: None };
            let known = self.devices.entry(name).or_insert_with(new);
            known.see(counters, sight.firmware_at);
        }
    }

    fn rail(&self, before: Option<&Seen>, sight: &Sight, rail: &Rail, at: Instant) -> Seen {
        let counters = counters(sight, rail);
        let faults =
            |(_, of): (&str, Statistics)| (of.rx_errors + of.tx_errors, of.rx_dropped + of.tx_dropped);
        let now = counters.map(faults).unwrap_or_default();
        // A counter that went back is that of another interface of the name.
        let base = before.map_or(now, |seen| (seen.base.0.min(now.0), seen.base.1.min(now.1)));
        let rate = before.and_then(|seen| {
            let (by, earlier) = seen.counters?;
            let (_, later) = counters.filter(|(now, _)| *now == by)?;
            rate(&earlier, &later, at.duration_since(seen.at).as_secs_f64())
        });
        let rdma = rail.rdma.as_ref().and_then(|name| Some(self.devices.get(name)?.told(name)));
        let mut history = before.map(|seen| seen.history.clone()).unwrap_or_default();
        history.extend(rate.map(|rate| throughput(&rate, rdma.as_ref(), counters)));
        while history.len() > LOOKS {
            history.pop_front();
        }
        let row = Row {
            pod: sight.pods.get(&rail.container).unwrap_or(&rail.container).clone(),
            interface: rail.interface.clone(),
            network: rail.network.clone(),
            device: sight.nic(rail).cloned(),
            counted_by: counters.map(|(by, _)| by),
            rate,
            errors: now.0 - base.0,
            drops: now.1 - base.1,
            rdma,
            history: Vec::new(),
        };
        Seen { at, counters, base, row, history }
    }

    /// The busiest pod first, its rails by name.
    pub(super) fn rows(&self, pod: Option<&str>) -> Vec<Row> {
        let wanted = |(_, seen): &(&Key, &Seen)| pod.is_none_or(|pod| seen.row.pod == pod);
        let row = |(_, seen): (&Key, &Seen)| Row {
            history: seen.history.iter().copied().collect(),
            ..seen.row.clone()
        };
        let mut rows: Vec<Row> = self.rails.iter().filter(wanted).map(row).collect();
        let mut busy: BTreeMap<String, f64> = BTreeMap::new();
        for row in &rows {
            *busy.entry(row.pod.clone()).or_default() += row.history.last().copied().unwrap_or_default();
        }
        rows.sort_by(|one, other| {
            let busiest = busy[&other.pod].total_cmp(&busy[&one.pod]);
            busiest.then_with(|| (&one.pod, rank(one)).cmp(&(&other.pod, rank(other))))
        });
        rows
    }
}

/// `net2` before `net10`.
fn rank(row: &Row) -> (usize, &str) {
    (row.interface.len(), &row.interface)
}

/// A PF counts what goes past the kernel, too; where there are both, it is right.
fn counters(sight: &Sight, rail: &Rail) -> Option<(&'static str, Statistics)> {
    let of_vf = match &rail.link {
        Link::Device(device) => sight.devices.get(device).and_then(|counters| counters.statistics),
        Link::Child(_) => None,
    };
    let inside = || sight.interfaces.get(&rail.container)?.get(&rail.interface).copied();
    of_vf.map(|counters| ("vf", counters)).or_else(|| Some(("interface", inside()?)))
}

fn rate(earlier: &Statistics, later: &Statistics, seconds: f64) -> Option<Rate> {
    let per_second = |of: fn(&Statistics) -> u64| each(of(earlier), of(later), seconds);
    Some(Rate {
        receive_bytes: per_second(|of| of.rx_bytes)?,
        transmit_bytes: per_second(|of| of.tx_bytes)?,
        receive_packets: per_second(|of| of.rx_packets)?,
        transmit_packets: per_second(|of| of.tx_packets)?,
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "what is counted within an hour has fewer bits than a mantissa"
)]
fn each(earlier: u64, later: u64, seconds: f64) -> Option<f64> {
    (seconds > 0.0).then_some(later.checked_sub(earlier)? as f64 / seconds)
}

/// RDMA goes past the interface in the pod, and not past the PF.
fn throughput(rate: &Rate, rdma: Option<&Rdma>, counters: Option<(&str, Statistics)>) -> f64 {
    let past = rdma.filter(|_| counters.is_some_and(|(by, _)| by == "interface"));
    let past = past.map(|rdma| rdma.receive_bytes.unwrap_or(0.0) + rdma.transmit_bytes.unwrap_or(0.0));
    rate.receive_bytes + rate.transmit_bytes + past.unwrap_or(0.0)
}

impl Counters {
    fn add(&mut self, port: &Port) {
        let of = |file: &str| port.counters.get(file).copied().unwrap_or(0);
        self.received = self.received.wrapping_add(of("counters/port_rcv_data").wrapping_mul(WORD));
        self.sent = self.sent.wrapping_add(of("counters/port_xmit_data").wrapping_mul(WORD));
        self.errors = ERRORS.iter().fold(self.errors, |sum, file| sum.wrapping_add(of(file)));
    }
}

impl Device {
    /// Only another reading is news.
    fn see(&mut self, now: Counters, at: Option<Instant>) {
        if self.at == at {
            return;
        }
        if let (Some(before), Some(at)) = (self.at, at) {
            let seconds = at.duration_since(before).as_secs_f64();
            let received = each(self.counters.received, now.received, seconds);
            self.rates = received.zip(each(self.counters.sent, now.sent, seconds));
        }
        self.base = self.base.min(now.errors);
        (self.at, self.counters) = (at, now);
    }

    fn told(&self, name: &str) -> Rdma {
        let (received, sent) = self.rates.unzip();
        let errors = self.counters.errors.saturating_sub(self.base);
        Rdma { device: name.to_owned(), receive_bytes: received, transmit_bytes: sent, errors }
    }
}

#[cfg(test)]
mod tests;
