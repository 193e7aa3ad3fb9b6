//! `ib-sriov` on VFs of an emulated InfiniBand HCA.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use vm::lab::{Mode, Pod, Vf, ip, set_rdma_mode, until, vf};

const GUID: &str = "11:22:33:44:55:66:77:01";
const OTHER: &str = "11:22:33:44:55:66:77:02";
const NO_GUID: &str = "00:00:00:00:00:00:00:00";

/// Where this test's binary is, so are the plugins.
pub(super) fn directory() -> PathBuf {
    let test = std::env::current_exe().expect("this program");
    let beside = test.ancestors().nth(2).expect("below target").to_owned();
    std::env::var_os("RAILCNI_BIN_DIR").map_or(beside, PathBuf::from)
}

fn config(vf: &Vf, more: &Value) -> Value {
    let mut config = json!({ "cniVersion": "1.1.0", "name": "ib", "type": "ib-sriov", "deviceID": vf.bdf() });
    config.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    config
}

#[track_caller]
pub(super) fn try_run(plugin: &str, verb: &str, pod: &Pod, config: &Value) -> Result<Value, Value> {
    let directory = directory();
    let mut command = Command::new(directory.join(plugin));
    command.env("CNI_COMMAND", verb).env("CNI_CONTAINERID", pod.name()).env("CNI_NETNS", pod.path());
    command.env("CNI_IFNAME", "net1").env("CNI_PATH", format!("{}:/run", directory.display()));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("run {plugin}: {error}"));
    child.stdin.take().expect("a pipe").write_all(config.to_string().as_bytes()).expect("the config");
    let output = child.wait_with_output().expect("wait for the plugin");
    let value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    if output.status.success() { Ok(value) } else { Err(value) }
}

#[track_caller]
pub(super) fn run(verb: &str, pod: &Pod, config: &Value) -> Value {
    try_run("ib-sriov", verb, pod, config).unwrap_or_else(|error| panic!("{verb} failed: {error}"))
}

#[track_caller]
pub(super) fn fails(plugin: &str, verb: &str, pod: &Pod, config: &Value) -> String {
    let error = try_run(plugin, verb, pod, config).expect_err("the plugin had to fail");
    format!("{} {}", error["msg"].as_str().unwrap_or_default(), error["details"].as_str().unwrap_or_default())
}

/// The VF as the host sees it: name, GUIDs and link state, RDMA device.
pub(super) fn picture(vf: &Vf) -> (String, String, Vec<String>) {
    (vf.ifname(), format!("{:?}", vf.attributes()), vf.rdma())
}

#[test]
fn guid_and_rdma_device_are_in_the_pod_and_all_comes_back() {
    set_rdma_mode(Mode::Exclusive);
    let vfs = [vf(0, 0), vf(0, 1)];
    let before = vfs.each_ref().map(picture);
    let pods = [Pod::new(), Pod::new()];
    let configs = [(&vfs[0], GUID), (&vfs[1], OTHER)].map(|(vf, guid)| {
        config(vf, &json!({ "guid": guid, "link_state": "enable", "rdmaIsolation": true }))
    });
    for (index, (pod, config)) in pods.iter().zip(&configs).enumerate() {
        let result = run("ADD", pod, config);
        let mac = result["interfaces"][0]["mac"].as_str().expect("a hardware address");
        assert!(mac.len() == 59 && mac.ends_with(["01", "02"][index]), "{mac}");
        assert_eq!(pod.links(), ["net1"]);
        assert_eq!(pod.rdma_devices(), before[index].2);
        pod.ip(&format!("addr add 10.8.0.{}/24 dev net1", index + 1));
        let mut check = config.clone();
        check["prevResult"] = result;
        run("CHECK", pod, &check);
    }
    assert_eq!(vfs[0].attributes().node_guid.as_deref(), Some(GUID));
    assert_eq!(vfs[0].attributes().port_guid.as_deref(), Some(GUID));
    assert!(pods[0].pings("10.8.0.2"));
    for (pod, config) in pods.iter().zip(&configs) {
        run("DEL", pod, config);
        run("DEL", pod, config);
        assert!(pod.links().is_empty() && pod.rdma_devices().is_empty());
    }
    assert_eq!(vfs.each_ref().map(picture), before);
}

#[test]
fn eight_rails_of_a_pod_are_exclusive() {
    set_rdma_mode(Mode::Exclusive);
    let pod = Pod::new();
    let vfs: Vec<_> = (0..8).map(|rail| vf(rail, 0)).collect();
    let before: Vec<_> = vfs.iter().map(picture).collect();
    let attach = |verb: &str| {
        for (rail, vf) in vfs.iter().enumerate() {
            let guid = format!("11:22:33:44:55:66:88:{rail:02x}");
            let conf =
                config(vf, &json!({ "name": format!("ib{rail}"), "guid": guid, "rdmaIsolation": true }));
            let mut command = Command::new(directory().join("ib-sriov"));
            command.env("CNI_COMMAND", verb).env("CNI_CONTAINERID", pod.name()).env("CNI_NETNS", pod.path());
            command.env("CNI_IFNAME", format!("net{rail}")).env("CNI_PATH", directory());
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("spawn");
            child.stdin.take().expect("a pipe").write_all(conf.to_string().as_bytes()).expect("the config");
            let output = child.wait_with_output().expect("wait");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
    };
    attach("ADD");
    assert_eq!((pod.links().len(), pod.rdma_devices().len()), (8, 8));
    attach("DEL");
    assert_eq!(vfs.iter().map(picture).collect::<Vec<_>>(), before);
}

#[test]
fn all_is_put_back_after_the_namespace_has_died() {
    set_rdma_mode(Mode::Exclusive);
    let vf = vf(1, 0);
    let before = picture(&vf);
    let conf = config(&vf, &json!({ "guid": GUID, "link_state": "disable", "rdmaIsolation": true }));
    let pod = Pod::new();
    run("ADD", &pod, &conf);
    ip(&format!("netns del {}", pod.name()));
    run("DEL", &pod, &conf);
    assert_eq!(picture(&vf), before);
}

#[test]
fn all_is_put_back_after_a_failed_add() {
    set_rdma_mode(Mode::Exclusive);
    let vf = vf(2, 0);
    let before = picture(&vf);
    let script = std::path::Path::new("/run/no-ipam");
    let mut file = std::fs::File::create(script).expect("a script");
    file.write_all(b"#!/bin/sh\ncat >/dev/null\n[ $CNI_COMMAND = DEL ] || { echo '{\"code\":123,\"msg\":\"pool is empty\"}'; exit 1; }\n").expect("write");
    drop(file);
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let more =
        json!({ "guid": GUID, "link_state": "enable", "rdmaIsolation": true, "ipam": { "type": "no-ipam" } });
    let pod = Pod::new();
    assert!(fails("ib-sriov", "ADD", &pod, &config(&vf, &more)).contains("pool is empty"));
    until(Duration::from_secs(5), "the VF is as before", || picture(&vf) == before);
    assert!(pod.links().is_empty());
}

#[test]
fn a_vf_without_a_guid_is_refused_with_how_to_get_one() {
    let vf = vf(3, 0);
    let msg = fails("ib-sriov", "ADD", &Pod::new(), &config(&vf, &json!({})));
    assert!(msg.contains(NO_GUID) && msg.contains("ib-kubernetes"), "{msg}");
}

#[test]
fn a_guid_that_is_there_needs_no_rebind() {
    let vf = vf(3, 1);
    vf.set(&format!("node_guid {GUID}"));
    vf.set(&format!("port_guid {GUID}"));
    vf.rebind();
    let index = |vf: &Vf| {
        std::fs::read_to_string(format!("/sys/class/net/{}/ifindex", vf.ifname())).expect("an index")
    };
    let before = index(&vf);
    let (pod, conf) = (Pod::new(), config(&vf, &json!({ "guid": GUID })));
    run("ADD", &pod, &conf);
    run("DEL", &pod, &conf);
    assert_eq!(index(&vf), before, "the same interface came back");
}

#[test]
fn sriov_on_an_infiniband_vf_names_the_right_plugin() {
    let vf = vf(4, 0);
    let mut conf = config(&vf, &json!({}));
    conf["type"] = json!("sriov");
    let msg = fails("sriov", "ADD", &Pod::new(), &conf);
    assert!(msg.contains("ib-sriov"), "{msg}");
}

#[test]
fn a_late_del_leaves_the_next_owner_alone() {
    let (vf, old, new) = (vf(6, 0), Pod::new(), Pod::new());
    let conf = |guid: &str| config(&vf, &json!({ "guid": guid }));
    run("ADD", &old, &conf(GUID));
    ip(&format!("netns del {}", old.name()));
    until(Duration::from_secs(5), "the interface comes home", || vf.netdev().is_some());
    run("ADD", &new, &conf(OTHER));
    run("DEL", &old, &conf(GUID));
    assert_eq!(new.links(), ["net1"]);
    assert_eq!(vf.attributes().node_guid.as_deref(), Some(OTHER));
    run("DEL", &new, &conf(OTHER));
}

#[test]
fn macvlan_ipvlan_and_ipoib_on_such_a_parent_name_the_right_plugin() {
    let master = vm::lab::pf(7).ifname();
    ip(&format!("link set dev {master} up"));
    for (plugin, named) in [
        ("macvlan", "use `ipoib` or `ib-sriov`"),
        ("ipvlan", "use `ipoib` or `ib-sriov`"),
        ("ipoib", "use `ib-sriov`"),
    ] {
        let conf = json!({ "cniVersion": "1.1.0", "name": "ib", "type": plugin, "master": master });
        let msg = fails(plugin, "ADD", &Pod::new(), &conf);
        assert!(msg.contains(named), "{plugin}: {msg}");
    }
}
