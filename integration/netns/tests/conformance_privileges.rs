//! Which capabilities each plugin needs, what its files look like, and that it follows nobody's links.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use netns_tests::suite::{Binary, Needs, Stage};
use serde_json::Value;
use testkit::{Plugin, assert_same};

/// What each plugin runs with in a container of its own: to enter the pod (setns) and to change links, addresses and
/// routes. The IPAM only reads and writes files of its own user.
const NEEDED: &[(&str, &[&str])] = &[
    ("macvlan", &["sys_admin", "net_admin"]),
    ("rail-ipam", &[]),
    ("coordinator", &["sys_admin", "net_admin"]),
    ("rail", &["sys_admin", "net_admin"]),
];

/// `plugin` with these capabilities and no way to get another.
fn with_only(plugin: &Plugin, capabilities: &[&str]) -> Plugin {
    let list = capabilities.iter().fold("-all".to_owned(), |list, name| format!("{list},+{name}"));
    let [inheritable, bounding] = ["--inh-caps=", "--bounding-set="].map(|option| format!("{option}{list}"));
    plugin.clone().wrapped(&["setpriv", "--no-new-privs", &inheritable, &bounding])
}

fn needed(name: &str) -> &'static [&'static str] {
    let found = NEEDED.iter().find(|(plugin, _)| *plugin == name);
    found.unwrap_or_else(|| panic!("what {name} needs is not in the table")).1
}

#[test]
fn every_plugin_works_with_the_capabilities_of_the_table() {
    assert!(
        Command::new("setpriv").arg("--version").output().is_ok_and(|output| output.status.success()),
        "install util-linux"
    );
    for binary in Binary::that_need(Needs::Nothing) {
        let stage = Stage::new();
        let config = stage.ready(binary, "1.1.0");
        let before = stage.world.snapshot().without("file ");
        let plugin = with_only(&stage.plugin(binary), needed(binary.name));
        let result = plugin.add(&config).success();
        let mut checked = config.clone();
        checked["prevResult"] = result;
        assert_eq!(plugin.check(&checked).success(), Value::Null);
        plugin.del(&config).success();
        assert_same(&before, &stage.world.snapshot().without("file "));
    }
}

#[test]
fn every_capability_of_the_table_is_needed() {
    for binary in Binary::that_need(Needs::Nothing) {
        let stage = Stage::new();
        let config = stage.ready(binary, "1.1.0");
        let before = stage.world.snapshot().without("file ");
        for without in needed(binary.name) {
            let rest: Vec<_> = needed(binary.name).iter().copied().filter(|name| name != without).collect();
            let plugin = with_only(&stage.plugin(binary), &rest);
            let outcome = plugin.add(&config);
            assert!(!outcome.status.success(), "{} works without {without}: {outcome}", binary.name);
            assert!(outcome.error().code > 0);
            stage.plugin(binary).del(&config).success();
            assert_same(&before, &stage.world.snapshot().without("file "));
        }
    }
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
