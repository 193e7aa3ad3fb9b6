//! Pods as the API server shows them, with the time at which it did.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cluster::{Kubectl, RAILS_NAMESPACE};
use serde_json::Value;

/// A kubectl that watches; it ends with this.
pub(super) struct Watch {
    kubectl: Child,
    seen: Receiver<(Instant, Value)>,
}

impl Watch {
    /// Of the pods that come from now on.
    pub(super) fn start(kubectl: &Kubectl) -> Result<Self> {
        let mut command = kubectl.command();
        command.args(["-n", RAILS_NAMESPACE, "get", "pods", "--watch", "-o", "json"]);
        let mut kubectl = command.stdout(Stdio::piped()).spawn().context("start kubectl")?;
        let stdout = BufReader::new(kubectl.stdout.take().context("no pipe")?);
        let (send, seen) = channel();
        std::thread::spawn(move || {
            let pods = serde_json::Deserializer::from_reader(stdout).into_iter();
            // It ends with kubectl, or when nobody listens any more.
            pods.map_while(Result::ok).all(|pod| send.send((Instant::now(), pod)).is_ok())
        });
        Ok(Self { kubectl, seen })
    }

    /// From the first of these pods that is seen to the last that is ready.
    pub(super) fn until_ready(&mut self, names: &[&str], limit: Duration) -> Result<Duration> {
        let deadline = Instant::now() + limit;
        let mut missing: BTreeSet<_> = names.iter().copied().collect();
        let mut first = None;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let next = self.seen.recv_timeout(left).ok();
            ensure!(next.is_some(), "not ready after {limit:?}: {missing:?}");
            let Some((when, pod)) = next else { continue };
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            if !names.contains(&name) {
                continue;
            }
            let first = *first.get_or_insert(when);
            if is_ready(&pod) {
                missing.remove(name);
            }
            if missing.is_empty() {
                return Ok(when - first);
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}

fn is_ready(pod: &Value) -> bool {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|one| one["type"] == "Ready" && one["status"] == "True")
}
