//! `railctl demo` from the outside: it proves what it says, leaves nothing, and fails where a plugin does not do its work.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work panics")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use testkit::World;

const LIMIT: Duration = Duration::from_secs(5);
/// A table for each rail, and nothing that leads into it.
const NO_RULES: &str = r#"#!/bin/sh
[ "$CNI_COMMAND" = ADD ] || exit 0
rail=${CNI_IFNAME#net}
nsenter --net="$CNI_NETNS" ip route add default via "172.16.1$rail.254" dev "net$rail" table "10$rail"
jq ".prevResult * {routes: [{dst: \"0.0.0.0/0\", table: 10$rail}]}"
"#;
const PLUGINS: [&str; 3] = ["macvlan", "rail-ipam", "coordinator"];

fn railctl(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_railctl"));
    command.args(args);
    command
}

/// Where the plugins under test are.
fn plugins() -> PathBuf {
    PLUGINS.map(testkit::binary)[0].parent().unwrap().to_owned()
}

fn demo(plugins: &Path, args: &[&str]) -> Output {
    railctl(&["demo", "--bin-dir", plugins.to_str().unwrap()]).args(args).output().unwrap()
}

/// Named namespaces and demo folders of the world, which a demo of its own must not show.
fn traces() -> Vec<String> {
    let mut names = Vec::new();
    for folder in ["/run", "/run/netns"] {
        let entries =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.extend(entries.filter(|name| name.starts_with("railcni-demo-")));
    }
    names.sort();
    names
}

#[track_caller]
fn text(output: &Output, success: bool) -> String {
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!(output.status.success(), success, "{stdout}\n{stderr}");
    stdout + &stderr
}

#[test]
fn eight_rails_come_up_are_proved_and_go() {
    let world = World::new();
    let before = world.snapshot();
    let start = Instant::now();
    let said = text(&demo(&plugins(), &[]), true);
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    for rail in 1..=8 {
        assert!(said.contains(&format!("from 172.16.1{rail}.1 lookup 10{rail}")), "{said}");
        assert!(
            said.contains(&format!("192.0.2.{rail}  172.16.1{rail}.1  rail{rail}     rail{rail}")),
            "{said}"
        );
    }
    assert!(said.contains("64 of 64 pings answered") && said.contains("and nothing is left of it"), "{said}");
    assert!(!said.contains('\u{1b}'), "colour without a terminal");
    assert!(!said.contains("\\u00") && said.contains("0: from all lookup local"), "what ip(8) says: {said}");
    testkit::assert_same(&before, &world.snapshot());
    assert!(traces().is_empty(), "{:?}", traces());
}

/// What the demo says in its own words: times differ from run to run, and what `ip` prints from version to version.
fn words(printed: &str) -> Vec<String> {
    const UNITS: [&str; 4] = ["ms", "s", "ms,", "s,"];
    let is_time = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let line = |line: &str| {
        let all: Vec<&str> = line.split_whitespace().collect();
        let is_kept = |at: &usize| {
            let unit = |at: usize| all.get(at).is_some_and(|word| UNITS.contains(word));
            !(unit(*at) || is_time(all[*at]) && unit(at + 1))
        };
        (0..all.len()).filter(is_kept).map(|at| all[at]).collect::<Vec<_>>().join(" ")
    };
    let own = |block: &str| {
        let shown = if block.trim_start().starts_with("pod$ ip ") { 1 } else { usize::MAX };
        block.lines().take(shown).map(line).collect::<Vec<_>>()
    };
    printed.split("\n\n").flat_map(own).collect()
}

/// `docs/demo.svg` is drawn from it. To write it anew: `railctl demo >docs/demo.txt && cargo run -p xtask`.
#[test]
fn the_picture_in_the_docs_is_of_what_the_demo_prints() {
    let _world = World::new();
    let said = text(&demo(&plugins(), &[]), true);
    let kept = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/demo.txt")).unwrap();
    assert_eq!(words(&kept), words(&said));
    assert!(kept.lines().all(|line| line.chars().count() <= 100), "the picture has 100 columns");
}

#[test]
fn what_is_kept_can_be_looked_at_and_removed() {
    let _world = World::new();
    let said = text(&demo(&plugins(), &["--keep"]), true);
    let number = said.trim_end().rsplit(' ').next().unwrap().to_owned();
    let stage = format!("railcni-demo-{number}");
    assert_eq!(
        traces(),
        [stage.clone(), format!("{stage}-host"), format!("{stage}-pod"), format!("{stage}-switch")]
    );

    let inside = |args: &[&str]| {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("{stage}-host"), env!("CARGO_BIN_EXE_railctl")]).args(args);
        for (name, folder) in [("STATE", "state"), ("CONFIG", "config"), ("DURABLE", "durable")] {
            command.env(format!("RAILCNI_{name}_DIR"), format!("/run/{stage}/{folder}"));
        }
        text(&command.output().unwrap(), true)
    };
    let pod = format!("{stage}-pod");
    let shown = inside(&["show", &pod]);
    assert!(
        shown.contains("net8  gpu8-macvlan  enp18s0f0np0  172.16.18.1/24  172.16.18.254  108"),
        "{shown}"
    );
    assert!(shown.contains("10101: from 172.16.11.1 lookup 101\n"), "{shown}");
    assert!(shown.contains("  default via 172.16.11.254 dev net1\n"), "{shown}");
    let pools = inside(&["pools"]);
    assert!(pools.contains("gpu1-net11  172.16.11.0/24  200      1     199"), "{pools}");
    let shown: serde_json::Value = serde_json::from_str(&inside(&["show", "-o", "json"])).unwrap();
    assert_eq!(shown[0]["attachments"].as_array().unwrap().len(), 8);
    assert_eq!(shown[0]["attachments"][2]["interface"]["table"], 103);

    let other = railctl(&["demo", "--remove", "1"]).output().unwrap();
    assert!(text(&other, false).contains("no demo 1 is there"));
    text(&railctl(&["demo", "--remove", &number]).output().unwrap(), true);
    assert!(traces().is_empty(), "{:?}", traces());
}

/// A folder with the plugins under test, one of them replaced by a script.
fn with_impostor(world: &World, name: &str, script: &str) -> PathBuf {
    let folder =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("impostor-{}-{name}", std::process::id()));
    // The demo hides /run, where the files of a world are.
    fs::create_dir_all(&folder).unwrap();
    for plugin in PLUGINS.iter().filter(|plugin| **plugin != name) {
        symlink(testkit::binary(plugin), folder.join(plugin)).unwrap();
    }
    let path = world.file(name, script);
    fs::copy(path, folder.join(name)).unwrap();
    fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[test]
fn a_coordinator_that_forgets_the_rules_is_found_out() {
    let world = World::new();
    let folder = with_impostor(&world, "coordinator", NO_RULES);
    for keep in [&[][..], &["--keep"]] {
        let said = text(&demo(&folder, keep), false);
        assert!(said.contains("172.16.12.254 does not answer net1"), "{said}");
        assert!(traces().is_empty(), "{:?}", traces());
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_del_that_does_nothing_is_found_out() {
    let world = World::new();
    let real = testkit::binary("macvlan");
    let script = format!("#!/bin/sh\n[ \"$CNI_COMMAND\" != DEL ] || exit 0\nexec {}\n", real.display());
    let folder = with_impostor(&world, "macvlan", &script);
    let said = text(&demo(&folder, &[]), false);
    assert!(said.contains("something is left, or gone, that should not be"), "{said}");
    fs::remove_dir_all(folder).unwrap();
}

/// As `make install` has it: railctl in one directory, the plugins in that of CNI.
#[test]
fn the_plugins_are_also_looked_for_where_they_are_installed() {
    let _world = World::new();
    // The demo hides /run, where the files of a world are.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let installed = folder.path().join("railctl");
    fs::copy(env!("CARGO_BIN_EXE_railctl"), &installed).unwrap();
    let demo = |plugins: &Path| {
        let mut command = Command::new(&installed);
        command.arg("demo").env("CNI_PATH", plugins).output().unwrap()
    };
    text(&demo(&plugins()), true);
    let said = text(&demo(Path::new("/nowhere")), false);
    let looked =
        format!("{} nor /nowhere has all of macvlan, rail-ipam, coordinator", folder.path().display());
    assert!(said.contains(&looked) && said.contains("--bin-dir"), "{said}");
}

#[test]
fn what_it_needs_is_said() {
    let world = World::new();
    let said = text(&demo(&world.dirs().scratch, &[]), false);
    assert!(said.contains("has no macvlan, rail-ipam, coordinator"), "{said}");
}
