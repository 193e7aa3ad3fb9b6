//! What readers of the field's guides for AI clusters paste, as it stands there, and what those guides print afterwards. The
//! files are in tests/guides/.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::cluster;
use crate::pods::{await_event, node, pod};
use crate::verdict::await_clean;
use cluster::{Cluster, Node, RAILS, nic};
use serde_json::Value;
use testkit::binary;

const PRINTED_RULES: &str = include_str!("../guides/printed-rules.txt");
const PRINTED_MAIN: &str = include_str!("../guides/printed-main.txt");
const PRINTED_TABLE: &str = include_str!("../guides/printed-table.txt");
const NAMESPACE: &str = "spiderpool";
const POOLS: &str = "etc/railcni/pools.d/rails.yaml";

fn guide(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guides").join(name)).unwrap()
}

/// What is written about rail 1, as a reader goes on with another rail.
fn of_rail(text: &str, rail: u8) -> String {
    let net = 10 + rail;
    let text = text.replace("gpu1-", &format!("gpu{rail}-")).replace("net11", &format!("net{net}"));
    let text =
        text.replace("172.16.11.", &format!("172.16.{net}.")).replace("net1\n", &format!("net{rail}\n"));
    text.replace("enp11s0f0np0", &nic(rail))
}

/// The documents of a kind.
fn documents(text: &str, kind: &str) -> String {
    let wanted = format!("kind: {kind}\n");
    text.split("---\n").filter(|document| document.contains(&wanted)).collect::<Vec<_>>().join("---\n")
}

/// `railctl render` of what was pasted.
fn render(cluster: &Cluster, pasted: &str) -> Output {
    let file = cluster.dir().join("pasted.yaml");
    std::io::Write::write_all(&mut fs::File::create(&file).unwrap(), pasted.as_bytes()).unwrap();
    Command::new(binary("railctl")).arg("render").arg(&file).env("NO_COLOR", "1").output().unwrap()
}

/// Makes the networks of what was pasted known to Multus.
fn apply(cluster: &Cluster, pasted: &str) {
    let rendered = render(cluster, pasted);
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    cluster.kubectl().apply(&String::from_utf8(rendered.stdout).unwrap()).unwrap();
}

fn create_namespace(cluster: &Cluster) {
    cluster.kubectl().run(&["create", "namespace", NAMESPACE]).unwrap();
    let account = ["-n", NAMESPACE, "wait", "--for=create", "serviceaccount/default", "--timeout=60s"];
    cluster.kubectl().run(&account).unwrap();
}

/// A pod of node1 in a namespace, with these networks.
fn pod_in(namespace: &str, name: &str, networks: &str) -> Value {
    let mut pod = pod(name, "node1", networks, &["sleep", "86400"]);
    pod["metadata"]["namespace"] = namespace.into();
    pod
}

/// Lines without what `ip` makes of spaces.
fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn ip(node: &Node, args: &[&str]) -> String {
    node.output_of_pod(NAMESPACE, "rdma-tools", "ip", args).unwrap()
}

/// The pod's address on each rail: the guides' pod has 172.16.N.10 there.
fn addresses(node: &Node) -> Vec<(String, String)> {
    let own = |rail: u8| {
        let line = ip(node, &["-o", "-4", "addr", "show", "dev", &format!("net{rail}")]);
        let address = line.split_whitespace().nth(3).unwrap().split('/').next().unwrap().to_owned();
        (format!("172.16.{}.10", 10 + rail), address)
    };
    (1..=RAILS).map(own).collect()
}

/// What the guides print, of this pod.
fn printed(text: &str, addresses: &[(String, String)]) -> BTreeSet<String> {
    let of_pod = |line: String| {
        let words = line.split(' ').map(|word| {
            let own = addresses.iter().find(|(printed, _)| printed == word);
            own.map_or(word, |(_, address)| address)
        });
        words.collect::<Vec<_>>().join(" ")
    };
    lines(text).map(of_pod).collect()
}

/// The pod's own default route, and of each rail the connected one. `subnet` is what the pool makes of 172.16.N.0/24.
fn check_main(node: &Node, addresses: &[(String, String)], subnet: impl Fn(&str) -> String) {
    let of_rails = |line: &String| line.contains(" dev net");
    let wanted = printed(PRINTED_MAIN, addresses).into_iter().filter(of_rails);
    let wanted: BTreeSet<_> = wanted.map(|line| subnet(&line)).collect();
    let main = ip(node, &["route", "show", "table", "main"]);
    let (rails, others): (BTreeSet<_>, BTreeSet<_>) = lines(&main).partition(of_rails);
    assert_eq!(rails, wanted);
    let defaults: Vec<_> = others.iter().filter(|line| line.starts_with("default ")).collect();
    assert!(defaults.len() == 1 && defaults[0].ends_with(" dev eth0"), "{main}");
}

/// A rule for each address, with a table of its own whose default route is the rail's.
fn check_rules(node: &Node, addresses: &[(String, String)]) {
    let parts = |line: &str| {
        let (source, rest) = line.split_once(": ")?.1.strip_prefix("from ")?.split_once(" lookup ")?;
        // Who made the rule stands behind the table.
        Some((source.to_owned(), rest.split(' ').next()?.to_owned()))
    };
    let of_pod: Vec<_> = lines(&ip(node, &["rule"])).filter_map(|line| parts(&line)).collect();
    let wanted: BTreeSet<_> =
        printed(PRINTED_RULES, addresses).iter().filter_map(|line| parts(line)).collect();
    for (source, table) in wanted {
        let tables: Vec<_> = of_pod.iter().filter(|(other, _)| *other == source).collect();
        if source == "all" {
            assert!(tables.iter().any(|(_, own)| *own == table), "{source} {table}: {of_pod:?}");
            continue;
        }
        let [(_, table)] = tables[..] else { panic!("{source} in {of_pod:?}") };
        let rail = addresses.iter().position(|(_, address)| *address == source).unwrap() + 1;
        let default = of_rail(PRINTED_TABLE, rail.try_into().unwrap());
        let routes = ip(node, &["route", "show", "table", table]);
        assert!(lines(&routes).any(|line| line.starts_with(default.trim())), "{default}{routes}");
    }
    let tables: BTreeSet<_> = of_pod.iter().map(|(_, table)| table).collect();
    assert!(tables.len() >= 8 + 3, "each rail has a table of its own: {of_pod:?}");
}

/// lo, eth0 and a rail each; the gateway of each rail answers to its address.
fn check_links(node: &Node, addresses: &[(String, String)]) {
    let links: Vec<Value> = serde_json::from_str(&ip(node, &["-j", "link"])).unwrap();
    let names: BTreeSet<_> = links.iter().filter_map(|link| link["ifname"].as_str()).collect();
    let rails: Vec<_> = (1..=RAILS).map(|rail| format!("net{rail}")).collect();
    assert_eq!(names, ["lo", "eth0"].into_iter().chain(rails.iter().map(String::as_str)).collect());
    for (rail, (_, address)) in (1..=RAILS).zip(addresses) {
        let gateway = format!("172.16.{}.254", 10 + rail);
        let args = ["-c", "1", "-W", "5", "-I", address, &gateway];
        node.output_of_pod(NAMESPACE, "rdma-tools", "ping", &args).unwrap();
    }
}

/// A pod with eight rails by a guide's pool and network, and what `ip` says in it.
fn check_macvlan(cluster: &Cluster, pasted: &str, subnet: impl Fn(&str) -> String) {
    let node = node(cluster, "node1");
    let of_lab = fs::read_to_string(node.path(POOLS)).unwrap();
    let rails: Vec<_> = (1..=RAILS).map(|rail| of_rail(pasted, rail)).collect();
    let rails = rails.join("---\n");
    node.put(POOLS, documents(&rails, "SpiderIPPool")).unwrap();
    create_namespace(cluster);
    apply(cluster, &rails);
    let networks = guide("macvlan-networks.txt");
    cluster.kubectl().create(&pod_in(NAMESPACE, "rdma-tools", &networks).to_string()).unwrap();
    let ready = ["-n", NAMESPACE, "wait", "--for=condition=Ready", "pod/rdma-tools", "--timeout=120s"];
    let ready = cluster.kubectl().run(&ready);
    let events = || cluster.kubectl().run(&["-n", NAMESPACE, "get", "events"]).unwrap_or_default();
    ready.unwrap_or_else(|error| panic!("{error:#}\n{}", events()));

    let addresses = addresses(node);
    check_links(node, &addresses);
    check_main(node, &addresses, subnet);
    check_rules(node, &addresses);
    cluster.kubectl().run(&["delete", "namespace", NAMESPACE, "--timeout=120s"]).unwrap();
    await_clean(cluster).unwrap();
    node.put(POOLS, of_lab).unwrap();
}

/// The guides write 172.16.11.0/16, and print what only 172.16.11.0/24 can give: both work.
#[test]
fn the_macvlan_guide_as_pasted_gives_eight_rails_in_one_wide_subnet() {
    let cluster = cluster();
    let wide = |line: &str| {
        let (_, rest) = line.split_once(' ').unwrap();
        format!("172.16.0.0/16 {rest}")
    };
    check_macvlan(&cluster, &guide("macvlan.yaml"), wide);
}

#[test]
fn the_macvlan_guide_with_the_subnets_that_it_prints_gives_what_it_prints() {
    let cluster = cluster();
    let narrow = guide("macvlan.yaml").replace("172.16.11.0/16", "172.16.11.0/24");
    check_macvlan(&cluster, &narrow, str::to_owned);
}

#[test]
fn the_sriov_guides_as_pasted_are_refused_where_a_pod_has_no_vf() {
    let cluster = cluster();
    create_namespace(&cluster);
    let files = [
        ("sriov-roce.yaml", NAMESPACE, "gpu1-sriov"),
        ("sriov-roce-by-nic.yaml", NAMESPACE, "gpu1-sriov"),
        ("sriov-mtu.yaml", NAMESPACE, "gpu1-sriov"),
        ("sriov-injected.yaml", NAMESPACE, "gpu1-sriov"),
        ("sriov-injected-rdma.yaml", NAMESPACE, "gpu1-sriov"),
        ("sriov-infiniband.yaml", NAMESPACE, "gpu1-sriov"),
        ("sriov-infiniband-by-nic.yaml", NAMESPACE, "gpu1-sriov"),
        ("per-node-networks.yaml", "kube-system", "sriov-eno3np1"),
        ("per-node-networks.yaml", "kube-system", "sriov-eno3np2"),
    ];
    for (number, (file, namespace, network)) in files.into_iter().enumerate() {
        apply(&cluster, &guide(file));
        let name = format!("refused-{number}");
        cluster.kubectl().create(&pod_in(namespace, &name, network).to_string()).unwrap();
        await_event(&cluster, namespace, &name, "deviceID is missing: the PCI address of a VF").unwrap();
        let delete = ["-n", namespace, "delete", "pod", &name, "--force", "--grace-period=0"];
        cluster.kubectl().run(&delete).unwrap();
    }
    cluster.kubectl().run(&["delete", "namespace", NAMESPACE, "--timeout=120s"]).unwrap();
    cluster.kubectl().run(&["-n", "kube-system", "delete", "net-attach-def", "--all"]).unwrap();
    await_clean(&cluster).unwrap();
}

#[test]
fn the_macvlan_of_the_guide_on_injection_needs_no_rdma_key() {
    let cluster = cluster();
    let rendered = render(&cluster, &guide("macvlan-injected.yaml"));
    let said = String::from_utf8(rendered.stderr).unwrap();
    assert!(rendered.status.success(), "{said}");
    assert!(said.contains("spec.macvlan.enableRdma is no field, and not needed"), "{said}");
    let rendered = String::from_utf8(rendered.stdout).unwrap();
    assert!(rendered.contains("cni.spidernet.io/rdma-resource-inject: rdma-network"), "{rendered}");
}

#[test]
fn an_example_of_the_guides_that_is_cut_off_is_refused_with_its_place() {
    let cluster = cluster();
    let rendered = render(&cluster, &guide("infiniband-pkey.yaml"));
    let said = String::from_utf8(rendered.stderr).unwrap();
    assert!(!rendered.status.success() && said.contains("pasted.yaml") && said.contains("line 11"), "{said}");
    // Without its "...", there is the key, whose digits could be decimal or hexadecimal.
    let whole = guide("infiniband-pkey.yaml").replace("    ...\n", "");
    let rendered = render(&cluster, &whole);
    let said = String::from_utf8(rendered.stderr).unwrap();
    assert!(!rendered.status.success() && said.contains("spec.ibsriov.pkey 1000 is a number"), "{said}");
}

/// Each range ends at the first address of the next rail's subnet, and the last one outside of IPv4.
#[test]
fn pools_per_node_and_rail_of_the_guides_are_refused_one_by_one() {
    let cluster = cluster();
    let node = node(&cluster, "node1");
    node.put("etc/railcni/pools.d/guide.yaml", guide("per-node-pools.yaml")).unwrap();
    let mut pools = Command::new("sh");
    pools.args(["-c", "exec \"$0\" pools 2>&1"]).arg(binary("railctl")).env("NO_COLOR", "1");
    let said = node.output(&mut pools).unwrap();
    fs::remove_file(node.path("etc/railcni/pools.d/guide.yaml")).unwrap();
    for rail in 1..=RAILS {
        let pool = format!("pool \"eno3np{rail}-rail{rail}-node1\": spec.ips[0] ");
        let reason =
            if rail == 8 { "\"172.16.1.256\" is not an IP address" } else { "leaves the subnet 172.16.1." };
        let line = said.lines().find(|line| line.contains(&pool)).unwrap_or_else(|| panic!("{pool}: {said}"));
        assert!(line.contains(reason), "{line}");
    }
}
