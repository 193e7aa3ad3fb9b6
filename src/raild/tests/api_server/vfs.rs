//! A node whose NICs have VFs: its addresses come before its pods.

use std::path::Path;
use std::time::Duration;

use testkit::eventually;

use crate::node::{Node, Process, api_server, raild};
use crate::readiness::tree;

const LIMIT: Duration = Duration::from_secs(120);
const PF: &str = "0000:1a:00.0";

fn vfs(root: &Path, count: u32) {
    let pf = root.join("sys/bus/pci/devices").join(PF);
    std::fs::create_dir_all(pf.join("net/ens1f0")).unwrap();
    state::file::replace(&pf.join("sriov_numvfs"), format!("{count}\n").as_bytes()).unwrap();
}

#[test]
fn a_node_has_an_address_for_each_vf_before_any_pod_comes_and_asks_for_none() {
    let api = api_server(40);
    let kubectl = api.kubectl();
    kubectl.run(&["annotate", "spiderippool", "shared", &format!("railcni.dev/nics={PF}")]).unwrap();
    let root = api.dir().join("root");
    tree(&root, "4: ACTIVE");
    vfs(&root, 8);
    let _controller = Process::start(&mut raild(&api, "controller"));
    let node = Node::start_with(&api, "one", &[("RAILD_NODE_ROOT", &root)]);
    eventually(LIMIT, || (node.granted_or_none() == Some(8)).then_some(())).expect("one for each VF");
    let epoch = || kubectl.get(&["railnode", "one"]).unwrap()["spec"]["epoch"].clone();
    let before = epoch();
    // Nobody waits: what is not there is an error at once.
    node.lease(8);
    assert_eq!(epoch(), before, "eight pods on eight VFs change nothing of the grant");

    let line = |kind: &str, row: &str| {
        let table = kubectl.run(&["get", kind]).unwrap();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let header = words(table.lines().next().unwrap());
        let row = table.lines().map(words).find(|line| line[0] == row).unwrap();
        (header, row)
    };
    let told = || {
        let (header, row) = line("railnodes", "one");
        assert_eq!(header, ["NAME", "RAILS", "RDMA", "READY", "FREE", "AGE"]);
        // Without an RDMA core of this machine, its mode is not known, and its place is empty.
        (row.len() >= 5 && row[1] == "1" && row[row.len() - 2] == "0").then_some(())
    };
    eventually(LIMIT, told).unwrap_or_else(|| panic!("{:?}", line("railnodes", "one")));
    let counted = || {
        let (header, row) = line("sp", "shared");
        assert_eq!(header, ["NAME", "VERSION", "SUBNET", "GRANTED", "USED", "FREE", "TOTAL", "DEFAULT"]);
        row.ends_with(&["172.16.1.0/24", "8", "8", "32", "40"].map(str::to_owned)).then_some(())
    };
    eventually(LIMIT, counted).unwrap_or_else(|| panic!("{:?}", line("sp", "shared")));
}
