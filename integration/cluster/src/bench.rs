//! `cluster bench`: what the rails cost a pod, beside the peers' chains on the same nodes.

mod peers;
mod watch;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Write, stdout};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cluster::addresses::writes;
use cluster::{BUSYBOX, Cluster, Kubectl, Node, RAILS, RAILS_NAMESPACE, Versions};
use serde_json::{Value, json};
use testkit::{eventually, pause};

use watch::Watch;

const LIMIT: Duration = Duration::from_secs(300);
/// Beside Multus, which keeps its own name.
const TIMED: &str = r#"#!/bin/bash
begin=$EPOCHREALTIME
/opt/cni/bin/multus.true
code=$?
echo "$CNI_COMMAND $CNI_CONTAINERID $begin $EPOCHREALTIME" >>/run/multus.times
exit $code
"#;
const TIMES: &str = "run/multus.times";

/// The networks of a pod, by what their chain is called in the table.
struct Variant {
    name: &'static str,
    networks: String,
}

/// What the pods of a variant took.
struct Figures {
    ready: Duration,
    add: Duration,
    del: Duration,
    all_ready: Duration,
    all_gone: Duration,
    writes: f64,
    failed: usize,
}

/// Prints the table, of so many pods one by one and so many at once. All are on node1.
pub(crate) fn run(rounds: usize, crowd: usize) -> Result<()> {
    let cluster = Cluster::start(Versions::Newest, 2)?;
    cluster.install_suite()?;
    peers::install(&cluster)?;
    time_multus(&cluster.nodes()[0])?;
    let of_rails = |name: &str| {
        let networks = (1..=RAILS).map(|rail| name.replace('N', &rail.to_string()));
        networks.collect::<Vec<_>>().join(",")
    };
    let variants = [
        Variant { name: "no rail", networks: String::new() },
        Variant { name: "one network of rail", networks: "gpu-rails".into() },
        Variant { name: "eight networks", networks: of_rails("gpuN-macvlan") },
        Variant { name: "macvlan, host-local, sbr", networks: of_rails("host-local-N") },
        Variant { name: "macvlan, whereabouts, sbr", networks: of_rails("whereabouts-N") },
    ];
    print(&format!("one by one: {rounds} pods; at once: {crowd}; times of one pod in ms, of all in s\n"))?;
    print("pods with                  Ready    ADD    DEL  all Ready all gone  writes  failed\n")?;
    for variant in &variants {
        let figures = measure(&cluster, variant, rounds, crowd)
            .with_context(|| format!("pods with {}", variant.name))?;
        print(&row(variant.name, &figures))?;
    }
    Ok(())
}

fn row(name: &str, figures: &Figures) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    format!(
        "{name:<25} {:6.0} {:6.0} {:6.0} {:10.1} {:8.1} {:7.1} {:7}\n",
        ms(figures.ready),
        ms(figures.add),
        ms(figures.del),
        figures.all_ready.as_secs_f64(),
        figures.all_gone.as_secs_f64(),
        figures.writes,
        figures.failed,
    )
}

fn print(text: &str) -> Result<()> {
    stdout().write_all(text.as_bytes()).context("print")
}

/// Puts a clock around Multus.
fn time_multus(node: &Node) -> Result<()> {
    let multus = node.path("opt/cni/bin/multus");
    fs::rename(&multus, node.path("opt/cni/bin/multus.true"))?;
    node.put("opt/cni/bin/multus", TIMED)?;
    Ok(fs::set_permissions(multus, fs::Permissions::from_mode(0o755))?)
}

fn measure(cluster: &Cluster, variant: &Variant, rounds: usize, crowd: usize) -> Result<Figures> {
    let (kubectl, node) = (cluster.kubectl(), &cluster.nodes()[0]);
    let mut watch = Watch::start(&kubectl)?;
    node.put(TIMES, "")?;
    let before = writes(&kubectl)?;
    let ready = (0..rounds).map(|number| {
        let pods = [pod(&format!("single-{number}"), &variant.networks)];
        let ready = start(&kubectl, &mut watch, &pods)?;
        delete(&kubectl, node)?;
        Ok(ready)
    });
    let ready = median(ready.collect::<Result<_>>()?)?;
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    let writes = (writes(&kubectl)? - before) as f64 / rounds as f64;
    let times = fs::read_to_string(node.path(TIMES))?;

    let crowd: Vec<_> = (0..crowd).map(|number| pod(&format!("crowd-{number}"), &variant.networks)).collect();
    let all_ready = start(&kubectl, &mut watch, &crowd)?;
    let all_gone = delete(&kubectl, node)?;
    let failed = failed(&kubectl)?;
    Ok(Figures {
        ready,
        add: median(of_verb(&times, "ADD"))?,
        del: median(of_verb(&times, "DEL"))?,
        all_ready,
        all_gone,
        writes,
        failed,
    })
}

fn pod(name: &str, networks: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": RAILS_NAMESPACE,
            "annotations": {"k8s.v1.cni.cncf.io/networks": networks}},
        "spec": {
            "nodeName": "node1", "terminationGracePeriodSeconds": 0, "enableServiceLinks": false,
            "dnsPolicy": "Default", "automountServiceAccountToken": false,
            "containers": [{"name": "main", "image": BUSYBOX, "imagePullPolicy": "Never", "args": ["sleep", "86400"]}],
        },
    })
}

/// Creates pods by one request; the time from the first that is seen to the last that is ready.
fn start(kubectl: &Kubectl, watch: &mut Watch, pods: &[Value]) -> Result<Duration> {
    kubectl.create(&json!({"apiVersion": "v1", "kind": "List", "items": pods}).to_string())?;
    let names = pods.iter().filter_map(|pod| pod["metadata"]["name"].as_str());
    watch.until_ready(&names.collect::<Vec<_>>(), LIMIT)
}

/// Deletes all pods; the time until the node has no sandbox of theirs.
fn delete(kubectl: &Kubectl, node: &Node) -> Result<Duration> {
    let started = Instant::now();
    kubectl.run(&["-n", RAILS_NAMESPACE, "delete", "pods", "--all", "--wait=false"])?;
    let gone = eventually(LIMIT, || {
        pause(Duration::from_millis(20));
        node.namespaces().is_ok_and(|names| names.is_empty()).then(|| started.elapsed())
    });
    gone.with_context(|| format!("{} has sandboxes after {LIMIT:?}", node.name()))
}

/// How many sandboxes were not made at the first attempt, and forgets them.
fn failed(kubectl: &Kubectl) -> Result<usize> {
    let field = ["--field-selector", "reason=FailedCreatePodSandBox"];
    let events = kubectl.get(&[&["-n", RAILS_NAMESPACE, "events"][..], &field].concat())?;
    kubectl.run(&["-n", RAILS_NAMESPACE, "delete", "events", "--all"])?;
    Ok(events["items"].as_array().context("a list of events")?.len())
}

/// What a verb took, by lines `VERB CONTAINER BEGIN END`. Of a container's calls the longest: a sandbox is stopped twice,
/// and the other call has nothing to do.
fn of_verb(lines: &str, verb: &str) -> Vec<Duration> {
    let time = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let [of, container, begin, end] = words[..] else { return None };
        let taken = end.parse::<f64>().ok()? - begin.parse::<f64>().ok()?;
        let taken = Duration::try_from_secs_f64(taken).ok()?;
        (of == verb).then(|| (container.to_owned(), taken))
    };
    let mut longest = BTreeMap::<_, Duration>::new();
    for (container, taken) in lines.lines().filter_map(time) {
        let known = longest.entry(container).or_default();
        *known = taken.max(*known);
    }
    longest.into_values().collect()
}

fn median(mut times: Vec<Duration>) -> Result<Duration> {
    times.sort();
    match times.get(times.len() / 2) {
        Some(time) => Ok(*time),
        None => bail!("nothing was measured"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_verb_and_of_the_call_that_did_something() {
        let lines = "ADD a 10.000000 10.250000\nDEL a 11.0 11.5\nSTATUS  1.0 9.0\nDEL a 12.0 12.25\nADD b 20.5 21.0\n";
        assert_eq!(of_verb(lines, "ADD"), [Duration::from_millis(250), Duration::from_millis(500)]);
        assert_eq!(of_verb(lines, "DEL"), [Duration::from_millis(500)]);
        assert!(median(of_verb(lines, "GC")).is_err());
    }
}
