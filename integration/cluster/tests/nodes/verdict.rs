//! What has to be true of a pod with eight rails, and of a node that has none; with `ip` and `railctl` as witnesses.
//!
//! Every verdict is a result, so that a test can show that it finds what was broken on purpose.

use crate::pods::{LOOK, network_status};
use anyhow::{Context, Result, bail, ensure};
use cluster::{Cluster, Node, RAILS, RAILS_NAMESPACE};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;
use testkit::{binary, eventually, pause};

/// Time in which a node has to be rid of pods that the API has forgotten.
const CLEAN: Duration = Duration::from_secs(240);

/// The IPv4 address of an interface of a pod.
pub(crate) fn address(node: &Node, pod: &str, ifname: &str) -> Result<String> {
    let links = node.ip_of_pod(RAILS_NAMESPACE, pod, &["-4", "addr", "show", "dev", ifname])?;
    let address = links[0]["addr_info"][0]["local"].as_str();
    Ok(address.with_context(|| format!("{pod} has no address at {ifname}: {links}"))?.to_owned())
}

/// Every rail has one address, of its own subnet.
pub(crate) fn check_addresses(node: &Node, pod: &str) -> Result<()> {
    for rail in 1..=RAILS {
        let ifname = format!("net{rail}");
        let links = node.ip_of_pod(RAILS_NAMESPACE, pod, &["-4", "addr", "show", "dev", &ifname])?;
        let all: Vec<_> = links[0]["addr_info"].as_array().into_iter().flatten().collect();
        let net = format!("172.16.{}.", 10 + rail);
        let right = |address: &Value| {
            address["prefixlen"] == 24 && address["local"].as_str().is_some_and(|text| text.starts_with(&net))
        };
        ensure!(all.len() == 1 && right(all[0]), "{pod} has at {ifname}: {links}");
    }
    Ok(())
}

/// No two rails of these pods have the same address.
pub(crate) fn check_distinct<S: AsRef<str>>(node: &Node, pods: &[S]) -> Result<()> {
    let mut owners = BTreeMap::new();
    for pod in pods.iter().map(AsRef::as_ref) {
        for address in addresses(node, pod)? {
            let other = owners.insert(address.clone(), pod);
            ensure!(other.is_none(), "{address} is of {pod} and of {other:?}");
        }
    }
    Ok(())
}

/// The addresses of all rails of a pod.
pub(crate) fn addresses(node: &Node, pod: &str) -> Result<Vec<String>> {
    (1..=RAILS).map(|rail| address(node, pod, &format!("net{rail}"))).collect()
}

/// Interfaces, addresses, rules, routes, network-status, and that the gateway of each rail answers on it.
pub(crate) fn check_pod(cluster: &Cluster, node: &Node, pod: &str) -> Result<()> {
    let rules = node.ip_of_pod(RAILS_NAMESPACE, pod, &["rule"])?;
    let main = node.ip_of_pod(RAILS_NAMESPACE, pod, &["route", "show", "table", "main"])?;
    check_main(&main)?;
    check_addresses(node, pod)?;
    let status = network_status(cluster, pod)?;
    for rail in 1..=RAILS {
        let ifname = format!("net{rail}");
        let address = address(node, pod, &ifname)?;
        let gateway = format!("172.16.{}.254", 10 + rail);
        check_rail(node, pod, rail, &address, &rules).with_context(|| format!("{pod} {ifname}"))?;
        check_status(&status, &ifname, &address, &gateway)?;
        ping(node, pod, &address, &gateway)?;
    }
    Ok(())
}

/// One default route, that of eth0, and the connected ones of all NICs.
fn check_main(main: &Value) -> Result<()> {
    let routes: Vec<_> = main.as_array().into_iter().flatten().collect();
    let defaults: Vec<_> = routes.iter().filter(|route| route["dst"] == "default").collect();
    ensure!(defaults.len() == 1 && defaults[0]["dev"] == "eth0", "default routes in main: {defaults:?}");
    for rail in 1..=RAILS {
        let connected = |route: &&&Value| route["dst"] == format!("172.16.{}.0/24", 10 + rail);
        let devices: Vec<_> = routes.iter().filter(connected).map(|route| &route["dev"]).collect();
        ensure!(devices == [&format!("net{rail}")], "rail {rail} is connected by {devices:?}");
    }
    Ok(())
}

/// A rule for the address, and the table that it names with the rail's own default route.
fn check_rail(node: &Node, pod: &str, rail: u8, address: &str, rules: &Value) -> Result<()> {
    let (table, priority) = ((100 + u64::from(rail)).to_string(), 10_100 + u64::from(rail));
    let ours = |rule: &&Value| rule["src"] == address;
    let rules: Vec<_> = rules.as_array().into_iter().flatten().filter(ours).collect();
    let right = |rule: &Value| rule["table"] == table && rule["priority"] == priority;
    ensure!(rules.len() == 1 && right(rules[0]), "rules of {address}: {rules:?}");
    let routes = node.ip_of_pod(RAILS_NAMESPACE, pod, &["route", "show", "table", &table])?;
    let (gateway, ifname) = (format!("172.16.{}.254", 10 + rail), format!("net{rail}"));
    // Those to the node itself, which every table has, leave by eth0.
    let of_rails = |route: &&Value| route["dev"] != "eth0";
    let routes: BTreeSet<_> = routes.as_array().into_iter().flatten().filter(of_rails).map(part).collect();
    let wanted = [
        part(&json!({"dst": "default", "gateway": gateway, "dev": ifname})),
        part(&json!({"dst": format!("172.16.{}.0/24", 10 + rail), "dev": ifname})),
    ];
    ensure!(routes == wanted.into(), "table {table} has {routes:?}");
    Ok(())
}

/// Where a route leads.
fn part(route: &Value) -> String {
    format!("{} via {} dev {}", route["dst"], route["gateway"], route["dev"])
}

/// The interface has its own address and gateway in the status, and nobody else's.
fn check_status(status: &[Value], ifname: &str, address: &str, gateway: &str) -> Result<()> {
    let of_interface: Vec<_> = status.iter().filter(|entry| entry["interface"] == ifname).collect();
    let [entry] = of_interface[..] else { bail!("{ifname} in network-status: {of_interface:?}") };
    ensure!(entry["ips"] == json!([address]), "{ifname} has {} in network-status", entry["ips"]);
    let gateways = entry["gateway"].as_array().into_iter().flatten();
    let foreign: Vec<_> = gateways.filter(|other| **other != gateway).collect();
    ensure!(foreign.is_empty(), "{ifname} has the gateways {foreign:?} of others in network-status");
    Ok(())
}

/// From the address of the rail, so that the rule decides.
fn ping(node: &Node, pod: &str, address: &str, gateway: &str) -> Result<()> {
    let args = ["-c", "1", "-W", "5", "-I", address, gateway];
    node.output_of_pod(RAILS_NAMESPACE, pod, "ping", &args).map(drop)
}

/// Waits until nothing of any pod is left on the nodes.
pub(crate) fn await_clean(cluster: &Cluster) -> Result<()> {
    await_clean_within(cluster, CLEAN)
}

/// As [`await_clean`], for who expects that it does not come.
pub(crate) fn await_clean_within(cluster: &Cluster, limit: Duration) -> Result<()> {
    let mut last = Ok(());
    let clean = eventually(limit, || {
        pause(LOOK);
        last = cluster.nodes().iter().try_for_each(check_clean);
        last.is_ok().then_some(())
    });
    if clean.is_some() { Ok(()) } else { last.context("the nodes are not clean") }
}

/// No namespace, no record, no lease, no lock of a pod.
fn check_clean(node: &Node) -> Result<()> {
    let name = node.name();
    let namespaces = node.namespaces()?;
    ensure!(namespaces.is_empty(), "{name} has namespaces of pods: {namespaces:?}");
    let shown = railctl(node, &["show", "-o", "json"])?;
    ensure!(shown == json!([]), "{name} has attachments: {shown}");
    let pools = railctl(node, &["pools", "-o", "json"])?;
    for pool in pools.as_array().context("a list of pools")? {
        ensure!(pool["used"] == 0, "{name} has leases: {pool}");
    }
    let locks = node.files("run/railcni/locks")?;
    let of_pods: Vec<_> = locks.iter().filter(|lock| lock.starts_with("pod-")).collect();
    ensure!(of_pods.is_empty(), "{name} has locks of pods: {of_pods:?}");
    Ok(())
}

/// What `railctl` of this build says on a node.
pub(crate) fn railctl(node: &Node, args: &[&str]) -> Result<Value> {
    Ok(serde_json::from_str(&node.output(Command::new(binary("railctl")).args(args))?)?)
}
