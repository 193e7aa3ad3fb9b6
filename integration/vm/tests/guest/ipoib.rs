//! Eight InfiniBand PFs with two VFs each, whose interfaces are those of Debian's own `ib_ipoib`.

mod advertised;
mod attach;
mod check;
mod conformance;
mod detection;
mod disk;
mod examples;
mod fabric;
mod hostile_pod;
mod identity;
mod matrices;
mod rail;
mod refusals;
mod undo;
mod vfs;

use std::time::Duration;

use serde_json::{Value, json};
use vm::lab::{Pod, ip, pf, until};

use crate::eth::sriov::call::{Call, call};

/// The `IPoIB` interface of a PF, up, and in its partition.
#[track_caller]
fn parent(rail: usize) -> String {
    let name = pf(rail).ifname();
    ip(&format!("link set dev {name} up"));
    until(Duration::from_secs(10), "the parent joins its partition", || has_carrier(&link(&name)));
    name
}

#[track_caller]
fn link(name: &str) -> Value {
    let links: Value = serde_json::from_str(&ip(&format!("-d -j link show dev {name}"))).expect("JSON");
    links[0].clone()
}

fn has_carrier(link: &Value) -> bool {
    link["flags"].as_array().is_some_and(|flags| flags.contains(&json!("LOWER_UP")))
}

/// `ipoib` on `master` for `pod`, as `net1`.
fn ipoib(master: &str, pod: &Pod, more: &Value) -> Call {
    let config = json!({ "cniVersion": "1.1.0", "name": "ib-rail1", "type": "ipoib", "master": master });
    call("ipoib", pod, config).with(more)
}

/// One address, always the same.
fn address(last: u8) -> Value {
    let address = format!("10.77.0.{last}");
    let range = json!({ "subnet": "10.77.0.0/24", "rangeStart": address, "rangeEnd": address, "gateway": "10.77.0.254" });
    json!({ "ipam": { "type": "rail-ipam", "ranges": [[range]] } })
}

/// What an attachment could have changed on the host: links, records, leases.
#[track_caller]
pub(crate) fn host() -> (Vec<String>, Vec<String>) {
    let links: Value = serde_json::from_str(&ip("-j link")).expect("JSON");
    let names = links.as_array().expect("links").iter();
    let mut links: Vec<_> = names.map(|link| link["ifname"].as_str().expect("a name").to_owned()).collect();
    links.sort();
    (links, records())
}

fn records() -> Vec<String> {
    let networks = std::fs::read_dir("/run/railcni/attachments").into_iter().flatten().flatten();
    let files =
        networks.flat_map(|network| std::fs::read_dir(network.path()).into_iter().flatten().flatten());
    files.map(|file| file.path().display().to_string()).collect()
}
