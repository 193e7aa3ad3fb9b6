//! kubelet's own memory of devices, the one place that says which UID has one: a name may be another pod's by now. It is kubelet's
//! business how it looks: what cannot be read says nothing.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

/// Whose each device is by it: UIDs by resource and device.
pub(super) type Owners = HashMap<(String, String), String>;

/// A node's is a few kB.
const LONGEST: u64 = 16 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Checkpoint {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Data {
    pod_device_entries: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "PodUID")]
    uid: String,
    #[serde(rename = "ResourceName")]
    resource: String,
    /// By NUMA node.
    #[serde(rename = "DeviceIDs")]
    devices: HashMap<String, Vec<String>>,
}

pub(super) fn owners(directory: &Path) -> Owners {
    let path = directory.join("device-plugins/kubelet_internal_checkpoint");
    let is_short = std::fs::metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() <= LONGEST);
    let bytes = is_short.then(|| std::fs::read(&path).ok()).flatten();
    bytes.map(|bytes| parse(&bytes)).unwrap_or_default()
}

fn parse(bytes: &[u8]) -> Owners {
    let Ok(checkpoint) = serde_json::from_slice::<Checkpoint>(bytes) else { return Owners::new() };
    let mut owners = Owners::new();
    for entry in checkpoint.data.pod_device_entries.into_iter().flatten() {
        for device in entry.devices.into_values().flatten() {
            owners.insert((entry.resource.clone(), device), entry.uid.clone());
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_device_is_read_and_nothing_out_of_what_is_otherwise() {
        let text = br#"{"Data":{"PodDeviceEntries":[{"PodUID":"u1","ContainerName":"c","ResourceName":"x/a",
            "DeviceIDs":{"-1":["0000:3b:00.2"],"0":["0000:3b:00.3"]},"AllocResp":"CgA="}],
            "RegisteredDevices":{"x/a":["0000:3b:00.2"]}},"Checksum":1}"#;
        let owners = parse(text);
        let owner = |device: &str| owners.get(&("x/a".to_owned(), device.to_owned())).map(String::as_str);
        assert_eq!((owner("0000:3b:00.2"), owner("0000:3b:00.3")), (Some("u1"), Some("u1")));
        for other in [&b""[..], b"{}", br#"{"Data":{}}"#, br#"{"Data":{"PodDeviceEntries":null}}"#, b"\xff"] {
            assert!(parse(other).is_empty());
        }
        assert!(owners_of_nothing().is_empty());
    }

    fn owners_of_nothing() -> Owners {
        owners(Path::new("/nonexistent"))
    }
}
