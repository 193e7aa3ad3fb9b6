//! What an attachment has to leave as it was.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use vm::lab::{Vf, VfAttributes, ip, until};

/// What else a pod can change, as `ip` calls it.
const SETTINGS: [&str; 12] = [
    "ifalias",
    "group",
    "txqlen",
    "linkmode",
    "promiscuity",
    "allmulti",
    "xdp",
    "gso_max_size",
    "gso_max_segs",
    "gro_max_size",
    "gso_ipv4_max_size",
    "gro_ipv4_max_size",
];

/// A VF, attribute by attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    name: String,
    address: String,
    mtu: u64,
    flags: Vec<String>,
    alt_names: Vec<String>,
    settings: Vec<Value>,
    attributes: VfAttributes,
    driver: Option<String>,
    rdma: Vec<String>,
}

impl State {
    /// As it is on the host.
    #[track_caller]
    pub(crate) fn of(vf: &Vf) -> Self {
        let name = vf.ifname();
        let text = ip(&format!("-d -j link show dev {name}"));
        let link: Value = serde_json::from_str(&text).expect("ip prints JSON");
        let link = &link[0];
        let list = |key: &str| -> Vec<String> {
            let values = link[key].as_array().into_iter().flatten();
            values.filter_map(|value| value.as_str().map(str::to_owned)).collect()
        };
        Self {
            name,
            address: link["address"].as_str().unwrap_or_default().to_owned(),
            mtu: link["mtu"].as_u64().unwrap_or_default(),
            flags: list("flags"),
            alt_names: list("altnames"),
            settings: SETTINGS.iter().map(|key| link[key].clone()).collect(),
            attributes: vf.attributes(),
            driver: vf.driver(),
            rdma: vf.rdma(),
        }
    }

    /// But for the administrative MAC: igb reports there what a VF has set itself, once it has.
    pub(crate) fn without_admin_mac(mut self) -> Self {
        self.attributes.mac = None;
        self
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its own MAC.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What the PF says.
    pub(crate) fn attributes(&self) -> &VfAttributes {
        &self.attributes
    }
}

/// Nothing is left of an attachment: neither in the VF nor in a file of ours or the peer's.
#[track_caller]
pub(crate) fn assert_untouched(vf: &Vf, before: &State) {
    assert_eq!(State::of(vf), *before);
    assert_no_file();
}

/// Nothing is on record any more, with us or the peer.
#[track_caller]
pub(crate) fn assert_no_file() {
    let ours =
        ["attachments", "devices", "ib-devices", "rdma"].map(|folder| format!("/run/railcni/{folder}"));
    for directory in ours.iter().map(String::as_str).chain(["/var/lib/cni"]) {
        let left = files(Path::new(directory));
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Files below a directory; the locks that sriov-cni never removes either do not count.
pub(crate) fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true if path.ends_with("vf_lock") => (),
            true => found.extend(files(&path)),
            false => found.push(path.display().to_string()),
        }
    }
    found
}

/// Waits until the kernel has returned what a dead namespace had.
#[track_caller]
pub(crate) fn returned(vf: &Vf) {
    until(Duration::from_secs(10), "the VF returns", || vf.netdev().is_some() && !vf.rdma().is_empty());
}
