//! `"devices": "pod"` with a kubelet and a device plugin: which devices a pod has, from kubelet's books to the plugin `rail`. The nodes
//! have no VFs, so an attachment ends where it looks for the first; eight of them in one delegate are tried in the VM lab.

use crate::cluster;
use crate::deployed::{self, ALL};
use crate::fabric::await_object;
use crate::pods::{LOOK, await_event, await_ready, delete_all, node, spec};
use crate::verdict::await_clean;
use cluster::{Cluster, DevicePlugin, Node, RAILS, RAILS_NAMESPACE};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use testkit::{eventually, pause};

const LIMIT: Duration = Duration::from_secs(120);
/// VFs of each rail.
const VFS: u8 = 4;
const FABRIC: &str = "
apiVersion: railcni.dev/v1alpha1
kind: Fabric
metadata: {name: vf}
spec:
  link: sriov
  vfs: 4
  networks: one
  rails: [{interface: enp11s0f0np0}, {interface: enp12s0f0np0}, {interface: enp13s0f0np0}, {interface: enp14s0f0np0},
          {interface: enp15s0f0np0}, {interface: enp16s0f0np0}, {interface: enp17s0f0np0}, {interface: enp18s0f0np0}]
  addressing: {shared: {subnet: 10.91.1.0/24, gateway: '-1'}}
  resources: {prefix: railcni.test}
";

fn resource(rail: u8) -> String {
    format!("railcni.test/vf_rail{rail}")
}

/// PCI addresses that this machine has not.
fn offered(rail: u8) -> Vec<String> {
    (0..VFS).map(|function| format!("fffe:{rail:02x}:00.{function}")).collect()
}

fn offer(node: &Node) -> Vec<DevicePlugin> {
    (1..=RAILS).map(|rail| DevicePlugin::start(node, &resource(rail), offered(rail)).unwrap()).collect()
}

/// kubelet takes pods for them from then on.
fn await_offered(cluster: &Cluster) {
    await_object(cluster, &["node", "node1"], |node| {
        (1..=RAILS).all(|rail| {
            node["status"]["allocatable"][resource(rail)].as_str().is_some_and(|vfs| vfs.parse() == Ok(VFS))
        })
    });
}

fn pod(name: &str, annotations: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "spec": spec("node1", &["sh", "-c", "env; exec sleep 86400"]),
        "metadata": {"name": name, "namespace": RAILS_NAMESPACE, "annotations": annotations}})
}

/// One that has a device of each rail and no network of ours, so that its container runs.
fn holder(name: &str) -> Value {
    let mut pod = pod(name, &json!({}));
    for rail in 1..=RAILS {
        pod["spec"]["containers"][0]["resources"]["limits"][resource(rail)] = "1".into();
    }
    pod
}

fn get(cluster: &Cluster, name: &str) -> Value {
    cluster.kubectl().get(&["-n", RAILS_NAMESPACE, "pod", name]).unwrap()
}

fn uid(cluster: &Cluster, name: &str) -> String {
    get(cluster, name)["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// What the node's agent says to a plugin that asks; without one, why nobody listens.
fn ask(node: &Node, pod: &str, uid: &str) -> Result<String, std::io::Error> {
    let mut stream = UnixStream::connect(node.path("run/railcni/node/want"))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    writeln!(stream, "devices {RAILS_NAMESPACE} {pod} {uid}")?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    Ok(said)
}

fn line(devices: &BTreeMap<u8, String>) -> String {
    let words = devices.iter().map(|(rail, device)| format!(" {}={device}", resource(*rail)));
    format!("devices{}\n", words.collect::<String>())
}

/// By the variables of its container: what the device plugin was asked to allocate.
fn in_container(cluster: &Cluster, pod: &str) -> BTreeMap<u8, String> {
    let log = cluster.kubectl().run(&["-n", RAILS_NAMESPACE, "logs", pod]).unwrap();
    let of = |rail: u8| {
        let name = format!("PCIDEVICE_RAILCNI_TEST_VF_RAIL{rail}=");
        let device = log.lines().find_map(|line| line.strip_prefix(&name));
        (rail, device.unwrap_or_else(|| panic!("no {name} in {log}")).to_owned())
    };
    (1..=RAILS).map(of).collect()
}

/// By the file in which kubelet keeps it.
fn in_checkpoint(node: &Node, uid: &str) -> BTreeMap<u8, String> {
    let path = node.path("var/lib/kubelet/device-plugins/kubelet_internal_checkpoint");
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let entries = file["Data"]["PodDeviceEntries"].as_array().unwrap().iter();
    let of_pod = entries.filter(|entry| entry["PodUID"] == uid).map(|entry| {
        let rail = entry["ResourceName"].as_str().unwrap().strip_prefix("railcni.test/vf_rail").unwrap();
        let devices: Vec<_> = entry["DeviceIDs"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|ids| ids.as_array().unwrap())
            .collect();
        assert_eq!(devices.len(), 1, "{entry}");
        (rail.parse().unwrap(), devices[0].as_str().unwrap().to_owned())
    });
    of_pod.collect()
}

/// The agent says what the container, and kubelet's file, have; and of another pod with that name nothing.
fn check(cluster: &Cluster, pods: &[&str]) {
    let node = node(cluster, "node1");
    let mut taken = BTreeSet::new();
    for pod in pods {
        let uid = uid(cluster, pod);
        let devices = in_container(cluster, pod);
        assert_eq!(devices, in_checkpoint(node, &uid));
        assert_eq!(ask(node, pod, &uid).unwrap(), line(&devices));
        let another = ask(node, pod, "00000000-0000-4000-8000-000000000000").unwrap();
        assert!(another.starts_with("none ") && another.contains(&uid), "{another}");
        for device in devices.into_values() {
            assert!(taken.insert(device.clone()), "{device} is of two of {pods:?}");
        }
    }
}

fn restart_kubelet(cluster: &mut Cluster) {
    cluster.node_mut(0).kill_kubelet().unwrap();
    cluster.node_mut(0).start_kubelet().unwrap();
}

/// The `DaemonSet` makes another, which listens when this returns.
fn restart_agent(cluster: &Cluster) {
    let kubectl = cluster.kubectl();
    let of_node =
        ["-n", "kube-system", "pods", "-l", "app=railcni-agent", "--field-selector", "spec.nodeName=node1"];
    let agent = || kubectl.get(&of_node).ok().map(|list| list["items"][0]["metadata"]["name"].clone());
    let old = agent().unwrap();
    kubectl.run(&["-n", "kube-system", "delete", "pod", old.as_str().unwrap()]).unwrap();
    let began = eventually(LIMIT, || {
        pause(LOOK);
        let is_new = agent().is_some_and(|name| name.is_string() && name != old);
        (is_new && ask(node(cluster, "node1"), "nobody", "-").is_ok()).then_some(())
    });
    began.unwrap_or_else(|| panic!("{}", deployed::said(cluster, ALL)));
}

/// By the annotation: network and units come of the webhook, and `rail` is refused the first device of those that are this pod's.
fn check_injected(cluster: &Cluster) {
    cluster.kubectl().create(&pod("train", &json!({"railcni.dev/fabric": "vf"})).to_string()).unwrap();
    let train = get(cluster, "train");
    assert_eq!(train["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"], "default/vf");
    let limits = &train["spec"]["containers"][0]["resources"]["limits"];
    assert!((1..=RAILS).all(|rail| limits[resource(rail)] == "1"), "{limits}");
    let node = node(cluster, "node1");
    let uid = uid(cluster, "train");
    let asked = eventually(LIMIT, || {
        pause(LOOK);
        let said = ask(node, "train", &uid).ok()?;
        said.starts_with("devices ").then_some(said)
    });
    let devices = in_checkpoint(node, &uid);
    assert_eq!(asked, Some(line(&devices)));
    let said = await_event(cluster, RAILS_NAMESPACE, "train", &devices[&1]).unwrap();
    assert!(!said.contains("devices \"pod\""), "the agent's answer was no answer: {said}");
}

#[test]
fn a_pod_hears_of_the_devices_that_kubelet_gave_it() {
    let mut cluster = cluster();
    deployed::install(&cluster, ALL);
    let _offers = offer(node(&cluster, "node1"));
    deployed::await_rollout(&cluster, ALL, &[]);
    await_object(&cluster, &["mutatingwebhookconfiguration", "railcni"], |one| {
        one["webhooks"][0]["name"].is_string()
    });
    cluster.kubectl().apply(FABRIC).unwrap();
    deployed::await_rollout(&cluster, ALL, &["vf-rail1", "vf-rail8"]);
    await_offered(&cluster);

    for name in ["a", "b"] {
        cluster.kubectl().create(&holder(name).to_string()).unwrap();
    }
    await_ready(&cluster, &["a", "b"]).unwrap();
    check(&cluster, &["a", "b"]);
    restart_kubelet(&mut cluster);
    restart_agent(&cluster);
    await_offered(&cluster);
    check(&cluster, &["a", "b"]);
    check_injected(&cluster);

    // A name that is another's by now, and one that is nobody's.
    let old = uid(&cluster, "a");
    cluster.kubectl().run(&["-n", RAILS_NAMESPACE, "delete", "pod", "a"]).unwrap();
    let gone = ask(node(&cluster, "node1"), "a", &old).unwrap();
    assert!(gone.starts_with("none "), "{gone}");
    cluster.kubectl().create(&holder("a").to_string()).unwrap();
    await_ready(&cluster, &["a", "b"]).unwrap();
    check(&cluster, &["a", "b"]);

    delete_all(&cluster, &[]).unwrap();
    deployed::uninstall(&cluster, ALL);
    cluster.kubectl().run(&["delete", "network-attachment-definition", "vf", "--ignore-not-found"]).unwrap();
    await_clean(&cluster).unwrap();
}
