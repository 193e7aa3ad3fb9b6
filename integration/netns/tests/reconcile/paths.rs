//! A namespace that several paths lead to, or none, and what `gc` and `show` say of it: the same.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use netns_tests::suite::Binary;
use serde_json::Value;
use testkit::binary;

use super::{Node, Process, mount_at, said};

impl Node {
    fn json(&self, mut command: Command) -> Value {
        let output = command.args(["-o", "json"]).envs(self.stage.world.dirs().env()).output();
        let output = output.expect("run railctl");
        said(&output);
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Attachments whose pod is gone, by both of their words.
    #[track_caller]
    fn gone(&self) -> Vec<String> {
        let judged = self.json(self.command("--dry-run"))["judged"].clone();
        let of_gc: BTreeSet<String> = judged
            .as_array()
            .into_iter()
            .flatten()
            .filter(|one| one["state"] == "leftOver")
            .filter_map(|one| Some(one["name"].as_str()?.split(' ').next()?.to_owned()))
            .collect();
        let mut show = Command::new(binary("railctl"));
        show.arg("show");
        let mut of_show = BTreeSet::new();
        for pod in self.json(show).as_array().into_iter().flatten().filter(|pod| pod["alive"] == false) {
            let container = pod["containerId"].as_str().unwrap_or_default();
            for one in pod["attachments"].as_array().into_iter().flatten() {
                let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
                of_show.insert(format!("{}/{container}/{}", text("network"), text("ifname")));
            }
        }
        assert_eq!(of_gc, of_show, "gc, and show");
        of_gc.into_iter().collect()
    }
}

fn unmount(path: &str) {
    let status = Command::new("umount").args(["--lazy", path]).status().expect("run umount");
    assert!(status.success(), "{status}");
    std::fs::remove_file(path).expect("the place of the mount");
}

/// As with a runtime that binds the namespace once for the sandbox and once for itself.
#[test]
fn a_namespace_of_two_paths_is_alive_by_whichever_is_left() {
    let node = Node::new();
    let second = "/run/netns/second";
    let pod = node.rail("one");
    mount_at(&pod, second);
    let more = Binary::named("macvlan").config();
    let by_second = node.stage.world.plugin("macvlan").netns(Path::new(second)).container("b").ifname("net2");
    by_second.add(&more).success();
    assert_eq!(node.gone(), [""; 0]);
    node.stage.world.remove_pod("one");
    drop(pod);
    assert_eq!(node.gone(), [""; 0], "by the second path alone");
    let other = node.pod("one");
    assert_eq!(node.gone(), [""; 0], "another pod is at the first path");
    unmount(second);
    assert_eq!(node.gone(), ["rail1/b/net2", "rail1/one/net1"]);
    node.gc("--apply");
    assert!(Node::leases().is_empty() && node.records().is_empty());
    drop(other);
}

#[test]
fn show_and_gc_say_the_same_of_a_namespace_that_only_a_process_is_in() {
    let node = Node::new();
    let (held, lost) = (node.chain("held"), node.chain("lost"));
    let process = Process::within(&held);
    node.lose(held);
    node.lose(lost);
    assert_eq!(node.gone(), ["rail1/lost/net1"]);
    drop(process);
    testkit::eventually(super::PATIENCE, || (node.gone().len() == 2).then_some(())).expect("it ends, too");
}
