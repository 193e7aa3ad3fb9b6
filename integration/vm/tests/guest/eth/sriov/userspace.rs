//! VFs that vfio-pci hands to user space: nothing to move, and all the rest as ever.

use serde_json::json;
use vm::lab::{Pod, Vf, modprobe, vf};

use super::call::{ipam, sriov};
use super::state::files;

/// A VF bound to vfio-pci until the end of the test.
struct Userspace(Vf);

impl Userspace {
    fn of(vf: Vf) -> Self {
        modprobe("vfio-pci");
        let guard = Self(vf);
        guard.0.unbind();
        guard.prefer("vfio-pci");
        guard.0.bind("vfio-pci");
        assert_eq!((guard.0.driver().as_deref(), guard.0.netdev()), (Some("vfio-pci"), None));
        guard
    }

    fn prefer(&self, driver: &str) {
        write(&format!("{}/driver_override", self.0.sysfs().display()), driver);
    }
}

impl Drop for Userspace {
    fn drop(&mut self) {
        // Without it, no other driver may have the VF; the lab binds its own one again.
        self.prefer("\n");
    }
}

#[expect(clippy::disallowed_methods, reason = "sysfs takes one write and no rename")]
fn write(path: &str, value: &str) {
    std::fs::write(path, value).unwrap_or_else(|error| panic!("write {value} to {path}: {error}"));
}

#[test]
fn its_address_is_reported_and_not_configured_and_its_attributes_are_set_and_restored() {
    let (userspace, pod) = (Userspace::of(vf(4, 0)), Pod::new());
    let vf = &userspace.0;
    let before = vf.attributes();
    let config =
        json!({ "vlan": 100, "mac": "02:00:5e:10:00:0d", "spoofchk": "on", "ipam": ipam("10.77.0.0/24") });
    let call = sriov(vf, &pod, &config);
    let result = call.run("ADD");
    let interface = json!({
        "name": "net1", "mac": "02:00:5e:10:00:0d", "mtu": 1500, "sandbox": pod.path(), "pciID": vf.bdf(),
    });
    assert_eq!(result["interfaces"], json!([interface]), "{result}");
    assert!(result["ips"][0]["address"].as_str().is_some_and(|ip| ip.starts_with("10.77.0.")), "{result}");
    assert!(pod.links().is_empty());
    assert_eq!((vf.attributes().vlan, vf.attributes().spoofchk), (100, Some(true)));
    let check = call.clone().with(&json!({ "prevResult": result }));
    check.run("CHECK");
    vf.set("vlan 101");
    assert!(check.fails("CHECK").contains("its vlan is 101"));
    call.run("DEL");
    assert_eq!((vf.attributes(), vf.driver().as_deref()), (before, Some("vfio-pci")));
    assert_eq!(files("/run/railcni/attachments".as_ref()), Vec::<String>::new());
    call.run("DEL");
}

#[test]
fn with_its_pods_namespace_gone_it_is_restored_all_the_same() {
    let (userspace, pod) = (Userspace::of(vf(4, 1)), Pod::new());
    let before = userspace.0.attributes();
    let call = sriov(&userspace.0, &pod, &json!({ "vlan": 100, "trust": "on" }));
    call.run("ADD");
    drop(pod);
    call.run("DEL");
    assert_eq!(userspace.0.attributes(), before);
}

#[test]
fn a_vf_that_the_workload_gave_to_vfio_comes_back_to_its_driver() {
    let (vf, pod) = (vf(4, 2), Pod::new());
    let before = super::state::State::of(&vf);
    let call = sriov(&vf, &pod, &json!({ "vlan": 100 }));
    call.run("ADD");
    let userspace = Userspace::of(vf);
    call.run("DEL");
    super::state::assert_untouched(&userspace.0, &before);
}

#[test]
fn rdma_says_that_there_is_no_device_for_the_pod() {
    let (userspace, pod) = (Userspace::of(vf(4, 3)), Pod::new());
    let first = sriov(&userspace.0, &pod, &json!({}));
    let result = first.run("ADD");
    let said = first.then("rdma", &json!({ "prevResult": result })).fails("ADD");
    assert!(said.contains("has no RDMA device"), "{said}");
}
