//! CHECK names each difference, and STATUS what the node cannot serve.

use std::path::Path;

use serde_json::{Value, json};
use vm::lab::{Mode, Pod, Vf, ip, set_rdma_mode, vf};

use crate::eth::sriov::call::{Call, call, ipam};

const GUID: &str = "11:22:33:44:55:66:ee:01";

fn ib_sriov(vf: &Vf, pod: &Pod, more: &Value) -> Call {
    let config = json!({ "cniVersion": "1.1.0", "name": "ib", "type": "ib-sriov", "deviceID": vf.bdf(), "guid": GUID });
    call("ib-sriov", pod, config).with(more)
}

fn attached(vf: &Vf, pod: &Pod) -> Call {
    let more = json!({ "link_state": "enable", "rdmaIsolation": true, "ipam": ipam("10.61.0.0/24") });
    let mut call = ib_sriov(vf, pod, &more);
    call.config["prevResult"] = call.run("ADD");
    call.run("CHECK");
    call
}

#[test]
fn each_difference_at_the_pf_is_named() {
    let (vf, pod) = (vf(5, 0), Pod::new());
    let check = attached(&vf, &pod);
    for (change, named, back) in [
        ("state disable", "its link_state is disable, expected enable", "state enable".to_owned()),
        ("node_guid 11:22:33:44:55:66:ee:02", "node_guid", format!("node_guid {GUID}")),
        ("port_guid 11:22:33:44:55:66:ee:02", "port_guid", format!("port_guid {GUID}")),
    ] {
        vf.set(change);
        let said = check.fails("CHECK");
        assert!(said.contains(named), "after {change}: {said}");
        vf.set(&back);
    }
    check.run("CHECK");
    check.run("DEL");
}

#[test]
fn each_difference_in_the_pod_is_named() {
    let (vf, pod) = (vf(5, 3), Pod::new());
    let check = attached(&vf, &pod);
    let address = check.config["prevResult"]["ips"][0]["address"].as_str().expect("an address").to_owned();
    for (change, named, back) in [
        (format!("addr del {address} dev net1"), address.clone(), format!("addr add {address} dev net1")),
        ("link set dev net1 down".to_owned(), "it is down".to_owned(), "link set dev net1 up".to_owned()),
    ] {
        pod.ip(&change);
        let said = check.fails("CHECK");
        assert!(said.contains(&named), "after {change}: {said}");
        pod.ip(&back);
    }
    check.run("CHECK");
    pod.ip("link set dev net1 down");
    pod.ip("link set dev net1 name mine");
    pod.ip("link set dev mine up");
    let said = check.fails("CHECK");
    assert!(said.contains("its name is mine, expected net1"), "{said}");
    check.run("DEL");
}

#[test]
fn an_rdma_device_an_interface_and_a_driver_that_are_gone_are_named() {
    let (vf, pod) = (vf(5, 2), Pod::new());
    let rdma = vf.rdma()[0].clone();
    let check = attached(&vf, &pod);
    pod.ip(&format!("link set dev net1 netns {}", std::process::id()));
    let said = check.fails("CHECK");
    assert!(said.contains(&format!("the interface of device {} is not in the pod", vf.bdf())), "{said}");
    vf.rebind();
    let said = check.fails("CHECK");
    assert!(said.contains(&format!("its RDMA device {rdma} is not in the pod")), "{said}");
    vf.unbind();
    let said = check.fails("CHECK");
    assert!(said.contains("its driver is none, expected lab_hca"), "{said}");
    check.run("DEL");
    assert_eq!((vf.driver().as_deref(), vf.rdma()), (Some("lab_hca"), vec![rdma]));
}

#[test]
fn status_tells_of_the_rdma_mode_and_of_the_ipam() {
    let (vf, isolated) = (vf(0, 0), json!({ "deviceID": null, "guid": null, "rdmaIsolation": true }));
    let call = |pod: &Pod, more: &Value| ib_sriov(&vf, pod, &isolated).with(more);
    {
        let pod = Pod::new();
        call(&pod, &json!({ "ipam": ipam("10.62.0.0/24") })).run("STATUS");
        let said = call(&pod, &json!({ "ipam": { "type": "none-such" } })).try_run("STATUS");
        assert!(
            said.expect_err("there is no such IPAM")["msg"]
                .as_str()
                .is_some_and(|msg| msg.contains("none-such"))
        );
    }
    set_rdma_mode(Mode::Shared);
    let pod = Pod::new();
    let error = call(&pod, &json!({})).try_run("STATUS").expect_err("the mode is shared");
    assert_eq!(error["code"], 50, "{error}");
    assert!(!Path::new("/run/railcni").exists(), "it wrote nothing");
    call(&pod, &json!({ "rdmaIsolation": false })).run("STATUS");
    let said = call(&pod, &json!({ "deviceID": vf.bdf(), "guid": GUID })).fails("ADD");
    assert!(said.contains("rdma system set netns exclusive"), "{said}");
    assert_eq!(ip("netns list").lines().count(), 1);
    drop(pod);
    set_rdma_mode(Mode::Exclusive);
}
