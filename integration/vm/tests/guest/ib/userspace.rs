//! VFs and PFs that vfio-pci hands to user space: the PF is told, and there is nothing to move.

use serde_json::{Value, json};
use vm::lab::{Pod, pf, vf};

use crate::eth::sriov::call::{Call, call, ipam};
use crate::eth::sriov::upgrade::write;
use crate::eth::sriov::userspace::Userspace;

const GUID: &str = "11:22:33:44:55:66:cc:01";

fn ib_sriov(bdf: &str, pod: &Pod, more: &Value) -> Call {
    let config = json!({ "cniVersion": "1.1.0", "name": "ib", "type": "ib-sriov", "deviceID": bdf });
    call("ib-sriov", pod, config).with(more)
}

#[test]
fn a_vf_gets_its_guids_without_a_new_bind_and_loses_them_with_del() {
    let (userspace, pod) = (Userspace::of(vf(7, 0)), Pod::new());
    let vf = &userspace.0;
    let before = vf.attributes();
    let more = json!({ "guid": GUID, "link_state": "enable", "ipam": ipam("10.63.0.0/24") });
    let call = ib_sriov(vf.bdf(), &pod, &more);
    let result = call.run("ADD");
    let interface = json!({ "name": "net1", "sandbox": pod.path(), "pciID": vf.bdf() });
    assert_eq!(
        (&result["interfaces"], &result["ips"]),
        (&json!([interface]), &Value::Null),
        "it has no address"
    );
    let attributes = vf.attributes();
    assert_eq!((attributes.node_guid.as_deref(), attributes.port_guid.as_deref()), (Some(GUID), Some(GUID)));
    assert!(pod.links().is_empty());
    let check = call.clone().with(&json!({ "prevResult": result }));
    check.run("CHECK");
    vf.set("state disable");
    assert!(check.fails("CHECK").contains("link_state"));
    call.run("DEL");
    assert_eq!((vf.attributes(), vf.driver().as_deref()), (before, Some("vfio-pci")));
    call.run("DEL");
}

#[test]
fn with_its_pods_namespace_gone_its_guids_are_restored_all_the_same() {
    let (userspace, pod) = (Userspace::of(vf(7, 2)), Pod::new());
    let before = userspace.0.attributes();
    let call = ib_sriov(userspace.0.bdf(), &pod, &json!({ "guid": GUID, "vfioPciMode": true }));
    call.run("ADD");
    drop(pod);
    call.run("DEL");
    assert_eq!(userspace.0.attributes(), before);
}

#[test]
fn vfio_pci_mode_refuses_another_driver() {
    let (vf, pod) = (vf(7, 1), Pod::new());
    let before = vf.attributes();
    let said = ib_sriov(vf.bdf(), &pod, &json!({ "guid": GUID, "vfioPciMode": true })).fails("ADD");
    assert!(said.contains("has driver lab_hca: bind it to vfio-pci"), "{said}");
    assert_eq!(vf.attributes(), before);
}

#[test]
fn a_pf_goes_to_a_pod_with_vfio_pci_only() {
    let (pf, pod) = (pf(7), Pod::new());
    let call = ib_sriov(pf.bdf(), &pod, &json!({}));
    assert!(call.fails("ADD").contains("give one of its VFs to a pod"));
    pf.set_numvfs(0).expect("disable the VFs");
    assert!(call.fails("ADD").contains("list it as wholeFunctions in node.yaml"));
    std::fs::create_dir_all("/etc/railcni").expect("a directory");
    write("/etc/railcni/node.yaml", &format!("wholeFunctions: ['{}']\n", pf.bdf()));
    assert!(call.fails("ADD").contains("only one with driver vfio-pci can be attached"));
    let userspace = Userspace::of(pf);
    let result = call.run("ADD");
    assert_eq!(result["interfaces"][0]["pciID"], userspace.0.bdf());
    assert!(pod.links().is_empty());
    call.clone().with(&json!({ "prevResult": result })).run("CHECK");
    call.run("DEL");
    assert_eq!(userspace.0.driver().as_deref(), Some("vfio-pci"));
}
