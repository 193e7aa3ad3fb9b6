//! Attachments of VFs that have all that their way to attach knows: address, VLAN or GUID, RDMA device.

use serde_json::{Value, json};
use vm::lab::{Pod, Vf};

use crate::eth::sriov::call::{Call, call};

/// The plugins of one attachment, in the order of their ADDs.
#[derive(Clone)]
pub(crate) struct Attachment {
    pub(crate) calls: Vec<Call>,
}

/// What attaches that VF to that pod for a container, by its name.
pub(crate) type Way = (&'static str, fn(&Vf, &Pod, &str) -> Attachment);

/// A plugin for `vf`, with an address of a pool of few, which are given in their order.
#[track_caller]
pub(crate) fn plugin(name: &str, vf: &Vf, pod: &Pod, container: &str, more: &Value) -> Call {
    let range = json!({ "subnet": "10.67.0.0/24", "rangeStart": "10.67.0.10", "rangeEnd": "10.67.0.13" });
    let config = json!({ "cniVersion": "1.1.0", "name": "rail1", "type": name, "deviceID": vf.bdf(),
                         "ipam": { "type": "rail-ipam", "ranges": [[range]] } });
    call(name, pod, config).container(container).with(more)
}

impl Attachment {
    /// Its result, which the calls keep as a runtime does.
    #[track_caller]
    pub(crate) fn add(&mut self) -> Value {
        self.try_add().unwrap_or_else(|error| panic!("ADD failed: {error}"))
    }

    #[track_caller]
    pub(crate) fn try_add(&mut self) -> Result<Value, Value> {
        let mut result = Value::Null;
        for call in &self.calls {
            result = call.clone().with(&json!({ "prevResult": result })).try_run("ADD")?;
        }
        for call in &mut self.calls {
            *call = call.clone().with(&json!({ "prevResult": result }));
        }
        Ok(result)
    }

    #[track_caller]
    pub(crate) fn check(&self) {
        self.calls.iter().for_each(|call| drop(call.run("CHECK")));
    }

    #[track_caller]
    pub(crate) fn del(&self) {
        let failed = self.try_del();
        assert!(failed.is_empty(), "DEL failed: {failed:?}");
    }

    /// The errors of a DEL that goes on after them.
    #[track_caller]
    pub(crate) fn try_del(&self) -> Vec<Value> {
        self.calls.iter().rev().filter_map(|call| call.try_run("DEL").err()).collect()
    }

    /// CHECK, which answers whatever it finds.
    #[track_caller]
    pub(crate) fn try_check(&self) {
        self.calls.iter().for_each(|call| drop(call.try_run("CHECK")));
    }

    /// ADD, CHECK and DEL, as far as they come; the errors of DEL.
    #[track_caller]
    pub(crate) fn live(&mut self) -> Vec<Value> {
        if self.try_add().is_ok() {
            self.try_check();
        }
        self.try_del()
    }

    /// The errors of a GC by a runtime that has only `net1` of `container`.
    #[track_caller]
    pub(crate) fn try_gc(&self, container: &str) -> Vec<Value> {
        let valid = json!({ "cni.dev/valid-attachments": [{ "containerID": container, "ifname": "net1" }] });
        self.calls.iter().rev().filter_map(|call| call.clone().with(&valid).try_run("GC").err()).collect()
    }

    /// As another interface of the pod.
    pub(crate) fn ifname(self, name: &str) -> Self {
        Self { calls: self.calls.into_iter().map(|call| call.ifname(name)).collect() }
    }
}

/// The first address of a result.
#[track_caller]
pub(crate) fn address(result: &Value) -> String {
    result["ips"][0]["address"].as_str().unwrap_or_else(|| panic!("no address: {result}")).to_owned()
}
