//! Which capabilities each plugin needs, what its files look like, and that it follows nobody's links.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use netns_tests::privileges::{NEEDED, assert_needed};
use netns_tests::suite::{BINARIES, Binary, Needs, Stage};
use testkit::assert_same;

/// Those that need a device or its kind of link: in the VM lab.
#[test]
fn every_plugin_works_with_the_capabilities_of_the_table_and_needs_each_of_them() {
    assert!(
        Command::new("setpriv").arg("--version").output().is_ok_and(|output| output.status.success()),
        "install util-linux"
    );
    for binary in Binary::that_need(Needs::Nothing) {
        let stage = Stage::new();
        let config = stage.ready(binary, "1.1.0");
        assert_needed(binary.name, &stage.plugin(binary), &config, || stage.kernel());
    }
}

#[test]
fn every_plugin_is_in_the_table() {
    let mut listed: Vec<_> = NEEDED.iter().map(|(name, _)| *name).collect();
    let mut all: Vec<_> = BINARIES.iter().map(|binary| binary.name).collect();
    listed.sort_unstable();
    all.sort_unstable();
    assert_eq!(listed, all);
}

fn modes(folder: &Path, found: &mut Vec<(String, u32, bool)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, meta) = (entry.path(), entry.metadata().expect("metadata"));
        found.push((path.display().to_string(), meta.mode() & 0o7777, meta.is_dir()));
        if meta.is_dir() {
            modes(&path, found);
        }
    }
}

#[test]
fn state_is_for_root_alone_whatever_the_umask() {
    let stage = Stage::new();
    for binary in Binary::that_need(Needs::Nothing).filter(|binary| !binary.chained) {
        let wide_open = stage.plugin(binary).container(binary.name).ifname(binary.name).wrapped(&[
            "sh",
            "-c",
            "umask 0; exec \"$0\"",
        ]);
        wide_open.add(&binary.config()).success();
        wide_open.del(&binary.config()).success();
        wide_open.add(&binary.config()).success();
    }
    let (dirs, mut found) = (stage.world.dirs(), Vec::new());
    modes(&dirs.state, &mut found);
    modes(&dirs.durable, &mut found);
    assert!(found.len() > 5, "{found:?}");
    for (path, mode, is_dir) in found {
        let expected = if is_dir { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{path} has mode {mode:o}, expected {expected:o}");
    }
}

/// A link in place of a file of the state, or of one of its folders before they are made, leads to no other place.
#[test]
fn links_in_the_state_are_refused() {
    for planted in ["attachments", "ipam", "ipam/journal", "ipam/lock", "attachments/rail1/cid,macvlan,net1"]
    {
        let stage = Stage::new();
        let macvlan = Binary::named("macvlan");
        let config = macvlan.config();
        let victim = stage.world.dirs().scratch.join("victim");
        std::fs::create_dir(&victim).expect("a folder");
        let target = victim.join("file");
        std::fs::File::create(&target).expect("an empty file");
        let is_folder = !planted.contains(',') && !planted.ends_with("journal") && !planted.ends_with("lock");
        let place = stage.world.dirs().state.join(planted);
        std::fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
        let before = stage.kernel();
        symlink(if is_folder { &victim } else { &target }, &place).expect("a link");
        let outcome = stage.plugin(macvlan).add(&config);
        let left = std::fs::read_dir(&victim).expect("a folder").count();
        let length = target.metadata().expect("metadata").len();
        assert_eq!((left, length), (1, 0), "{planted}: something was written behind the link: {outcome}");
        if outcome.status.success() {
            stage.plugin(macvlan).del(&config).success();
        } else {
            assert!(outcome.error().msg.contains(&*place.to_string_lossy()), "{planted}: the place is named");
            std::fs::remove_file(&place).expect("the link is where it was");
        }
        assert_same(&before, &stage.kernel());
    }
}
