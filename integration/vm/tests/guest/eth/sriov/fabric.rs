//! One Fabric of VFs with exclusive RDMA devices, up to pods: what `railctl plan` and `railctl inject` make of it stands in for what
//! the controller and the webhook do by the same functions, and the test for Multus, kubelet and its device plugin.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Ping, Plugin, Pod, Snapshot, World, assert_same};
use vm::lab::{Vf, ip, pf, run, vf};

use super::state::files;

const RAILS: usize = 8;
/// Of a rail's VFs: those of the two pods, and the one in the switch, which has the gateway.
const GATEWAY: usize = 2;
const MTU: u64 = 4200;
const SOON: Duration = Duration::from_secs(10);
const NODES: &str = r#"{"apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1", "labels": {"nvidia.com/gpu.present": "true"}}},
    {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node2", "labels": {"nvidia.com/gpu.present": "true"}}}]}"#;

/// The example, with the NICs of the lab, and `more` keys.
fn page(more: &str) -> String {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf-examples/fabric/sriov-roce-per-node.yaml");
    let text = fs::read_to_string(path).expect("the example");
    let mut rail = 0;
    let mut line = |line: &str| match line {
        line if line.starts_with("    - interface: ") => {
            rail += 1;
            format!("    - interface: {}\n", pf(rail - 1).ifname())
        }
        "  vfs: 12" => "  vfs: 4\n".to_owned(),
        "  addressing:" => format!("{more}  addressing:\n"),
        line => format!("{line}\n"),
    };
    text.lines().map(&mut line).collect()
}

/// A node whose operator has set the MTU and whose switch has the gateways; the plan, and what it makes for this node, in place.
struct Stage {
    world: World,
    fabric: PathBuf,
    plan: PathBuf,
}

/// A pod with its networks, which its DELs need.
struct Attached {
    pod: Pod,
    calls: Vec<(Plugin, Value)>,
    /// By rail.
    addresses: Vec<IpAddr>,
}

impl Stage {
    fn new(more: &str) -> Self {
        run(&["hostname", "node1"]);
        let world = World::of_guest();
        let (fabric, nodes) = (world.file("fabric.yaml", page(more)), world.file("nodes.json", NODES));
        let plan = world.dirs().scratch.join("plan");
        railctl("plan", &[text(&fabric), "--nodes", text(&nodes), "-o", text(&plan)]);
        run(&["cp", "-r", text(&plan.join("nodes/node1/pools.d")), text(&world.dirs().config)]);
        for rail in 0..RAILS {
            for link in
                [pf(rail).ifname(), vf(rail, 0).ifname(), vf(rail, 1).ifname(), vf(rail, GATEWAY).ifname()]
            {
                ip(&format!("link set dev {link} mtu {MTU}"));
            }
            ip(&format!("link set dev {} up", pf(rail).ifname()));
        }
        let stage = Self { world, fabric, plan };
        for (rail, pool) in stage.objects("20-pools.yaml").iter().take(RAILS).enumerate() {
            let [gateway, subnet] =
                ["gateway", "subnet"].map(|key| pool["spec"][key].as_str().expect("a key"));
            let length = subnet.split('/').nth(1).expect("a prefix");
            ip(&format!("link set dev {} netns switch name gw{rail}", vf(rail, GATEWAY).ifname()));
            stage
                .world
                .switch()
                .ip_do(&format!("link set gw{rail} up\naddr add {gateway}/{length} dev gw{rail}"));
        }
        stage
    }

    /// Those of one of the plan's files.
    fn objects(&self, file: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.plan.join(file)).expect("a file of the plan");
        yaml::documents(&text).expect("YAML")
    }

    /// The VF that the device plugin gives for a unit of this resource, by the operator's policy.
    fn device(&self, resource: &str, index: usize) -> Vf {
        let name = resource.strip_prefix("spidernet.io/").expect("the fabric's prefix");
        let policies = self.objects("10-sriov-policies.yaml");
        let policy = policies.iter().find(|policy| policy["spec"]["resourceName"] == name).expect("a policy");
        assert_eq!(
            (&policy["spec"]["isRdma"], &policy["spec"]["numVfs"]),
            (&json!(true), &json!(4)),
            "{policy}"
        );
        let nic = &policy["spec"]["nicSelector"]["pfNames"][0];
        let rail = (0..RAILS).find(|rail| *nic == pf(*rail).ifname()).expect("a PF of the lab");
        vf(rail, index)
    }

    /// What the webhook makes of an annotated pod: names of networks, and resources.
    fn inject(&self, name: &str) -> (Vec<String>, Vec<String>) {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "main", "image": "i"}]},
            "metadata": {"name": name, "annotations": {"railcni.dev/fabric": "gpu"}}});
        let file = self.world.file("pod.json", pod.to_string());
        let said = railctl("inject", &[text(&file), "--config", text(&self.fabric), "-o", "json"]);
        let pod: Value = serde_json::from_str(&said).expect("a pod");
        let networks =
            pod["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"].as_str().expect("networks");
        let limits = pod["spec"]["containers"][0]["resources"]["limits"].as_object().expect("limits");
        assert!(limits.values().all(|units| units == "1"), "{limits:?}");
        (networks.split(',').map(str::to_owned).collect(), limits.keys().cloned().collect())
    }

    /// As Multus does it: the definition of each network, with a device where it is annotated with a resource.
    fn attach(&self, name: &'static str, pod: &Pod, index: usize) -> Attached {
        let (networks, resources) = self.inject(name);
        let devices: BTreeMap<_, _> =
            resources.into_iter().map(|resource| (resource.clone(), self.device(&resource, index))).collect();
        assert_eq!(devices.len(), RAILS);
        let rdma: Vec<_> = devices.values().flat_map(|vf| vf.rdma()).collect();
        answer(&self.world, name, &devices);
        let definitions = self.objects("30-networks.yaml");
        let (mut calls, mut addresses) = (Vec::new(), Vec::new());
        for (place, network) in networks.iter().enumerate() {
            let is_it = |one: &&Value| {
                network.strip_prefix("default/").is_some_and(|name| one["metadata"]["name"] == name)
            };
            let definition =
                definitions.iter().find(is_it).unwrap_or_else(|| panic!("no {network} in the plan"));
            let mut config = config(definition);
            if let Some(resource) =
                definition["metadata"]["annotations"]["k8s.v1.cni.cncf.io/resourceName"].as_str()
            {
                config["deviceID"] = devices[resource].bdf().into();
            }
            let plugin = self
                .world
                .plugin("rail")
                .container(name)
                .netns(pod.path())
                .ifname(&format!("net{}", place + 1));
            let plugin = plugin.args(&format!(
                "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={name};K8S_POD_UID=uid-of-{name}"
            ));
            let result = plugin.add(&config).success();
            addresses.extend(
                result["ips"].as_array().expect("addresses").iter().map(|ip| address(&ip["address"])),
            );
            let mut checked = config.clone();
            checked["prevResult"] = result;
            plugin.check(&checked).success();
            calls.push((plugin, config));
        }
        let shown: Value = serde_json::from_slice(&pod.exec(&["rdma", "-j", "dev"]).stdout).expect("JSON");
        let mut inside: Vec<_> =
            shown.as_array().expect("a list").iter().map(|one| one["ifname"].clone()).collect();
        inside.sort_by_key(ToString::to_string);
        let mut rdma: Vec<_> = rdma.into_iter().map(Value::from).collect();
        rdma.sort_by_key(ToString::to_string);
        assert_eq!((inside.len(), &inside), (RAILS, &rdma), "exclusive RDMA devices");
        Attached { pod: pod.clone(), calls, addresses }
    }

    fn picture(&self) -> Snapshot {
        self.world.snapshot().without("file ")
    }

    /// Without an API server: the files of the node say the same as the objects.
    fn assert_node_files(&self) {
        for definition in self.objects("30-networks.yaml") {
            let name = definition["metadata"]["name"].as_str().expect("a name");
            let file = self.plan.join(format!("nodes/node1/net.d/{name}.conflist"));
            let file: Value =
                serde_json::from_str(&fs::read_to_string(file).expect("a conflist")).expect("JSON");
            assert_eq!(file, list(&definition));
        }
    }

    fn assert_no_file(&self) {
        for folder in ["attachments", "devices", "ib-devices", "rdma"] {
            let left = files(&self.world.dirs().state.join(folder));
            assert!(left.is_empty(), "{left:?}");
        }
    }
}

/// The agent, with what kubelet told it of this pod; it answers that one question, if it comes.
fn answer(world: &World, pod: &'static str, devices: &BTreeMap<String, Vf>) {
    let words = devices.iter().map(|(resource, vf)| format!("{resource}={}", vf.bdf()));
    let words = words.collect::<Vec<_>>().join(" ");
    let (question, said) = (format!("devices default {pod} uid-of-{pod}\n"), format!("devices {words}\n"));
    let folder = world.dirs().state.join("node");
    fs::create_dir_all(&folder).expect("the agent's folder");
    let socket = folder.join("want");
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(socket).expect("listen");
    std::thread::spawn(move || {
        let (mut stream, _): (UnixStream, _) = listener.accept().expect("a question");
        let mut asked = String::new();
        BufReader::new(&stream).read_line(&mut asked).expect("a line");
        let said = if asked == question { said } else { format!("none of {asked}") };
        stream.write_all(said.as_bytes()).expect("answer");
    });
}

fn railctl(verb: &str, args: &[&str]) -> String {
    let program = testkit::binary("railctl");
    run(&[&[text(&program), verb], args].concat())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

/// A definition's conflist.
fn list(definition: &Value) -> Value {
    serde_json::from_str(definition["spec"]["config"].as_str().expect("a config")).expect("JSON")
}

/// Its only plugin, as a runtime hands it over.
fn config(definition: &Value) -> Value {
    let list = list(definition);
    let mut config = list["plugins"][0].clone();
    assert_eq!((&config["type"], list["plugins"].as_array().map(Vec::len)), (&json!("rail"), Some(1)));
    for key in ["cniVersion", "name"] {
        config[key] = list[key].clone();
    }
    config
}

fn address(text: &Value) -> IpAddr {
    let address = text.as_str().and_then(|text| text.split('/').next()).expect("an address");
    address.parse().expect("an address")
}

/// Interface, rule and table of each rail; the way to all slices by rail 1, and everything else by eth0.
fn assert_rails(attached: &Attached) {
    let pod = &attached.pod;
    let rules = pod.ip(&["rule"]);
    for (rail, own) in attached.addresses.iter().enumerate() {
        let (ifname, table) = (format!("net{}", rail + 1), (101 + rail).to_string());
        assert!(own.to_string().starts_with("172.16.0."), "{own} is not of node1");
        let link = &pod.ip(&["-4", "addr", "show", "dev", &ifname])[0];
        assert_eq!((&link["mtu"], address(&link["addr_info"][0]["local"])), (&json!(MTU), *own), "{link}");
        let of_rail = rules.as_array().expect("rules").iter().filter(|rule| rule["src"] == own.to_string());
        assert_eq!(of_rail.map(|rule| &rule["table"]).collect::<Vec<_>>(), [&table], "{rules}");
        let routes = pod.ip(&["route", "show", "table", &table]);
        let default = routes.as_array().expect("routes").iter().find(|route| route["dst"] == "default");
        assert_eq!(default.expect("a default route")["dev"], ifname, "{routes}");
    }
    let main = pod.ip(&["route", "show", "table", "main"]);
    let by = |dst: &str| {
        let routes = main.as_array().expect("routes").iter().filter(|route| route["dst"] == dst);
        routes.map(|route| route["dev"].as_str().unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!((by("default"), by("172.16.0.0/16")), (vec!["eth0"], vec!["net1"]), "{main}");
}

/// A ping from a rail of one pod to one of the other: each packet at either end is on the rail whose address it has.
fn assert_symmetric(one: &Attached, from: usize, other: &Attached, to: usize) {
    let (near, far) = (one.addresses[from], other.addresses[to]);
    let captures = [one.pod.capture(), other.pod.capture()];
    one.pod.assert_ping(&Ping::to(far).from(near).within(SOON));
    for (capture, rail) in captures.iter().zip([from, to]) {
        let frames = capture.drain();
        let ours = frames
            .iter()
            .filter(|frame| matches!(frame.ends(), Some(ends) if ends == (near, far) || ends == (far, near)));
        let seen: Vec<_> = ours.map(|frame| (frame.outgoing, frame.ifname.clone())).collect();
        let by = format!("net{}", rail + 1);
        assert!(seen.len() == 2 && seen.iter().all(|(_, ifname)| *ifname == by), "{near} to {far}: {seen:?}");
        assert_ne!(seen[0].0, seen[1].0, "{seen:?}");
    }
}

/// Two pods of one node, and what their deletion leaves.
fn lives(stage: &Stage, networks: usize) {
    let [a, b] = ["a", "b"].map(|name| stage.world.pod(name));
    let before = stage.picture();
    let pods = [stage.attach("a", &a, 0), stage.attach("b", &b, 1)];
    for attached in &pods {
        assert_eq!((attached.calls.len(), attached.addresses.len()), (networks, RAILS));
        assert_rails(attached);
    }
    for rail in 0..RAILS {
        assert_symmetric(&pods[0], rail, &pods[1], rail);
        // By the gateways of both rails.
        assert_symmetric(&pods[0], rail, &pods[1], (rail + 3) % RAILS);
    }
    // The agent is gone by then, and nobody needs it.
    fs::remove_file(stage.world.dirs().state.join("node/want")).expect("the agent's socket");
    for (plugin, config) in pods.iter().flat_map(|attached| attached.calls.iter().rev()) {
        plugin.del(config).success();
    }
    assert_same(&before, &stage.picture());
    stage.assert_no_file();
}

#[test]
fn one_fabric_of_vfs_gives_pods_eight_rails_by_a_network_each() {
    let stage = Stage::new("");
    stage.assert_node_files();
    lives(&stage, RAILS);
}

#[test]
fn one_fabric_of_vfs_gives_pods_eight_rails_in_one_network_of_their_devices() {
    lives(&Stage::new("  networks: one\n"), 1);
}
