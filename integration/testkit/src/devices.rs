//! PCI functions and RDMA devices, as lines of a snapshot; none on a machine without them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::mounts::must;
use crate::space::Space;

/// Driver, and what a probe is forced to, of every VF of the machine.
pub(crate) fn functions() -> Vec<String> {
    let entries = fs::read_dir("/sys/bus/pci/devices").into_iter().flatten().flatten();
    let vfs = entries.map(|entry| entry.path()).filter(|path| path.join("physfn").exists());
    vfs.map(|vf| function(&vf)).collect()
}

fn function(vf: &Path) -> String {
    let driver = fs::read_link(vf.join("driver")).unwrap_or_default();
    let forced = fs::read_to_string(vf.join("driver_override")).unwrap_or_default();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    format!("pci {} driver={} driver_override={}", name(vf), name(&driver), forced.trim())
}

/// The RDMA devices that are in `space`.
pub(crate) fn rdma(space: &Space) -> Vec<String> {
    if !Path::new("/sys/class/infiniband").exists() {
        return Vec::new();
    }
    let output = space.run(|| must("run rdma", Command::new("rdma").args(["-j", "-d", "dev"]).output()));
    assert!(output.status.success(), "rdma dev in {}: {output:?}", space.name());
    let devices: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_default();
    devices.into_iter().map(|device| format!("{} rdma {}", space.name(), steady(device))).collect()
}

/// The index is another one after each new probe of the driver.
fn steady(mut device: Value) -> Value {
    if let Some(fields) = device.as_object_mut() {
        fields.remove("ifindex");
    }
    device
}
