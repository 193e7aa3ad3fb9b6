//! State that another version of the suite wrote, older or newer: told from damage, said, undone as far as it can be told, and
//! never taken for what it is not.

use std::os::unix::fs::FileExt;
use std::path::Path;

use netns_tests::suite::{Binary, Stage, with};
use serde_json::{Value, json};
use state::record::{Loaded, Record, Records};
use state::{AttachmentKey, Dirs};
use testkit::{Outcome, Plugin, Snapshot, assert_same};

/// Those that keep a record, and that this kernel can run.
const KEEPERS: [&str; 3] = ["macvlan", "rail", "coordinator"];
/// `pluginNotAvailable`, `ioFailure`
const NOT_AVAILABLE: u64 = 50;
const IO_FAILURE: u64 = 5;

fn older(record: &mut Record<Value>) {
    (record.version, record.body) = (0, json!(["in another form"]));
}

fn newer(record: &mut Record<Value>) {
    (record.version, record.body) = (2, json!({ "later": { "key": [1, 2] } }));
}

/// An attachment that stands, by a plugin whose record is of another version by then.
struct Meeting {
    stage: Stage,
    plugin: Plugin,
    config: Value,
    result: Value,
    before: Snapshot,
}

impl Meeting {
    #[track_caller]
    fn new(name: &str, rewrite: impl Fn(&mut Record<Value>)) -> Self {
        let (stage, binary) = (Stage::new(), Binary::named(name));
        let (plugin, config) = (stage.plugin(binary), stage.ready(binary, "1.1.0"));
        // Locks and folders are there then.
        plugin.add(&config).success();
        plugin.del(&config).success();
        let before = stage.world.snapshot().without("file state/ipam");
        let result = plugin.add(&config).success();
        let records = Records::open(&Dirs::under(Path::new("/run/world")), name).expect("the records");
        let key = AttachmentKey::new("rail1", "cid", "net1").expect("a key");
        let Ok(Loaded::Present(mut record)) = records.load::<Value>(&key) else {
            panic!("{name} has no record of the ADD")
        };
        rewrite(&mut record);
        records.save(&record).expect("a record");
        Self { stage, plugin, config, result, before }
    }

    fn now(&self) -> Snapshot {
        self.stage.world.snapshot().without("file state/ipam")
    }

    fn gc(&self, valid: &Value) -> Outcome {
        self.plugin.gc(&with(self.config.clone(), &json!({ "cni.dev/valid-attachments": valid })))
    }
}

fn every(visit: impl Fn(&str, Meeting)) {
    for name in KEEPERS {
        visit(name, Meeting::new(name, older));
        visit(name, Meeting::new(name, newer));
    }
}

#[test]
fn del_undoes_what_it_can_tell_without_the_record() {
    every(|_, meeting| {
        meeting.plugin.del(&meeting.config).success();
        assert_same(&meeting.before, &meeting.now());
    });
    // What a newer one adds to a form that is known is no reason for less.
    for name in KEEPERS {
        let meeting = Meeting::new(name, |record| record.body["a_later_key"] = json!([1, 2]));
        meeting.plugin.del(&meeting.config).success();
        assert_same(&meeting.before, &meeting.now());
    }
}

#[test]
fn check_names_both_versions_and_status_does_not_care() {
    every(|name, meeting| {
        let attached = meeting.now();
        let checked = with(meeting.config.clone(), &json!({ "prevResult": meeting.result }));
        let said = meeting.plugin.check(&checked).error().msg;
        assert!(said.contains("this version of the plugin reads 1"), "{name}: {said}");
        meeting.plugin.status(&meeting.config).success();
        assert_same(&attached, &meeting.now());
    });
}

/// What it stands for, on the host too, only its own version can take back without the pod: GC leaves it to that, or to a DEL.
/// Its leases need no record: they are the IPAM's.
#[test]
fn gc_keeps_it_and_says_so_once_it_is_not_valid() {
    every(|name, meeting| {
        let attached = meeting.now();
        let but_leases = |picture: Snapshot| picture.without("lease ");
        meeting.gc(&json!([{ "containerID": "cid", "ifname": "net1" }])).success();
        for _ in 0..2 {
            let said = meeting.gc(&json!([])).error().msg;
            assert!(
                said.contains("the record of rail1/cid/net1") && said.contains("is kept"),
                "{name}: {said}"
            );
        }
        assert_same(&but_leases(attached), &but_leases(meeting.now()));
        meeting.plugin.del(&meeting.config).success();
        assert_same(&meeting.before, &meeting.now());
    });
}

/// There is no second ADD without a DEL, whoever wrote the record of the first.
#[test]
fn a_second_add_takes_nothing_from_the_first() {
    every(|name, meeting| {
        let attached = meeting.now();
        let error = meeting.plugin.add(&meeting.config).error();
        assert!(error.msg.contains("run DEL before another ADD"), "{name}: {error:?}");
        assert_same(&attached, &meeting.now());
        meeting.plugin.del(&meeting.config).success();
        assert_same(&meeting.before, &meeting.now());
    });
}

/// The store of leases is refused whole: half of it would be addresses given twice.
#[test]
fn leases_of_another_version_are_neither_read_nor_written() {
    for (file, version) in [("leases", 0_u32), ("leases", 2), ("journal", 0), ("journal", 2)] {
        let (stage, binary) = (Stage::new(), Binary::named("rail-ipam"));
        let (plugin, config) = (stage.plugin(binary), stage.ready(binary, "1.1.0"));
        let result = plugin.add(&config).success();
        let folder = stage.world.dirs().state.join("ipam");
        let own = version_of(&folder.join(file), version);
        let bytes = || ["leases", "journal"].map(|name| std::fs::read(folder.join(name)).expect("a file"));
        let before = bytes();
        let other = plugin.clone().container("other");
        let error = other.add(&config).error();
        assert_eq!(error.code, IO_FAILURE, "ADD with {file} of version {version}: {error:?}");
        assert!(error.msg.contains(file) && !error.msg.contains("not found"), "{error:?}");
        // The pod has to go: a DEL that failed until somebody changes the version again would keep the node from being drained
        // for that. Its lease is not lost, but left to the version that can read it, whose GC ends it; until then it is said.
        let said = plugin.del(&config);
        assert!(said.status.success() && said.stderr.contains(file), "{}", said.stderr);
        let checked = with(config.clone(), &json!({ "prevResult": result }));
        assert!(plugin.check(&checked).error().msg.contains(file));
        assert_eq!(plugin.status(&config).error().code, NOT_AVAILABLE);
        assert_eq!(before, bytes());
        version_of(&folder.join(file), own);
        let has_lease = || stage.world.snapshot().to_string().contains("\nlease ");
        assert!(has_lease());
        plugin.gc(&with(config.clone(), &json!({ "cni.dev/valid-attachments": [] }))).success();
        assert!(!has_lease());
    }
}

/// Writes another version behind the eight bytes of the magic; returns the one that was there.
fn version_of(path: &Path, version: u32) -> u32 {
    let file = std::fs::File::options().read(true).write(true).open(path).expect("the file");
    let mut own = [0; 4];
    file.read_exact_at(&mut own, 8).expect("a version");
    file.write_all_at(&version.to_le_bytes(), 8).expect("another version");
    u32::from_le_bytes(own)
}
