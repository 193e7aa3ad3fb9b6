//! A PCI function that is no VF is the node's own NIC for all that a plugin can know: who may write `deviceID` is often a tenant.

use std::fmt::Debug;
use std::time::Duration;

use serde_json::{Value, json};
use vm::lab::{Pf, Pod, ip, rdma_devices, until};

use crate::eth::sriov::call::{Call, call};
use crate::eth::sriov::state::assert_no_file;

/// A plugin for the function, in a pod that has a `net1` for those that come after another.
pub(crate) fn plugin(name: &str, pf: &Pf, pod: &Pod, more: &Value) -> Call {
    let config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": name, "deviceID": pf.bdf() });
    call(name, pod, config).with(more)
}

/// As the node has it: link and addresses, RDMA devices, driver.
#[track_caller]
fn picture(pf: &Pf) -> impl Debug + PartialEq + use<> {
    let shown: Value = serde_json::from_str(&ip("-d -j addr")).expect("ip prints JSON");
    let name = pf.ifname();
    let of_it = shown.as_array().into_iter().flatten().filter(|link| link["ifname"] == name.as_str());
    (of_it.cloned().collect::<Vec<_>>(), rdma_devices(), pf.driver())
}

/// By each of the plugins: with VFs and without any, whatever the node has on it. DEL finds nothing to undo.
#[track_caller]
pub(crate) fn is_refused_and_untouched(pf: &Pf, calls: impl Fn(&Pod) -> Vec<Call>) {
    for (vfs, cure) in [(1, "give one of its VFs to a pod"), (0, "list it as wholeFunctions in node.yaml")] {
        pf.set_numvfs(0).expect("disable the VFs");
        pf.set_numvfs(vfs).expect("as many VFs");
        let name = pf.ifname();
        ip(&format!("link set dev {name} up"));
        let is_tried = || !ip(&format!("addr show dev {name}")).contains("tentative");
        until(Duration::from_secs(10), "IPv6 to have tried the NIC's address", is_tried);
        let pod = Pod::new();
        pod.ip("link add net1 type dummy");
        let before = picture(pf);
        for call in calls(&pod) {
            let said = call.fails("ADD");
            assert!(said.contains(pf.bdf()) && said.contains(cure), "{}: {said}", call.config);
            assert_eq!(picture(pf), before, "ADD of {}", call.config);
            call.run("DEL");
            assert_eq!(picture(pf), before, "DEL of {}", call.config);
            assert_eq!(pod.links(), ["net1"], "{}", call.config);
        }
        assert_no_file();
    }
}
