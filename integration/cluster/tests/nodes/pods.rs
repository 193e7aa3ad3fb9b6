//! Pods, made and awaited as people do it.

use anyhow::{Context, Result, bail};
use cluster::{BUSYBOX, Cluster, Node, RAILS_NAMESPACE};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{eventually, pause};

/// Long enough for sixty pods on a busy machine.
const LIMIT: Duration = Duration::from_secs(240);

/// Between two looks at the cluster: kubectl took 0.2 s of CPU for each beside a crowd of pods.
pub(crate) const LOOK: Duration = Duration::from_millis(500);

/// The annotation of eight networks, a rail each.
pub(crate) fn eight_networks() -> String {
    (1..=8).map(|rail| format!("gpu{rail}-macvlan")).collect::<Vec<_>>().join(", ")
}

/// A pod on a node, with these networks, that sleeps.
pub(crate) fn sleeper(name: &str, node: &str, networks: &str) -> Value {
    pod(name, node, networks, &["sleep", "86400"])
}

/// A pod that runs a command of busybox.
pub(crate) fn pod(name: &str, node: &str, networks: &str, command: &[&str]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": RAILS_NAMESPACE,
            "labels": {"app": "rails"},
            "annotations": {"k8s.v1.cni.cncf.io/networks": networks},
        },
        "spec": spec(node, command),
    })
}

/// Without grace: what sleeps here has nothing to finish.
pub(crate) fn spec(node: &str, command: &[&str]) -> Value {
    let mut spec = json!({
        "terminationGracePeriodSeconds": 0,
        "enableServiceLinks": false,
        "dnsPolicy": "Default",
        "automountServiceAccountToken": false,
        "containers": [{
            "name": "main", "image": BUSYBOX, "imagePullPolicy": "Never", "args": command,
        }],
    });
    if !node.is_empty() {
        spec["nodeName"] = node.into();
    }
    spec
}

/// Creates pods in one request and waits until all are ready.
pub(crate) fn start(cluster: &Cluster, pods: &[Value]) -> Result<()> {
    cluster.kubectl().create(&json!({"apiVersion": "v1", "kind": "List", "items": pods}).to_string())?;
    let names: Vec<_> = pods.iter().filter_map(|pod| pod["metadata"]["name"].as_str()).collect();
    await_ready(cluster, &names)
}

/// Waits until these pods are ready; what they say otherwise is in the error.
pub(crate) fn await_ready(cluster: &Cluster, names: &[&str]) -> Result<()> {
    let ready = |pod: &Value| {
        let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        names.contains(&pod["metadata"]["name"].as_str().unwrap_or_default())
            && conditions.any(|one| one["type"] == "Ready" && one["status"] == "True")
    };
    let done = eventually(LIMIT, || {
        pause(LOOK);
        let list = list(cluster).ok()?;
        (list.iter().filter(|pod| ready(pod)).count() == names.len()).then_some(())
    });
    if done.is_some() {
        return Ok(());
    }
    let events = cluster.kubectl().run(&["-n", RAILS_NAMESPACE, "get", "events"]).unwrap_or_default();
    bail!("not all of {names:?} are ready after {LIMIT:?}:\n{events}")
}

/// Waits until an event of this pod says `reason`; all that it says.
pub(crate) fn await_event(cluster: &Cluster, namespace: &str, pod: &str, reason: &str) -> Result<String> {
    let kubectl = cluster.kubectl();
    let field = format!("involvedObject.name={pod}");
    let mut last = String::new();
    let said = eventually(Duration::from_secs(60), || {
        pause(LOOK);
        let events = kubectl.get(&["-n", namespace, "events", "--field-selector", &field]).ok()?;
        let messages = events["items"].as_array()?.iter().filter_map(|event| event["message"].as_str());
        last = messages.collect::<Vec<_>>().join("\n");
        last.contains(reason).then(|| last.clone())
    });
    said.with_context(|| format!("no event of {pod} says {reason:?}: {last}"))
}

/// All pods of the namespace.
pub(crate) fn list(cluster: &Cluster) -> Result<Vec<Value>> {
    let list = cluster.kubectl().get(&["-n", RAILS_NAMESPACE, "pods"])?;
    Ok(list["items"].as_array().context("a list of pods")?.clone())
}

/// Deletes every pod of the namespace, in whatever way `args` say.
pub(crate) fn delete_all(cluster: &Cluster, args: &[&str]) -> Result<()> {
    let delete = ["-n", RAILS_NAMESPACE, "delete", "pods", "--all", "--wait=false"];
    cluster.kubectl().run(&[&delete, args].concat())?;
    Ok(())
}

/// What Multus wrote about the pod's networks.
pub(crate) fn network_status(cluster: &Cluster, pod: &str) -> Result<Vec<Value>> {
    let pod = cluster.kubectl().get(&["-n", RAILS_NAMESPACE, "pod", pod])?;
    let text = &pod["metadata"]["annotations"]["k8s.v1.cni.cncf.io/network-status"];
    Ok(serde_json::from_str(text.as_str().context("no network-status")?)?)
}

/// The node that is called so.
pub(crate) fn node<'a>(cluster: &'a Cluster, name: &str) -> &'a Node {
    cluster.nodes().iter().find(|node| node.name() == name).unwrap()
}
