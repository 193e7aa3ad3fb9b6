//! What released versions left on a node, as `tests/versions` keeps it, read and undone by this one: plugins are replaced while
//! pods run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ipam::{JournalStore, Leases, Store as _};
use serde_json::{Value, json};
use state::{BootId, Dirs};
use testkit::{Outcome, World, binary};

fn kept() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/versions");
    let versions: Vec<_> =
        fs::read_dir(folder).expect("a list").map(|entry| entry.expect("an entry").path()).collect();
    assert!(!versions.is_empty(), "no version is kept");
    versions
}

#[track_caller]
fn run(words: &[&str]) {
    assert!(Command::new(words[0]).args(&words[1..]).status().expect("a program").success(), "{words:?}");
}

/// The node on which that version worked, in the same boot; its pods have ended.
fn node(version: &Path) -> World {
    let world = World::new();
    for (from, to) in [("state", &world.dirs().state), ("durable", &world.dirs().durable)] {
        run(&["cp", "-r", &format!("{}/{from}/.", version.display()), &to.display().to_string()]);
    }
    let boot = fs::read(version.join("boot_id")).expect("a boot's id");
    let boot = world.file("boot_id", boot);
    run(&["mount", "--bind", &boot.display().to_string(), "/proc/sys/kernel/random/boot_id"]);
    world
}

/// On that node, every version in turn.
fn on_each(visit: impl Fn(&Path, &World)) {
    for version in kept() {
        visit(&version, &node(&version));
    }
}

fn railctl(world: &World, words: &[&str]) -> Value {
    let mut command = Command::new(binary("railctl"));
    let output = command.args(words).envs(world.dirs().env()).output().expect("railctl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The pods of `railctl show -o json` as far as records tell them.
fn recorded(shown: &Value) -> Value {
    let attachment =
        |it: &Value| json!([it["network"], it["ifname"], it["plugins"], it["damaged"], it["unread"]]);
    let pod = |pod: &Value| {
        let attachments: Vec<_> =
            pod["attachments"].as_array().expect("a list").iter().map(attachment).collect();
        json!([pod["containerId"], attachments])
    };
    shown.as_array().expect("a list").iter().map(pod).collect()
}

fn config(network: &str, kind: &str) -> Value {
    json!({ "cniVersion": "1.1.0", "name": network, "type": kind })
}

fn call(world: &World, kind: &str, container: &str, verb: &str, config: &Value) -> Outcome {
    world.plugin(kind).container(container).env("CNI_NETNS", "/run/netns/gone").run(verb, config)
}

#[test]
fn records_are_shown_as_they_were() {
    on_each(|version, world| {
        let then: Value =
            serde_json::from_slice(&fs::read(version.join("show.json")).expect("a file")).expect("JSON");
        assert_eq!(recorded(&railctl(world, &["show", "-o", "json"])), recorded(&then));
    });
}

/// What the lease store of that version says.
fn leases<T: Default>(version: &Path, look: impl Fn(&dyn Leases) -> Result<T, ipam::Error>) -> T {
    let boot = fs::read_to_string(version.join("boot_id")).expect("a boot's id");
    let dirs = Dirs::under(Path::new("/run/world"));
    let store = JournalStore::of_boot(&dirs, Duration::ZERO, &BootId::new(boot.trim()));
    let mut seen = T::default();
    let looked = store.view(&mut |leases| {
        seen = look(leases)?;
        Ok(())
    });
    looked.expect("the store can be read");
    seen
}

#[test]
fn del_undoes_what_they_tell_and_gives_the_addresses_back() {
    on_each(|version, world| {
        let count = || leases(version, |leases| Ok(leases.all()?.len()));
        assert_eq!(count(), 4);
        let attached =
            [("coordinator", "chain"), ("macvlan", "chain"), ("rail", "rails"), ("macvlan", "alone")];
        for (kind, network) in attached {
            call(world, kind, &format!("pod-{network}"), "DEL", &config(network, kind)).success();
        }
        assert_eq!(count(), 0);
        assert_eq!(railctl(world, &["show", "-o", "json"]), json!([]));
    });
}

/// An address that is leased is given to nobody else.
#[test]
fn leases_owners_and_quarantine_count() {
    on_each(|version, world| {
        for taken in ["172.16.1.10", "172.16.1.11", "172.16.2.10", "172.16.3.11"] {
            let mut config = config("new", "rail-ipam");
            let range = json!({ "subnet": "172.16.0.0/16", "rangeStart": taken, "rangeEnd": taken });
            config["ipam"] = json!({ "type": "rail-ipam", "ranges": [[range]] });
            assert_eq!(call(world, "rail-ipam", "new", "ADD", &config).error().code, 100, "{taken}");
        }
        let quarantined = leases(version, |leases| Ok(leases.quarantines(0)?));
        let quarantined: Vec<_> = quarantined.iter().map(|(ip, _)| ip.to_string()).collect();
        assert_eq!(quarantined, ["172.16.3.10"]);
    });
}
