//! VFs that vfio-pci hands to user space: nothing to move, and all the rest as ever.

use serde_json::json;
use std::ops::Deref;
use std::path::PathBuf;

use vm::lab::{Function, Pod, modprobe, vf};

use super::call::{ipam, sriov};
use super::state::files;

/// A VF or PF bound to vfio-pci until the end of the test.
pub(crate) struct Userspace<F: Deref<Target = Function>>(pub(crate) F, DriverOverride);

impl<F: Deref<Target = Function>> Userspace<F> {
    pub(crate) fn of(function: F) -> Self {
        modprobe("vfio-pci");
        function.unbind();
        let only = DriverOverride::of(&function);
        only.name("vfio-pci");
        function.bind("vfio-pci");
        assert_eq!((function.driver().as_deref(), function.netdev()), (Some("vfio-pci"), None));
        Self(function, only)
    }
}

/// The driver that alone may have a function. It is cleared at the end: the lab binds its own one again.
pub(crate) struct DriverOverride(PathBuf);

impl DriverOverride {
    pub(crate) fn of(function: &Function) -> Self {
        Self(function.sysfs().join("driver_override"))
    }

    /// `(null)` is none.
    pub(crate) fn read(&self) -> String {
        std::fs::read_to_string(&self.0).expect("an override").trim().to_owned()
    }

    /// A newline clears it.
    #[expect(clippy::disallowed_methods, reason = "sysfs takes one write and no rename")]
    pub(crate) fn name(&self, driver: &str) {
        std::fs::write(&self.0, driver)
            .unwrap_or_else(|error| panic!("write {driver} to {}: {error}", self.0.display()));
    }
}

impl Drop for DriverOverride {
    fn drop(&mut self) {
        self.name("\n");
    }
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
    assert_eq!(userspace.1.read(), "(null)", "what the workload left there is gone");
}

/// vfio-pci takes a VF by the override only.
#[test]
fn a_del_that_is_killed_at_any_write_gives_the_vf_back_to_vfio_pci() {
    let pod = Pod::new();
    let vf = vf(5, 0);
    for nth in 1.. {
        let userspace = Userspace::of(vf.clone());
        let call = sriov(&userspace.0, &pod, &json!({ "vlan": 100 }));
        call.run("ADD");
        userspace.0.unbind();
        userspace.1.name("\n");
        userspace.0.bind("lab_hca");
        let done = call.clone().killed_at_write(nth).output("DEL").status.success();
        call.run("DEL");
        let now = (userspace.0.driver(), userspace.1.read());
        assert_eq!(now, (Some("vfio-pci".to_owned()), "vfio-pci".to_owned()), "killed at write {nth}");
        if done {
            assert!(nth > 4, "only {nth} writes were seen: is strace counting?");
            return;
        }
    }
}

#[test]
fn rdma_says_that_there_is_no_device_for_the_pod() {
    let (userspace, pod) = (Userspace::of(vf(4, 3)), Pod::new());
    let first = sriov(&userspace.0, &pod, &json!({}));
    let result = first.run("ADD");
    let said = first.then("rdma", &json!({ "prevResult": result })).fails("ADD");
    assert!(said.contains("has no RDMA device"), "{said}");
}
