//! The webhook on a real API server: pods that ask, pods that do not, replicas that die, and certificates that take turns.

use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cluster::Api;
use serde_json::{Value, json};
use testkit::{eventually, pause};

use crate::{Process, prepared, raild};

const WAIT: Duration = Duration::from_secs(90);
const RDMA: &str = "cni.spidernet.io/rdma-resource-inject";
const NETWORKS: &str = "k8s.v1.cni.cncf.io/networks";

/// What a service is for its clients: an address behind which replicas take turns, and dead ones are passed over.
pub(crate) struct Service {
    address: SocketAddr,
    backends: Vec<SocketAddr>,
}

impl Service {
    pub(crate) fn start(replicas: usize) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let backends: Vec<_> = (0..replicas).map(|_| free()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (next, all) = (Arc::new(AtomicUsize::new(0)), backends.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let first = next.fetch_add(1, Ordering::Relaxed);
                let living =
                    (0..all.len()).find_map(|step| TcpStream::connect(all[(first + step) % all.len()]).ok());
                if let Some(server) = living {
                    pump(&client, &server);
                    pump(&server, &client);
                }
            }
        });
        Self { address, backends }
    }

    pub(crate) fn replica(&self, api: &Api, index: usize, life: &str) -> Process {
        let mut command = raild(api, "webhook");
        command.env("RAILD_WEBHOOK_LISTEN", self.backends[index].to_string());
        command.env("RAILD_WEBHOOK_URL", format!("https://{}", self.address));
        command.env("RAILD_CERTIFICATE_SECONDS", life);
        command.env("RAILD_INJECT_CONFIG_NAMESPACES", "default");
        Process(command.spawn().unwrap())
    }
}

fn pump(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
        let _ = from.shutdown(std::net::Shutdown::Both);
    });
}

fn config(name: &str, master: &str) -> String {
    json!({
        "apiVersion": "spiderpool.spidernet.io/v2beta1", "kind": "SpiderMultusConfig",
        "metadata": { "name": name, "namespace": "default", "annotations": { RDMA: "gpu" } },
        "spec": { "cniType": "macvlan", "macvlan": { "master": [master], "rdmaResourceName": format!("spidernet.io/{master}") } },
    })
    .to_string()
}

fn pod(namespace: &str, name: &str, asks: bool) -> Value {
    let annotations = if asks { json!({ RDMA: "gpu" }) } else { json!({}) };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace, "annotations": annotations },
        "spec": { "containers": [{ "name": "main", "image": "none" }] },
    })
}

fn networks(api: &Api, namespace: &str, name: &str) -> Option<String> {
    let pod = api.kubectl().get(&["pod", "-n", namespace, name]).unwrap();
    pod["metadata"]["annotations"][NETWORKS].as_str().map(str::to_owned)
}

/// Until the API server asks about our kinds, all that its schemas allow comes through.
pub(crate) fn wait_judging(api: &Api) {
    let wrong = json!({
        "apiVersion": "spiderpool.spidernet.io/v2beta1", "kind": "SpiderReservedIP", "metadata": { "name": "wrong" },
        "spec": { "ips": ["x"] },
    });
    let judged = eventually(WAIT, || {
        pause(Duration::from_millis(200));
        api.kubectl().apply(&wrong.to_string()).is_err().then_some(())
    });
    judged.expect("our kinds are judged");
}

/// Until the API server has heard of the webhook, which takes it a moment, pods come through as they are.
fn wait_injecting(api: &Api, namespace: &str, prefix: &str, asks: bool) {
    let mut number = 0;
    let injected = eventually(WAIT, || {
        pause(Duration::from_millis(300));
        number += 1;
        let name = format!("{prefix}-{number}");
        api.kubectl().create(&pod(namespace, &name, asks).to_string()).ok()?;
        networks(api, namespace, &name)
    });
    injected.expect("pods are injected");
}

/// How often the API server has asked the webhook about pods, since it was started.
fn asked(api: &Api) -> u64 {
    let metrics = api.kubectl().run(&["get", "--raw", "/metrics"]).unwrap();
    let ours = |line: &&str| {
        line.starts_with("apiserver_admission_webhook_request_total{") && line.contains("pods.railcni.dev")
    };
    let counts = metrics.lines().filter(ours).filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    counts.sum()
}

fn refused(api: &Api, document: &Value, said: &str) {
    let error = format!("{:#}", api.kubectl().apply(&document.to_string()).unwrap_err());
    assert!(error.contains(said), "{error}");
}

/// The shell's own: a bare machine has no program of that name.
fn signal(name: &str, pid: u32) -> bool {
    Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap().success()
}

#[test]
fn who_asks_gets_rails_who_does_not_is_untouched_and_what_cannot_be_meant_is_refused() {
    let api = prepared();
    let kubectl = api.kubectl();
    for number in [2, 10, 1] {
        kubectl.apply(&config(&format!("gpu-{number}"), &format!("eno{number}"))).unwrap();
    }
    let service = Service::start(1);
    let _replica = service.replica(&api, 0, "7776000");
    wait_injecting(&api, "default", "first", true);

    kubectl.create(&pod("default", "asks", true).to_string()).unwrap();
    let asks = kubectl.get(&["pod", "asks"]).unwrap();
    assert_eq!(asks["metadata"]["annotations"][NETWORKS], "default/gpu-1,default/gpu-2,default/gpu-10");
    assert_eq!(asks["spec"]["containers"][0]["resources"]["limits"]["spidernet.io/eno10"], "1");
    kubectl.create(&pod("default", "other", false).to_string()).unwrap();
    let other = kubectl.get(&["pod", "other"]).unwrap();
    assert_eq!(other["metadata"]["annotations"], Value::Null);
    assert_eq!(other["spec"]["containers"][0]["resources"], json!({}));

    // A network that is made in the same breath as its pod.
    let fabric = include_str!("../../../../conf-examples/fabric/macvlan-shared.yaml");
    let mut of_fabric = pod("default", "of-fabric", false);
    of_fabric["metadata"]["annotations"] = json!({ "railcni.dev/fabric": "gpu" });
    kubectl.apply(&format!("{fabric}\n---\n{of_fabric}")).unwrap();
    assert_eq!(networks(&api, "default", "of-fabric").as_deref(), Some("default/gpu"));

    // By a namespace's label at once, by its annotation as soon as the webhook is told of it.
    kubectl.run(&["create", "namespace", "labelled"]).unwrap();
    kubectl.run(&["label", "namespace", "labelled", &format!("{RDMA}=gpu")]).unwrap();
    wait_injecting(&api, "labelled", "first", false);
    kubectl.run(&["create", "namespace", "annotated"]).unwrap();
    kubectl.run(&["annotate", "namespace", "annotated", &format!("{RDMA}=gpu")]).unwrap();
    wait_injecting(&api, "annotated", "first", false);

    let mut wrong = pod("default", "wrong", true);
    wrong["metadata"]["annotations"][RDMA] = "gup".into();
    refused(&api, &wrong, "no SpiderMultusConfig has this annotation (there are gpu)");
    let pool = |name: &str, ips: &str| {
        json!({
            "apiVersion": "spiderpool.spidernet.io/v2beta1", "kind": "SpiderIPPool", "metadata": { "name": name },
            "spec": { "subnet": "172.31.0.0/24", "ips": [ips] },
        })
    };
    kubectl.apply(&pool("one", "172.31.0.1-172.31.0.9").to_string()).unwrap();
    eventually(WAIT, || kubectl.apply(&pool("two", "172.31.0.9").to_string()).is_err().then_some(()))
        .unwrap();
    refused(&api, &pool("three", "172.31.0.9"), "overlaps 172.31.0.1-172.31.0.9 of pool \"one\"");
    // What a pod says of itself keeps no pool as it is; what the books say does.
    let says = |address: &str| {
        let status = json!([{ "name": "rail", "ips": [address] }]);
        format!("k8s.v1.cni.cncf.io/network-status={status}")
    };
    kubectl.run(&["annotate", "pod", "asks", &says("172.31.0.9")]).unwrap();
    kubectl.apply(&pool("one", "172.31.0.1-172.31.0.8").to_string()).unwrap();
    for book in [
        json!({
            "apiVersion": "railcni.dev/v1alpha1", "kind": "RailBlock", "metadata": { "name": "one-0" },
            "spec": {
                "group": "one", "first": 0, "count": 128, "epoch": 1, "pools": ["one"], "subnets": ["172.31.0.0/24"],
                "rails": ["worker-1=8"], "since": "worker-1=1",
            },
        }),
        json!({
            "apiVersion": "railcni.dev/v1alpha1", "kind": "RailNode", "metadata": { "name": "worker-1" },
            "spec": { "epoch": 1 },
        }),
    ] {
        kubectl.apply(&book.to_string()).unwrap();
    }
    let used = json!({ "status": { "pools": [{ "name": "one", "used": 1 }] } }).to_string();
    kubectl
        .run(&["patch", "railnode", "worker-1", "--subresource=status", "--type=merge", "-p", &used])
        .unwrap();
    let mut holder = pod("default", "holder", false);
    holder["spec"]["nodeName"] = "worker-1".into();
    kubectl.create(&holder.to_string()).unwrap();
    kubectl.run(&["annotate", "pod", "holder", &says("172.31.0.8")]).unwrap();
    refused(
        &api,
        &pool("one", "172.31.0.1-172.31.0.7"),
        "172.31.0.8 of pod default/holder; set spec.disable: true",
    );
    let broken = json!({
        "apiVersion": "spiderpool.spidernet.io/v2beta1", "kind": "SpiderMultusConfig",
        "metadata": { "name": "broken", "namespace": "default" }, "spec": { "cniType": "sriov", "sriov": {} },
    });
    refused(&api, &broken, "spec.sriov.resourceName is missing");
}

fn serving(api: &Api) -> String {
    let secret = api.kubectl().get(&["secret", "-n", "kube-system", "raild-webhook"]).unwrap();
    secret["data"]["tls.crt"].as_str().unwrap().to_owned()
}

#[test]
fn pods_start_whatever_becomes_of_the_webhook() {
    let mut api = prepared();
    let kubectl = api.kubectl();
    kubectl.apply(&config("gpu-1", "eno1")).unwrap();
    let service = Service::start(2);
    let mut replicas = [0, 1].map(|index| service.replica(&api, index, "60"));
    wait_injecting(&api, "default", "first", true);

    // Two hundred at once, and one replica dies under them.
    let many: Vec<_> = (0..200).map(|number| pod("default", &format!("many-{number}"), true)).collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": many }).to_string();
    let killer = thread::spawn({
        let victim = replicas[0].0.id();
        move || {
            pause(Duration::from_millis(500));
            signal("KILL", victim)
        }
    });
    kubectl.create(&list).unwrap();
    killer.join().unwrap();
    let pods = kubectl.get(&["pods"]).unwrap();
    let pods = pods["items"].as_array().unwrap();
    let is_injected = |pod: &&Value| pod["metadata"]["annotations"][NETWORKS] == "default/gpu-1";
    let many: Vec<_> =
        pods.iter().filter(|pod| pod["metadata"]["name"].as_str().unwrap().starts_with("many-")).collect();
    assert_eq!(many.len(), 200);
    // What was on its way to the dead replica is let through as it was.
    let missed = many.iter().filter(|pod| !is_injected(pod)).count();
    assert!(missed <= 8, "{missed} pods were not injected");
    replicas[0] = service.replica(&api, 0, "60");

    // The certificate takes its turn without a gap.
    let (first, begun, mut number, mut seen) = (serving(&api), Instant::now(), 0, BTreeSet::new());
    while seen.len() < 2 && begun.elapsed() < WAIT {
        number += 1;
        let name = format!("turn-{number}");
        kubectl.create(&pod("default", &name, true).to_string()).unwrap();
        assert_eq!(networks(&api, "default", &name).as_deref(), Some("default/gpu-1"), "{name}");
        seen.extend([first.clone(), serving(&api)]);
        pause(Duration::from_millis(300));
    }
    assert_eq!(seen.len(), 2, "the certificate is turned within its life");
    assert_eq!(networks(&api, "default", &format!("turn-{number}")).as_deref(), Some("default/gpu-1"));

    // So does the API server, and is asked about nobody else's pods.
    api.kill_server().unwrap();
    api.start_server().unwrap();
    wait_injecting(&api, "default", "again", true);
    let before = asked(&api);
    for number in 0..20 {
        kubectl.create(&pod("default", &format!("foreign-{number}"), false).to_string()).unwrap();
    }
    assert_eq!((before > 0, asked(&api)), (true, before), "the webhook is asked about pods of others");

    // Nobody answers, and then nobody is there any more.
    for replica in &replicas {
        assert!(signal("STOP", replica.0.id()));
    }
    kubectl.create(&pod("default", "frozen-asks", true).to_string()).unwrap();
    assert_eq!(networks(&api, "default", "frozen-asks"), None);
    drop(replicas);
    for (name, asks) in [("late-other", false), ("late-asks", true)] {
        kubectl.create(&pod("default", name, asks).to_string()).unwrap();
        assert_eq!(networks(&api, "default", name), None);
    }
}

#[test]
fn what_is_taken_away_with_its_manifest_stays_away_and_comes_back_with_it() {
    const BOTH: &str = "mutatingwebhookconfigurations,validatingwebhookconfigurations";
    let api = prepared();
    let kubectl = api.kubectl();
    kubectl.apply(&config("gpu-1", "eno1")).unwrap();
    let service = Service::start(1);
    let _replica = service.replica(&api, 0, "60");
    wait_injecting(&api, "default", "first", true);
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/networks");
    let manifest = manifest.display().to_string();
    // What is applied again leaves what was filled in.
    kubectl.run(&["apply", "-f", &manifest]).unwrap();
    kubectl.create(&pod("default", "applied-again", true).to_string()).unwrap();
    assert_eq!(networks(&api, "default", "applied-again").as_deref(), Some("default/gpu-1"));

    kubectl.run(&["delete", BOTH, "railcni"]).unwrap();
    // The webhook has something to tell, and nobody to tell it.
    kubectl.run(&["create", "namespace", "annotated"]).unwrap();
    kubectl.run(&["annotate", "namespace", "annotated", &format!("{RDMA}=gpu")]).unwrap();
    pause(Duration::from_secs(5));
    assert_eq!(kubectl.run(&["get", BOTH, "-o", "name"]).unwrap(), "");
    // Nobody's objects are refused any more, and nobody's pods are delayed.
    let before = asked(&api);
    kubectl.create(&pod("default", "afterwards", true).to_string()).unwrap();
    assert_eq!(networks(&api, "default", "afterwards"), None);
    assert_eq!(asked(&api), before, "the webhook is asked after it was taken away");

    kubectl.run(&["apply", "-f", &manifest]).unwrap();
    wait_injecting(&api, "annotated", "back", false);
}
