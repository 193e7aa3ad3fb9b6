//! Pods that come and go, as the calls of an IPAM plugin that a runtime would make for them.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Manner;
use super::sides::Running;
use crate::fabric::RAILS;
use crate::suite::RAILS_NAMESPACE;
use crate::world::Place;

/// As kubelet does, for as long as a test can wait.
const ATTEMPTS: usize = 10;
/// A thread only waits for a process.
const STACK: usize = 512 << 10;
/// Calls at once: more processes than that no machine has that is all nodes in one.
const AT_ONCE: usize = 1_000;

/// A pod is its container.
pub(super) struct Pod(pub(super) String);

pub(super) struct Crowd<'c> {
    pub(super) side: &'c Running,
    pub(super) places: &'c [Place],
    pub(super) manner: Manner,
    pub(super) gate: Gate,
}

/// Lets so many through at once.
#[derive(Debug)]
pub(super) struct Gate {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Default for Gate {
    fn default() -> Self {
        Self { free: Mutex::new(AT_ONCE), freed: Condvar::new() }
    }
}

impl Gate {
    fn pass<T>(&self, work: impl FnOnce() -> T) -> T {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.freed.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        let done = work();
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.freed.notify_one();
        done
    }
}

/// What came of many calls.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) failed: usize,
    pub(super) missing: usize,
    pub(super) doubled: usize,
}

/// What came of the calls for a rail of a pod: its address, and how many failed before.
struct Ended {
    rail: u8,
    address: Option<String>,
    failed: usize,
}

impl Crowd<'_> {
    /// All pods of all nodes.
    pub(super) fn add(&self, pods: &[Vec<Pod>]) -> Outcome {
        let mut outcome = Outcome::default();
        let mut holders = BTreeMap::<_, usize>::new();
        for ended in self.all(pods, "ADD") {
            outcome.failed += ended.failed;
            match ended.address {
                Some(address) => *holders.entry((ended.rail, address)).or_default() += 1,
                None => outcome.missing += 1,
            }
        }
        outcome.doubled = holders.values().filter(|holders| **holders > 1).count();
        outcome
    }

    /// The same pods' end.
    pub(super) fn del(&self, pods: &[Vec<Pod>]) -> Outcome {
        let failed = self.all(pods, "DEL").iter().map(|ended| ended.failed).sum();
        Outcome { failed, ..Outcome::default() }
    }

    fn all(&self, pods: &[Vec<Pod>], verb: &'static str) -> Vec<Ended> {
        let nodes = self.places.iter().zip(pods).map(|(place, pods)| move || self.of_node(place, pods, verb));
        at_once(nodes.collect()).into_iter().flatten().collect()
    }

    fn of_node(&self, place: &Place, pods: &[Pod], verb: &'static str) -> Vec<Ended> {
        let pods = pods.iter().map(|pod| move || self.of_pod(place, pod, verb));
        let ended =
            if self.manner.pods_at_once { at_once(pods.collect()) } else { pods.map(|pod| pod()).collect() };
        ended.into_iter().flatten().collect()
    }

    fn of_pod(&self, place: &Place, pod: &Pod, verb: &'static str) -> Vec<Ended> {
        let rails = (1..=RAILS).map(|rail| move || self.of_rail(place, pod, rail, verb));
        if self.manner.rails_at_once { at_once(rails.collect()) } else { rails.map(|rail| rail()).collect() }
    }

    fn of_rail(&self, place: &Place, pod: &Pod, rail: u8, verb: &str) -> Ended {
        for failed in 0..ATTEMPTS {
            match self.gate.pass(|| self.call(place, pod, rail, verb)) {
                Ok(address) => return Ended { rail, address, failed },
                // Of very many the first few say it all.
                Err(error) => self.side.complain(&format!("{verb} of rail {rail} of {}: {error:#}", pod.0)),
            }
        }
        Ended { rail, address: None, failed: ATTEMPTS }
    }

    /// One call; the address, if it gives one.
    fn call(&self, place: &Place, pod: &Pod, rail: u8, verb: &str) -> Result<Option<String>> {
        let mut command = place.command(self.side.plugin())?;
        let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE={RAILS_NAMESPACE};K8S_POD_NAME={}", pod.0);
        command.env("CNI_COMMAND", verb).env("CNI_CONTAINERID", &pod.0).env("CNI_ARGS", args);
        command.env("CNI_IFNAME", format!("net{rail}")).env("CNI_PATH", "/opt/cni/bin");
        command.env("CNI_NETNS", "/run/netns/none-of-ours");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("start the plugin")?;
        child.stdin.take().context("no pipe")?.write_all(self.side.config(rail).as_bytes())?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("{}", said.trim());
        }
        let result: Value = serde_json::from_str(&said).unwrap_or_default();
        Ok(result["ips"][0]["address"].as_str().map(str::to_owned))
    }
}

/// Each on a thread of its own; what they returned, in order.
fn at_once<T: Send>(works: Vec<impl FnOnce() -> T + Send>) -> Vec<T> {
    thread::scope(|scope| {
        let start = |work| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        let started: Vec<_> = works.into_iter().map(start).collect();
        let end = |thread: std::io::Result<thread::ScopedJoinHandle<'_, T>>| match thread
            .map(thread::ScopedJoinHandle::join)
        {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => panic!("start a thread: {error}"),
        };
        started.into_iter().map(end).collect()
    })
}
