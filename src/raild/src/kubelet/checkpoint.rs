//! kubelet's own memory of devices, the one place that says which UID has one: a name may be another pod's by now. It is kubelet's
//! business how it looks: what is no such memory says nothing, and one that cannot be read is told.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

/// Whose each device is by it: UIDs by resource and device.
pub(super) type Owners = HashMap<(String, String), String>;

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
    read(directory).unwrap_or_else(|error| {
        eprintln!("raild: {error}; pods are told apart by their names alone");
        Owners::new()
    })
}

/// A node's is a few kB: no more is read of it than of any other file. It is kubelet's, so nobody is told to move it.
fn read(directory: &Path) -> Result<Owners, String> {
    let path = directory.join("device-plugins/kubelet_internal_checkpoint");
    match state::file::read_linked(&path) {
        Ok(bytes) => Ok(bytes.map(|bytes| parse(&bytes)).unwrap_or_default()),
        Err(state::Error::TooLong { limit, .. }) => {
            Err(format!("kubelet's {} is longer than {} MiB", path.display(), limit >> 20))
        }
        Err(error) => Err(error.to_string()),
    }
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
        assert!(read(Path::new("/nonexistent")).unwrap().is_empty());
    }

    #[test]
    fn one_that_cannot_be_read_whole_is_told() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("device-plugins");
        let path = folder.join("kubelet_internal_checkpoint");
        std::fs::create_dir(&folder).unwrap();
        std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let refused = || read(base.path()).unwrap_err();
        assert!(refused().contains("is longer than"), "{}", refused());
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(refused().contains("regular file"), "{}", refused());
        assert!(owners(base.path()).is_empty(), "and the name has to do");
    }
}
