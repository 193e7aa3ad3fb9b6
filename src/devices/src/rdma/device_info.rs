//! The device information file that Multus hands over (device-info spec 1.1.0).

use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};
use state::file;

use super::Error;
use crate::vf::Device;

const VERSION: &str = "1.1.0";

/// Writes the RDMA device's name into the file.
pub(super) fn write(path: &Path, device: &Device, rdma: &str) -> Result<(), attach::Error> {
    let old = file::read(path)?;
    let value = complete(path, old.as_deref(), device, rdma)?;
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|error| failed(path, &error))?;
    }
    Ok(file::replace(path, value.to_string().as_bytes())?)
}

/// What a device plugin wrote stays, as far as it is not known better.
fn complete(path: &Path, old: Option<&[u8]>, device: &Device, rdma: &str) -> Result<Value, Error> {
    let mut value: Value = match old {
        Some(bytes) => serde_json::from_slice(bytes).map_err(|error| failed(path, &error.into()))?,
        None => json!({ "type": "pci" }),
    };
    let file = value.as_object_mut().ok_or_else(|| failed(path, &io::ErrorKind::InvalidData.into()))?;
    if !device.is_pci() || file.get("type").is_some_and(|kind| kind != "pci") {
        return Ok(value);
    }
    file.insert("version".to_owned(), VERSION.into());
    let pci = file.entry("pci").or_insert_with(|| Value::Object(Map::new()));
    if let Some(pci) = pci.as_object_mut() {
        pci.insert("pci-address".to_owned(), device.id().to_string().into());
        pci.insert("rdma-device".to_owned(), rdma.into());
        if let Some(pf) = device.pf() {
            pci.insert("pf-pci-address".to_owned(), pf.function.bdf().to_string().into());
        }
    }
    Ok(value)
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::DeviceInfo { path: path.display().to_string(), problem: error.to_string() }
}
