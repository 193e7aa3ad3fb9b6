use cni::{CniArgs, Command, Config, Env};
use serde_json::{Value, json};

use super::*;

fn request(config: &Value) -> Request {
    let mut whole = json!({ "cniVersion": "1.0.0", "name": "rail1", "type": "rdma" });
    whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    let env = Env {
        command: Command::Add,
        container_id: "c".to_owned(),
        netns: Some(PathBuf::from("/run/netns/c")),
        ifname: "net1".to_owned(),
        args: CniArgs::parse("IgnoreUnknown=1;K8S_POD_NAME=p"),
        path: Vec::new(),
        declined: Vec::new(),
        unrecorded: false,
    };
    Request { env, config: Config::parse(whole.to_string().into_bytes(), Command::Add).unwrap() }
}

#[test]
fn everything_has_a_default() {
    let wanted = wanted(&request(&json!({}))).unwrap();
    assert_eq!((wanted.device, wanted.policy, wanted.name), (None, Policy::Exclusive, None));
}

#[test]
fn devices_are_pci_or_auxiliary() {
    for (config, expected) in [
        (json!({ "deviceid": "0000:3B:02.5" }), "0000:3b:02.5"),
        (json!({ "pciBusID": "0000:3b:02.5" }), "0000:3b:02.5"),
        (json!({ "deviceID": "mlx5_core.sf.4" }), "mlx5_core.sf.4"),
    ] {
        assert_eq!(wanted(&request(&config)).unwrap().device.unwrap().to_string(), expected);
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_key_and_value() {
    for (config, said) in [
        (json!({ "deviceID": "mlx5_0" }), "\"mlx5_0\""),
        (json!({ "mode": "shared" }), "mode \"shared\""),
        (json!({ "rdmaDeviceName": "../x" }), "rdmaDeviceName \"../x\""),
        (json!({ "runtimeConfig": { "CNIDeviceInfoFile": "a/b" } }), "CNIDeviceInfoFile \"a/b\""),
        (
            json!({ "runtimeConfig": { "CNIDeviceInfoFile": "/etc/x.json" } }),
            "CNIDeviceInfoFile \"/etc/x.json\"",
        ),
    ] {
        let error = wanted(&request(&config)).unwrap_err();
        assert!(error.code == 7 && error.msg.contains(said), "{error}");
    }
}

/// As Multus names it.
const INFO: &str = "/var/run/k8s.cni.cncf.io/devinfo/cni/default-rail1-device.json";

#[test]
fn options_are_read() {
    let config = json!({
        "mode": "auto", "rdmaDeviceName": "rail1", "runtimeConfig": { "CNIDeviceInfoFile": INFO },
    });
    let wanted = wanted(&request(&config)).unwrap();
    assert_eq!((wanted.policy, wanted.name.as_deref()), (Policy::Auto, Some("rail1")));
    assert_eq!(wanted.device_info, Some(PathBuf::from(INFO)));
}
