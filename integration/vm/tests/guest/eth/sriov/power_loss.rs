//! The power goes at every point of what reached the disk of the peers' caches (`/var/lib/cni`): whatever is left of them, late
//! DELs take it away and touch no VF, and the next pods get theirs.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::json;
use testkit::{Chain, World, figure, torture};
use vm::lab::{Vf, run, vf};

use super::state::{State, files};
use crate::plain::power_loss::disk::{EXT4, FileSystem, LoggedDisk, XFS, mounted};
use crate::plain::power_loss::is_point;

/// How often pods come and go, and at how many of the writes at most the power is lost, each followed by a dozen runs of plugins on a
/// slow CPU.
const FULL: (usize, usize) = (4, usize::MAX);
const BOUNDED: (usize, usize) = (2, 6);

#[test]
fn on_ext4() {
    lose_power_everywhere(&EXT4);
}

#[test]
#[ignore = "a minute in a guest, of which ext4 says nearly the same: make vm-test"]
fn on_xfs() {
    lose_power_everywhere(&XFS);
}

fn lose_power_everywhere(system: &FileSystem) {
    let kind = system.kind;
    let (rounds, most) = if torture() { FULL } else { BOUNDED };
    let world = World::of_guest();
    let vfs = [vf(7, 0), vf(7, 1)];
    let before = vfs.each_ref().map(State::of);
    let chains = attachments(&world, &vfs);
    let disk = LoggedDisk::new(&world.dirs().scratch, system);
    {
        let _mounted = disk.mount(&world.dirs().peer);
        for _ in 0..rounds {
            come_and_go(&chains, || drop(run(&["sync", "-f", &world.dirs().peer.display().to_string()])));
        }
    }
    let (mut content, entries) = disk.into_log();
    another_boot();
    let points = entries.iter().filter(|entry| is_point(entry)).count();
    let one_of = points.div_ceil(most).max(1);
    let (mut seen, mut tried) = (0, 0);
    for (number, entry) in entries.iter().enumerate() {
        content.apply(entry);
        seen += usize::from(is_point(entry));
        if !is_point(entry) || seen % one_of != 0 {
            continue;
        }
        tried += 1;
        let image = world.dirs().scratch.join("after");
        content.save(&image).expect("the disk as it was");
        let _mounted = mounted(system, &image, &world.dirs().peer);
        chains.iter().for_each(Chain::del);
        let what = format!("{kind}: power lost after entry {number} of {}", entries.len());
        assert_eq!(vfs.each_ref().map(State::of), before, "{what}, then late DELs");
        come_and_go(&chains, || ());
        assert_eq!(vfs.each_ref().map(State::of), before, "{what}, then the next pods");
        assert_eq!(left(&world.dirs().peer), Vec::<String>::new(), "{what}");
    }
    assert!(tried > 2, "{kind}: only {points} writes reached the disk");
    figure("write points", &format!("the peers' caches on {kind}"), tried, points);
}

/// `sriov` and `rdma`, each of which has a cache of its peer.
fn attachments(world: &World, vfs: &[Vf]) -> Vec<Chain> {
    let attachment = |vf: &Vf| {
        let pod = world.bare_pod(&format!("pod{}", vf.index()));
        let plugin = |name: &str| world.plugin(name).netns(pod.path()).container(pod.name());
        let config = |kind: &str| json!({ "cniVersion": "1.1.0", "name": "rail8", "type": kind, "deviceID": vf.bdf() });
        let mut first = config("sriov");
        first["vlan"] = json!(100);
        Chain::default().first(plugin("sriov"), first).then(plugin("rdma"), config("rdma"))
    };
    vfs.iter().map(attachment).collect()
}

fn come_and_go(chains: &[Chain], after_each: impl Fn()) {
    for step in [Chain::add, Chain::del] {
        for chain in chains {
            step(chain);
            after_each();
        }
    }
}

fn another_boot() {
    let mut id = File::create("/run/boot_id").expect("a file");
    id.write_all(b"11111111-2222-3333-4444-555555555555\n").expect("written");
    run(&["mount", "--bind", "/run/boot_id", "/proc/sys/kernel/random/boot_id"]);
}

/// But for what the file system itself has.
fn left(peer: &Path) -> Vec<String> {
    files(peer).into_iter().filter(|path| !path.contains("lost+found")).collect()
}
