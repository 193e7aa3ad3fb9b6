//! What only a node has: GPUs, IOMMU, modprobe, kubelet, CNI configs.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use super::pci;
use crate::doctor::files::Files;
use crate::doctor::sight::{Char, Holder, Sight};

const CHARS: &str = "dev/infiniband";
const MODPROBE: [&str; 3] = ["etc/modprobe.d", "run/modprobe.d", "usr/lib/modprobe.d"];
const NET_D: &str = "etc/cni/net.d";
const CHECKPOINT: &str = "var/lib/kubelet/device-plugins/kubelet_internal_checkpoint";
const PODS: &str = "var/lib/kubelet/pods";

pub(super) fn look(files: &Files, sight: &mut Sight) {
    sight.chars = chars(files);
    sight.gpus = pci::gpus(files);
    sight.pfs = pci::pfs(files);
    sight.peermem = files.exists("sys/module/nvidia_peermem");
    sight.memory_peers = ["nv_mem", "nv_mem_nc"]
        .iter()
        .any(|name| files.exists(Path::new("sys/kernel/mm/memory_peers").join(name).join("version")));
    sight.nvidia_version = files.text("proc/driver/nvidia/version");
    sight.release = files.text("proc/sys/kernel/osrelease").unwrap_or_default();
    sight.iommu = iommu(files);
    let is_node =
        |name: &&String| name.strip_prefix("node").is_some_and(|number| number.parse::<u32>().is_ok());
    sight.numa_nodes = files.names("sys/devices/system/node").iter().filter(is_node).count();
    sight.boot_mode = boot_mode(files);
    sight.cni = cni(files);
    sight.held = held(files);
}

fn chars(files: &Files) -> Vec<Char> {
    let char = |name: String| {
        let mode = files.path(Path::new(CHARS).join(&name)).metadata().ok()?.permissions().mode() & 0o777;
        Some(Char { name, mode })
    };
    files.names(CHARS).into_iter().filter_map(char).collect()
}

fn iommu(files: &Files) -> Vec<String> {
    let groups = "sys/kernel/iommu_groups";
    let kind = |group: String| files.text(Path::new(groups).join(group).join("type"));
    let mut kinds: Vec<String> = files.names(groups).into_iter().filter_map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// The option that modprobe takes: of files of the same name the first directory's, of all files the last one.
fn boot_mode(files: &Files) -> Option<(String, String)> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for directory in MODPROBE {
        for name in files.names(directory).into_iter().filter(|name| has_ending(name, &["conf"])) {
            found.entry(name).or_insert_with_key(|name| format!("{directory}/{name}"));
        }
    }
    let option = |path: &String| Some((mode_in(&files.text(path)?)?, format!("/{path}")));
    found.values().filter_map(option).next_back()
}

fn mode_in(text: &str) -> Option<String> {
    let options = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("options") && words.next() == Some("ib_core")).then_some(words)
    });
    let mut values = options.flatten().filter_map(|word| word.strip_prefix("netns_mode="));
    match values.next_back()? {
        "0" | "n" | "N" => Some("exclusive".to_owned()),
        _ => Some("shared".to_owned()),
    }
}

fn has_ending(name: &str, endings: &[&str]) -> bool {
    Path::new(name).extension().is_some_and(|own| endings.iter().any(|ending| own == *ending))
}

/// As libcni sorts them.
fn cni(files: &Files) -> Vec<(String, String)> {
    let is_config = |name: &String| has_ending(name, &["conf", "conflist", "json"]);
    let kind = |name: String| {
        let config: Value =
            serde_json::from_slice(&files.bytes(Path::new(NET_D).join(&name))?).unwrap_or_default();
        let first = if config["plugins"].is_array() { &config["plugins"][0] } else { &config };
        Some((name, first["type"].as_str().unwrap_or("?").to_owned()))
    };
    files.names(NET_D).into_iter().filter(is_config).filter_map(kind).collect()
}

/// Kubelet's own memory of devices; of device IDs only PCI addresses say something here.
fn held(files: &Files) -> Vec<Holder> {
    let Some(bytes) = files.bytes(CHECKPOINT) else { return Vec::new() };
    let Ok(checkpoint) = serde_json::from_slice::<Value>(&bytes) else {
        files.could_not_see(format!("/{CHECKPOINT}: no JSON"));
        return Vec::new();
    };
    let entries = checkpoint["Data"]["PodDeviceEntries"].as_array().into_iter().flatten();
    entries.map(|entry| holder(files, entry)).collect()
}

fn holder(files: &Files, entry: &Value) -> Holder {
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let uid = text("PodUID");
    // Since 1.20 by NUMA node, before that a list.
    let ids = &entry["DeviceIDs"];
    let lists = ids.as_object().into_iter().flat_map(|nodes| nodes.values()).chain([ids]);
    let ids = lists.filter_map(Value::as_array).flatten().filter_map(Value::as_str);
    let devices = ids.filter(|id| id.parse::<sysfs::Bdf>().is_ok()).map(str::to_owned).collect();
    let is_name = !uid.is_empty() && !uid.contains('/') && uid != ".." && uid != ".";
    let alive = is_name && files.exists(Path::new(PODS).join(&uid));
    Holder { uid, resource: text("ResourceName"), devices, alive }
}
