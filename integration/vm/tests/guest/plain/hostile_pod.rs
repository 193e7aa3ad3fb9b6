//! A pod that owns its namespace, with links that build machines lack.

use serde_json::{Value, json};
use vm::lab::{Pod, ip};

use crate::attachment::Attachment;
use crate::eth::sriov::call::{Call, call};
use crate::hostile_pod::{Attach, harms_nobody, ipam, shares};
use crate::ipoib::host;

fn plugin(name: &str, pod: &Pod, container: &str, more: &Value) -> Call {
    let config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": name });
    call(name, pod, config).container(container).with(more)
}

fn ipvlan(number: usize, pod: &Pod, container: &str) -> Attachment {
    let master = json!({ "master": "rail1" });
    Attachment { calls: vec![plugin("ipvlan", pod, container, &master).with(&ipam(number))] }
}

/// The VLAN that it makes has a pod beside as its user, too.
fn on_a_vlan(number: usize, pod: &Pod, container: &str) -> Attachment {
    let vlan = json!({ "interfaces": ["rail1"], "vlanID": 9, "cleanup": true });
    let master = json!({ "master": "rail1.9" });
    let made = plugin("ifacer", pod, container, &vlan);
    Attachment { calls: vec![made, plugin("macvlan", pod, container, &master).with(&ipam(number))] }
}

shares! { by_links }

#[track_caller]
fn by_links(share: usize) {
    ip("link add rail1 type veth peer name port1");
    ip("link set port1 up");
    ip("link set rail1 up");
    let ways: [Attach<'_>; 2] = [("ipvlan", Box::new(ipvlan)), ("ifacer, macvlan", Box::new(on_a_vlan))];
    harms_nobody(share, &ways, &|| format!("{:#?}", host()));
}
