//! The node's readiness: the doctor looks every minute, and when something about a NIC has changed; what he says becomes the
//! conditions of the node's object, written when they change and by this life only.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::{Condition, RailNode};
use grants::agent::Pf;
use host::doctor::{self, Finding, Sight, Whose};
use ipnet::IpNet;
use netlink::{Event, Group, Monitor};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Input, Shell};
use crate::event;

/// Between two looks, if nothing happens.
const EVERY: Duration = Duration::from_secs(60);
/// A look opens thousands of files where there are many VFs: links that flap do not make it look more often than this.
const CALM: Duration = Duration::from_secs(15);
/// How long the API server may take to show what was written.
const SHOWN: Duration = Duration::from_secs(10);
/// How long a thread waits for events before it asks whether anybody still listens.
const LISTENS: Duration = Duration::from_secs(3600);
/// Where the node's file system begins, if that is not here; sysfs and devices of an agent in a pod are the node's own.
const ROOT: &str = "RAILD_NODE_ROOT";

/// What the doctor has said.
pub(super) struct Said {
    pub(super) findings: Vec<Finding>,
    pub(super) has_no_rdma: bool,
    pub(super) nics: Nics,
    pub(super) pfs: Vec<Pf>,
}

/// What the node's object tells of its NICs.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Nics {
    rails: Option<i64>,
    rdma: Option<String>,
}

/// What is to stand in the node's object, and what was sent of it last, and when.
#[derive(Default)]
pub(super) struct Health {
    wanted: Option<(Vec<Condition>, Nics)>,
    sent: Option<(Vec<Condition>, Nics, Instant)>,
}

/// Interfaces of RDMA devices, which the events are about that matter.
type Names = Arc<Mutex<BTreeSet<String>>>;

/// Looks for ever.
pub(super) async fn watch(tell: UnboundedSender<Input>) {
    let names = Names::default();
    let mut changes = listen(names.clone());
    loop {
        let looked = Instant::now();
        let known = names.clone();
        match tokio::task::spawn_blocking(move || look(&known)).await {
            Ok(Ok(said)) => {
                if tell.send(Input::Doctor(Box::new(said))).is_err() {
                    return;
                }
            }
            Ok(Err(error)) => eprintln!("raild: the node cannot be judged: {error}"),
            Err(error) => eprintln!("raild: the doctor ended: {error}"),
        }
        let heard = async {
            // Without a thread that listens, time alone counts.
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let _ = tokio::time::timeout_at(looked + EVERY, heard).await;
        tokio::time::sleep_until(looked + CALM).await;
    }
}

fn look(names: &Names) -> Result<Said, host::Error> {
    let root = std::env::var_os(ROOT).map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let mut sight = doctor::look(&root, Whose::Node);
    doctor::look_at_links(&mut sight)?;
    let own = sight.devices.iter().flat_map(doctor::RdmaDevice::netdevs).collect();
    *names.lock().unwrap_or_else(PoisonError::into_inner) = own;
    let nics = Nics { rails: i64::try_from(sight.rails()).ok(), rdma: sight.netns_mode.clone() };
    let (has_no_rdma, pfs, findings) = (sight.has_no_rdma(), pfs(&sight), doctor::judge(&sight, None));
    Ok(Said { findings, has_no_rdma, nics, pfs })
}

/// Those whose VFs pods have, with the node's own addresses.
fn pfs(sight: &Sight) -> Vec<Pf> {
    let addresses = |name: &String| sight.netdev(name).map(|netdev| &netdev.addresses);
    let pf = |pf: &doctor::Pf| Pf {
        names: pf.netdevs.iter().chain([&pf.address]).cloned().collect(),
        addresses: pf.netdevs.iter().filter_map(addresses).flatten().map(IpNet::addr).collect(),
        vfs: pf.vfs.into(),
    };
    sight.pfs.iter().map(pf).collect()
}

/// A thread of its own waits for the kernel: one that the runtime waited for would keep the process from ending.
fn listen(names: Names) -> watch::Receiver<()> {
    let (tell, changes) = watch::channel(());
    std::thread::spawn(move || {
        let outcome = Monitor::subscribe(&[Group::Link]).and_then(|mut monitor| {
            while !tell.is_closed() {
                let mut accept = |event| {
                    let names = names.lock().unwrap_or_else(PoisonError::into_inner);
                    concerns(&event, &names).then_some(())
                };
                if monitor.wait(std::time::Instant::now() + LISTENS, &mut accept)?.is_some() {
                    tell.send_replace(());
                }
            }
            Ok(())
        });
        if let Err(error) = outcome {
            eprintln!("raild: {error}; the node is judged every minute only");
        }
    });
    changes
}

/// A NIC, or an interface of an RDMA device; the veths of pods come and go all day.
fn concerns(event: &Event, names: &BTreeSet<String>) -> bool {
    match event {
        Event::Link(link) | Event::LinkGone(link) => link.device.is_some() || names.contains(&link.name),
        Event::Lost => true,
        _ => false,
    }
}

impl Shell {
    pub(super) fn judge(&mut self, said: Said) {
        self.health.wanted = Some((doctor::readiness(said.has_no_rdma, &said.findings), said.nics));
        self.pfs = Some(said.pfs);
        self.figures.judged(said.findings);
    }

    /// Writes the conditions, if the object does not have them.
    pub(super) fn tell_health(&mut self) {
        let (Some((wanted, nics)), Some(seen)) = (&self.health.wanted, &self.seen) else { return };
        if !self.agent.has_joined() {
            return;
        }
        let status = seen.status.clone().unwrap_or_default();
        let (known, counted) = (status.conditions, Nics { rails: status.rails, rdma: status.rdma });
        let now = k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let (conditions, news) = doctor::changed(wanted.clone(), &known, &now);
        self.figures.conditions(conditions.clone());
        let says = |sent: &[Condition]| sent.iter().map(said).eq(conditions.iter().map(said));
        let is_shown_soon = |(sent, of, at): &(Vec<Condition>, Nics, Instant)| {
            says(sent) && of == nics && at.elapsed() < SHOWN
        };
        if (says(&known) && counted == *nics) || self.health.sent.as_ref().is_some_and(is_shown_soon) {
            return;
        }
        self.health.sent = Some((conditions.clone(), nics.clone(), Instant::now()));
        let mut operations = vec![
            json!({ "op": "test", "path": "/status/life", "value": self.agent.life() }),
            json!({ "op": "add", "path": "/status/conditions", "value": conditions }),
        ];
        operations.extend(set("rails", counted.rails.as_ref(), nics.rails.as_ref()));
        operations.extend(set("rdma", counted.rdma.as_ref(), nics.rdma.as_ref()));
        let events = news.iter().map(|condition| event(seen, condition, &now)).collect();
        self.write(operations.into(), events);
    }
}

/// A schema takes no `null` for what is not there.
fn set<T: Serialize>(field: &str, known: Option<&T>, wanted: Option<&T>) -> Option<Value> {
    let path = format!("/status/{field}");
    match (known, wanted) {
        (_, Some(value)) => Some(json!({ "op": "add", "path": path, "value": value })),
        (Some(_), None) => Some(json!({ "op": "remove", "path": path })),
        (None, None) => None,
    }
}

/// All but the time.
fn said(condition: &Condition) -> (&str, &str, &str, &str) {
    (&condition.r#type, &condition.status, &condition.reason, &condition.message)
}

fn event(node: &RailNode, condition: &Condition, now: &str) -> Value {
    let (reason, is_bad) = (condition.reason.as_str(), doctor::is_bad(condition));
    let message =
        if condition.message.is_empty() { "all checks passed that had failed" } else { &condition.message };
    let source = json!({ "component": "railcni-agent", "host": node.metadata.name });
    event::about::<RailNode>(&node.metadata, &event::Said { is_bad, reason, message, source, now })
}

#[cfg(test)]
mod tests {
    use testkit::{World, eventually};

    use super::*;

    #[test]
    fn a_change_of_a_rail_is_heard() {
        let world = World::new();
        world.rail(1);
        let names = Names::new(Mutex::new(BTreeSet::from(["rail1".to_owned()])));
        let mut changes = listen(names);
        let limit = Duration::from_secs(60);
        // The thread subscribes some time after it has begun.
        let heard = eventually(limit, || {
            world.host().ip_do("link set rail1 down\nlink set rail1 up");
            changes.has_changed().unwrap().then_some(())
        });
        heard.expect("a change of a rail is heard");
        changes.mark_unchanged();
        // Its own thread goes on listening.
        world.host().ip_do("link set rail1 down");
        eventually(limit, || changes.has_changed().unwrap().then_some(())).expect("it is heard again");
    }

    #[test]
    fn veths_of_pods_are_of_no_concern_and_rails_are() {
        let world = World::new();
        world.rail(1);
        world.host().ip_do("link add veth1 type veth peer name veth2");
        let names = BTreeSet::from(["rail1".to_owned()]);
        let mut route = netlink::Rtnetlink::open().unwrap();
        let mut link = |name: &str| route.link_by_name(name).unwrap().unwrap();
        assert!(concerns(&Event::Link(link("rail1")), &names));
        assert!(!concerns(&Event::LinkGone(link("veth1")), &names));
        let nic = netlink::Link { device: Some("0000:1a:00.0".to_owned()), ..link("veth1") };
        assert!(concerns(&Event::Link(nic), &names), "a NIC that is not known yet");
        assert!(concerns(&Event::Lost, &names));
    }
}
