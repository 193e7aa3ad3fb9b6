//! DEL on a disk that takes nothing more, and records as an older version left them.

use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use serde_json::Value;
use state::record::Loaded;
use state::{AttachmentKey, Dirs, Records};
use testkit::{World, assert_same};

use super::{Network, macvlan, networks, pod, rail, world};

/// The state directory on a file system of its own, in the world's own mounts.
fn mount_state(world: &World) {
    let state = world.dirs().state.as_path();
    mount(Some("state"), state, Some("tmpfs"), MsFlags::empty(), Some("size=1m,mode=0700")).expect("a tmpfs");
}

fn remount_read_only(world: &World) {
    let state = world.dirs().state.as_path();
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(None::<&str>, state, None::<&str>, flags, Some("size=1m,mode=0700")).expect("a read-only tmpfs");
}

#[expect(clippy::disallowed_methods, reason = "what fills the disk is nobody's state")]
fn fill(world: &World) {
    let full = fs::write(world.dirs().state.join("filler"), vec![0_u8; 2 << 20]).expect_err("a full disk");
    assert_eq!(full.raw_os_error(), Some(nix::libc::ENOSPC));
}

#[test]
fn del_takes_the_pod_apart_though_no_record_can_be_saved() {
    for (block, is_full) in [(fill as fn(&World), true), (remount_read_only, false)] {
        for way in 0..3 {
            let world = world();
            mount_state(&world);
            let pod = pod(&world, "a");
            let kernel = || world.snapshot().without("file ").without("lease ");
            let before = kernel();
            let network = networks(&world, &pod, "cid")[way].clone();
            network.add();
            block(&world);
            if let Some((plugin, config)) = &network.routing {
                plugin.del(config).success();
            }
            // Leases end in room that was reserved for that; where nothing can be written, their store can only say so.
            let outcome = network.link.del(&network.config);
            assert_eq!(outcome.status.success(), is_full, "{outcome}");
            assert!(!pod.has_link("net1"), "{outcome}");
            assert_same(&before, &kernel());
            assert_eq!(super::leases(&world).is_empty(), outcome.status.success(), "{outcome}");
            if !outcome.status.success() {
                let said = outcome.error().msg;
                assert!(said.contains("EROFS"), "{said}");
            }
        }
    }
}

/// By container ID, and without a cookie.
pub(super) fn as_an_older_version_left_it(world: &World, container: &str) {
    let root = Dirs::under(Path::new("/run/world"));
    assert_eq!(root.state.as_path(), world.dirs().state);
    let records = Records::open(&root, "coordinator-pod").expect("records");
    for key in records.keys("pods").expect("the records of pods") {
        let Loaded::Present(mut record) = records.load::<Value>(&key).expect("a record") else {
            panic!("no record of {key}");
        };
        records.remove(&key).expect("removed");
        record.key = AttachmentKey::new("pods", container, "all").expect("a key");
        if let Some(netns) = &mut record.netns {
            netns.cookie = 0;
        }
        records.save(&record).expect("saved");
    }
}

/// Whose address it was, nobody knows any more: the pod that has it keeps it from all others.
#[test]
fn an_add_over_a_damaged_record_gives_no_address_that_a_living_pod_has() {
    for config in [macvlan(1), rail(1)] {
        let (world, kind) = (world(), config["type"].as_str().expect("a type").to_owned());
        let (old, new) = (pod(&world, "a"), pod(&world, "b"));
        let first = Network::of(&world, &old, "cid", "net1", config.clone());
        assert_eq!(first.add()["ips"][0]["address"], "172.16.1.10/24");
        let record = world.dirs().state.join(format!("attachments/rail1/cid,{kind},net1"));
        let file = fs::File::options().write(true).open(&record).expect("the record");
        file.set_len(20).expect("torn");
        let second = Network::of(&world, &new, "cid", "net1", config);
        let given = second.add();
        assert_eq!(given["ips"][0]["address"], "172.16.1.11/24", "{kind}");
        first.del();
        second.check(&given);
        second.del();
        assert!(
            old.has_link("net1") && !new.has_link("net1"),
            "{kind}: what only a lost record knew goes with its pod"
        );
        // Nor is it free while the first pod lives.
        let third = Network::of(&world, &new, "third", "net1", first.config.clone());
        assert_eq!(third.add()["ips"][0]["address"], "172.16.1.12/24", "{kind}");
    }
}
