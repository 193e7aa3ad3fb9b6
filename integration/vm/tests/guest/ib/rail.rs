//! `rail` on InfiniBand VFs: what the chain of `ib-sriov` and `coordinator` does, for all rails at once.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use vm::lab::{Pod, Vf, ip, until, vf};

use super::ib_sriov::{directory, picture};

type Picture = (String, String, Vec<String>);

fn guid(rail: usize) -> String {
    format!("11:22:33:44:55:66:99:{rail:02x}")
}

fn ipam(rail: usize) -> Value {
    let address = format!("10.{}.0.10", 90 + rail);
    json!({ "type": "rail-ipam", "ranges": [[{ "subnet": format!("10.{}.0.0/24", 90 + rail),
        "rangeStart": address, "rangeEnd": address, "gateway": format!("10.{}.0.1", 90 + rail) }]] })
}

fn vfs(count: usize) -> Vec<Vf> {
    (0..count).map(|rail| vf(rail, 0)).collect()
}

fn pictures(vfs: &[Vf]) -> Vec<Picture> {
    vfs.iter().map(picture).collect()
}

fn rail(vfs: &[Vf]) -> Value {
    let rails: Vec<_> = vfs
        .iter()
        .enumerate()
        .map(|(rail, vf)| json!({ "deviceID": vf.bdf(), "guid": guid(rail), "ipam": ipam(rail) }))
        .collect();
    json!({ "cniVersion": "1.1.0", "name": "rails", "type": "rail", "link": "ib-sriov", "rdma": "exclusive",
            "link_state": "enable", "rails": rails })
}

fn output(wrapper: &[&str], plugin: &str, verb: &str, pod: &str, ifname: &str, config: &Value) -> Output {
    let program = directory().join(plugin).display().to_string();
    let argv: Vec<&str> = wrapper.iter().copied().chain([program.as_str()]).collect();
    let mut command = Command::new(argv[0]);
    command.args(&argv[1..]).env("CNI_COMMAND", verb).env("CNI_CONTAINERID", pod);
    command
        .env("CNI_NETNS", format!("/run/netns/{pod}"))
        .env("CNI_IFNAME", ifname)
        .env("CNI_PATH", directory());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("start it");
    // One that is killed early does not read.
    let _ = child.stdin.take().expect("a pipe").write_all(config.to_string().as_bytes());
    child.wait_with_output().expect("wait for the plugin")
}

#[track_caller]
fn call(plugin: &str, verb: &str, pod: &str, ifname: &str, config: &Value) -> Value {
    let output = output(&[], plugin, verb, pod, ifname, config);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{plugin} {verb}: {text}");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

#[track_caller]
fn run(verb: &str, pod: &str, config: &Value) -> Value {
    call("rail", verb, pod, "net1", config)
}

/// Each rail by its own network.
fn chain(vfs: &[Vf], pod: &Pod) -> Vec<[Value; 2]> {
    let attach = |(rail, vf): (usize, &Vf)| {
        let ifname = format!("net{}", rail + 1);
        let mut first = json!({ "cniVersion": "1.1.0", "name": format!("ib{rail}"), "type": "ib-sriov", "deviceID": vf.bdf(),
            "guid": guid(rail), "link_state": "enable", "rdmaIsolation": true, "ipam": ipam(rail) });
        let mut second = json!({ "cniVersion": "1.1.0", "name": format!("ib{rail}"), "type": "coordinator" });
        second["prevResult"] = call("ib-sriov", "ADD", pod.name(), &ifname, &first);
        let result = call("coordinator", "ADD", pod.name(), &ifname, &second);
        first["prevResult"] = result.clone();
        second["prevResult"] = result;
        [first, second]
    };
    vfs.iter().enumerate().map(attach).collect()
}

/// Interfaces, addresses, rules, routes and RDMA devices, but for the numbers that the kernel chooses.
fn inside(pod: &Pod, vfs: &[Vf]) -> String {
    until(Duration::from_secs(10), "IPv6 is sure of its addresses", || {
        !pod.ip("-6 addr").contains("tentative")
    });
    let json_of = |args: &str| -> Value { serde_json::from_str(&pod.ip(args)).expect("JSON") };
    let mut links = json_of("-j addr");
    for link in links.as_array_mut().expect("links") {
        for numbered in ["ifindex", "link_index", "link_netnsid"] {
            link.as_object_mut().expect("an object").remove(numbered);
        }
    }
    let attributes: Vec<_> = vfs.iter().map(|vf| format!("{:?}", vf.attributes())).collect();
    let whole = json!({ "links": links, "rules": json_of("-j rule"), "routes": json_of("-4 -j route show table all"),
        "routes6": json_of("-6 -j route show table all"), "rdma": pod.rdma_devices(), "vfs": attributes });
    format!("{whole:#}")
}

#[test]
fn the_end_state_of_eight_rails_is_that_of_the_chain() {
    let vfs = vfs(8);
    let before = pictures(&vfs);
    let by_chain = {
        let pod = Pod::new();
        let configs = chain(&vfs, &pod);
        let made = inside(&pod, &vfs);
        for (rail, [first, second]) in configs.iter().enumerate().rev() {
            let ifname = format!("net{}", rail + 1);
            call("coordinator", "DEL", pod.name(), &ifname, second);
            call("ib-sriov", "DEL", pod.name(), &ifname, first);
        }
        made
    };
    assert_eq!(pictures(&vfs), before);
    let (pod, mut config) = (Pod::new(), rail(&vfs));
    config["prevResult"] = run("ADD", pod.name(), &config);
    for (chain, rail) in by_chain.lines().zip(inside(&pod, &vfs).lines()) {
        assert_eq!(chain, rail);
    }
    run("CHECK", pod.name(), &config);
    run("DEL", pod.name(), &config);
    assert!(pod.links().is_empty() && pod.rdma_devices().is_empty());
    assert_eq!(pictures(&vfs), before);
}

#[test]
fn eight_rails_come_back_after_the_namespace_went() {
    let (vfs, pod) = (vfs(8), Pod::new());
    let (before, config) = (pictures(&vfs), rail(&vfs));
    let name = pod.name().to_owned();
    run("ADD", &name, &config);
    ip(&format!("netns del {name}"));
    run("DEL", &name, &config);
    assert_eq!(pictures(&vfs), before);
}

#[test]
fn two_vfs_of_one_pf_are_no_deadlock() {
    let (vfs, pod) = ([vf(0, 0), vf(0, 1)], Pod::new());
    let before = pictures(&vfs);
    let config = rail(&vfs);
    run("ADD", pod.name(), &config);
    assert_eq!((pod.links().len(), pod.rdma_devices().len()), (2, 2));
    run("DEL", pod.name(), &config);
    assert_eq!(pictures(&vfs), before);
}

#[test]
fn a_kill_at_any_message_of_add_is_undone_by_del() {
    let (vfs, pod) = (vfs(1), Pod::new());
    let (before, config) = (pictures(&vfs), rail(&vfs));
    for nth in 1.. {
        let inject = format!("--inject=sendto,sendmsg:signal=SIGKILL:when={nth}");
        let strace = ["strace", "-qq", "-o", "/dev/null", "--trace=sendto,sendmsg", &inject];
        let killed = output(&strace, "rail", "ADD", pod.name(), "net1", &config);
        run("DEL", pod.name(), &config);
        assert_eq!(pictures(&vfs), before, "killed at {nth}");
        assert!(pod.links().is_empty() && pod.rdma_devices().is_empty());
        if killed.status.success() {
            assert!(nth > 10, "only {nth} messages were seen: is strace counting?");
            return;
        }
    }
}
