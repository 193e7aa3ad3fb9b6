//! /sys/class/infiniband

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use super::pci;
use crate::doctor::files::Files;
use crate::doctor::sight::{Gid, Pkey, Port, RdmaDevice};

const CLASS: &str = "sys/class/infiniband";
const VERBS: &str = "sys/class/infiniband_verbs";

pub(super) fn all(files: &Files) -> Vec<RdmaDevice> {
    let uverbs: Vec<(String, String)> = files
        .names(VERBS)
        .into_iter()
        .filter_map(|name| Some((files.text(Path::new(VERBS).join(&name).join("ibdev"))?, name)))
        .collect();
    files.names(CLASS).into_iter().map(|name| device(files, name, &uverbs)).collect()
}

fn device(files: &Files, name: String, uverbs: &[(String, String)]) -> RdmaDevice {
    let path = Path::new(CLASS).join(&name);
    let mut ports: Vec<Port> = files
        .names(path.join("ports"))
        .iter()
        .filter_map(|number| Some(port(files, &path.join("ports").join(number), number.parse().ok()?)))
        .collect();
    ports.sort_unstable_by_key(|port| port.number);
    RdmaDevice {
        node_guid: files.text(path.join("node_guid")).unwrap_or_default(),
        pci: pci::function(files, &path.join("device")),
        uverbs: uverbs.iter().find(|(device, _)| *device == name).map(|(_, uverbs)| uverbs.clone()),
        ports,
        name,
    }
}

fn port(files: &Files, path: &Path, number: u32) -> Port {
    let text = |name: &str| files.text(path.join(name)).unwrap_or_default();
    let lid = |name: &str| files.number(path.join(name)).and_then(|lid| u32::try_from(lid).ok()).unwrap_or(0);
    Port {
        number,
        state: text("state"),
        phys_state: text("phys_state"),
        rate: text("rate"),
        link_layer: text("link_layer"),
        lid: lid("lid"),
        sm_lid: lid("sm_lid"),
        gids: entries(files, &path.join("gids"), |index, text| gid(files, path, index, &text)),
        pkeys: entries(files, &path.join("pkeys"), |index, text| pkey(index, &text)),
    }
}

/// Files that are called by their places.
fn entries<T>(files: &Files, path: &PathBuf, read: impl Fn(u32, String) -> Option<T>) -> Vec<T> {
    let mut places: Vec<u32> = files.names(path).iter().filter_map(|name| name.parse().ok()).collect();
    places.sort_unstable();
    places.into_iter().filter_map(|place| read(place, files.text(path.join(place.to_string()))?)).collect()
}

fn gid(files: &Files, port: &Path, index: u32, text: &str) -> Option<Gid> {
    let gid: Ipv6Addr = text.parse().ok()?;
    if gid.is_unspecified() {
        return None;
    }
    let attribute = |kind: &str| files.text(port.join("gid_attrs").join(kind).join(index.to_string()));
    Some(Gid { index, gid, kind: attribute("types").unwrap_or_default(), netdev: attribute("ndevs") })
}

fn pkey(index: u32, text: &str) -> Option<Pkey> {
    let pkey = u16::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
    (pkey != 0).then_some(Pkey { index, pkey })
}
