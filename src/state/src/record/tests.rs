use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Undo {
    link: u32,
    text: String,
}

fn key(container_id: &str) -> AttachmentKey {
    AttachmentKey::new("rail-1", container_id, "net1").unwrap()
}

fn undo(text: &str) -> Undo {
    Undo { link: 7, text: text.to_owned() }
}

struct Node {
    dirs: Dirs,
    _base: tempfile::TempDir,
}

impl Node {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        Self { dirs: Dirs::under(base.path()), _base: base }
    }

    fn records(&self, plugin: &str) -> Records {
        Records::open(&self.dirs, plugin).unwrap()
    }

    fn folder(&self) -> PathBuf {
        self.dirs.state.path(&[FOLDER, "rail-1"]).unwrap()
    }
}

fn save(records: &Records, key: AttachmentKey, text: &str) -> Record<Undo> {
    let netns = Netns { dev: 4, ino: 4_026_531_840, cookie: 0, path: "/run/netns/pod".into() };
    let record = records.draft(key, Some(netns), undo(text));
    records.save(&record).unwrap();
    record
}

#[test]
fn a_saved_record_is_loaded_and_replaced_and_removed_once() {
    let node = Node::new();
    let records = node.records("macvlan");
    assert_eq!(records.load::<Undo>(&key("c1")).unwrap(), Loaded::Absent);
    for text in ["first", "second"] {
        let saved = save(&records, key("c1"), text);
        assert_eq!(records.load(&key("c1")).unwrap(), Loaded::Present(saved));
    }
    assert!(records.remove(&key("c1")).unwrap());
    assert!(!records.remove(&key("c1")).unwrap());
}

#[test]
fn the_plugins_of_a_chain_have_a_record_each() {
    let node = Node::new();
    for plugin in ["macvlan", "coordinator"] {
        save(&node.records(plugin), key("c1"), plugin);
    }
    for plugin in ["macvlan", "coordinator"] {
        let Loaded::Present(record) = node.records(plugin).load::<Undo>(&key("c1")).unwrap() else {
            panic!("{plugin} has no record");
        };
        assert_eq!((record.plugin, record.body.text), (plugin.to_owned(), plugin.to_owned()));
        assert_eq!(node.records(plugin).list::<Undo>("rail-1").unwrap().len(), 1);
    }
}

#[test]
fn a_record_of_another_boot_is_void_whatever_it_holds() {
    let node = Node::new();
    save(&node.records("macvlan"), key("c1"), "before");
    let later = Records::open_at_boot(&node.dirs, "macvlan", BootId::new("later")).unwrap();
    let before = BootId::current().unwrap();
    assert_eq!(later.load::<u8>(&key("c1")).unwrap(), Loaded::Void(before));
    assert!(later.remove(&key("c1")).unwrap());
}

#[test]
fn every_cut_and_every_changed_byte_is_noticed() {
    let node = Node::new();
    let records = node.records("macvlan");
    save(&records, key("c1"), "precious");
    let path = node.folder().join("c1,macvlan,net1");
    let bytes = fs::read(&path).unwrap();
    let decode = |bytes: &[u8]| entry::decode::<Undo>(bytes, "macvlan", &key("c1"), &records.boot_id);
    for at in 0..bytes.len() {
        assert_eq!(decode(&bytes[..at]), Err(Damage::Checksum), "cut at {at}");
        for flip in 1..=255 {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            assert_eq!(decode(&changed), Err(Damage::Checksum), "byte {at} changed by {flip}");
        }
    }
}

/// A record of three versions: its file, and where in that each version ends.
fn three_versions(records: &Records, folder: &Path) -> (Vec<u8>, Vec<(usize, Record<Undo>)>) {
    let file = folder.join("c1,macvlan,net1");
    let mut record = records.draft(key("c1"), None, undo("first"));
    let mut saved = records.save(&record).unwrap();
    let mut versions = vec![(fs::read(&file).unwrap().len(), record.clone())];
    for text in ["second, with a\nline break", "third"] {
        record.body.text = text.to_owned();
        records.update(&mut saved, &record).unwrap();
        versions.push((fs::read(&file).unwrap().len(), record.clone()));
    }
    (fs::read(&file).unwrap(), versions)
}

#[test]
fn the_last_version_counts_that_was_written_to_its_end() {
    let node = Node::new();
    let records = node.records("macvlan");
    let (bytes, versions) = three_versions(&records, &node.folder());
    for at in 0..=bytes.len() {
        let expected = match versions.iter().rfind(|(end, _)| *end <= at) {
            Some((_, record)) => Loaded::Present(record.clone()),
            None => Loaded::Damaged(Damage::Checksum),
        };
        file::replace(&node.folder().join("c1,macvlan,net1"), &bytes[..at]).unwrap();
        assert_eq!(records.load(&key("c1")).unwrap(), expected, "cut at {at}");
    }
}

#[test]
fn a_changed_byte_in_one_of_several_versions_never_makes_another_record() {
    let node = Node::new();
    let records = node.records("macvlan");
    let (bytes, versions) = three_versions(&records, &node.folder());
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        match entry::decode::<Undo>(&changed, "macvlan", &key("c1"), &records.boot_id) {
            Err(damage) => assert_eq!(damage, Damage::Checksum, "byte {at}"),
            // Without a line break the last version looks like one that was never finished.
            Ok(found) => {
                assert!(at >= versions[1].0 && bytes[at] == b'\n', "byte {at}");
                assert_eq!(found, Loaded::Present(versions[1].1.clone()), "byte {at}");
            }
        }
    }
}

#[test]
fn an_update_of_a_record_that_is_gone_or_replaced_puts_it_back_whole() {
    let node = Node::new();
    let records = node.records("macvlan");
    let mut record = records.draft(key("c1"), None, undo("first"));
    let mut saved = records.save(&record).unwrap();
    let elsewhere: [&dyn Fn(); 3] = [
        &|| assert!(records.remove(&key("c1")).unwrap()),
        &|| drop(save(&records, key("c1"), "somebody else's")),
        // As a writer leaves it whose append fails and cannot be taken back.
        &|| {
            let path = node.folder().join("c1,macvlan,net1");
            fs::OpenOptions::new().append(true).open(path).unwrap().write_all(&[b'{'; 9000]).unwrap();
        },
    ];
    for (change, text) in elsewhere.iter().zip(["second", "third", "fourth"]) {
        change();
        record.body.text = text.to_owned();
        records.update(&mut saved, &record).unwrap();
        assert_eq!(records.load(&key("c1")).unwrap(), Loaded::Present(record.clone()));
    }
    assert_eq!(fs::read_dir(node.folder()).unwrap().count(), 1);
}

#[test]
fn a_file_does_not_grow_without_end() {
    let node = Node::new();
    let records = node.records("macvlan");
    let mut record = records.draft(key("c1"), None, undo(""));
    let mut saved = records.save(&record).unwrap();
    for round in 0..100 {
        record.body = Undo { link: round, text: "x".repeat(1000) };
        records.update(&mut saved, &record).unwrap();
        assert_eq!(records.load(&key("c1")).unwrap(), Loaded::Present(record.clone()));
        assert!(fs::metadata(node.folder().join("c1,macvlan,net1")).unwrap().len() <= LONGEST);
    }
}

#[test]
fn other_damage_says_what_it_is() {
    let node = Node::new();
    let records = node.records("macvlan");
    let good = records.draft(key("c1"), None, undo(""));
    let damage = |record: &Record<Undo>| {
        let bytes = entry::encode(Path::new("record"), record).unwrap();
        entry::decode::<Undo>(&bytes, "macvlan", &key("c1"), &records.boot_id).unwrap_err().to_string()
    };
    let newer = Record { version: 2, ..good.clone() };
    assert_eq!(damage(&newer), "it has format 2, this version of the plugin reads 1");
    let copied = Record { key: key("c2"), ..good.clone() };
    assert_eq!(damage(&copied), "it is the record of rail-1/c2/net1 by macvlan");
    let other_shape = entry::encode(Path::new("record"), &records.draft(key("c1"), None, 5)).unwrap();
    let said = entry::decode::<Undo>(&other_shape, "macvlan", &key("c1"), &records.boot_id).unwrap_err();
    assert!(matches!(said, Damage::Contents(text) if text.contains("expected struct Undo")));
}

#[test]
fn nothing_bad_hides_a_good_record_from_a_listing() {
    let node = Node::new();
    let records = node.records("macvlan");
    save(&records, key("good"), "kept");
    save(&records, key("torn"), "lost");
    save(&node.records("coordinator"), key("good"), "not ours");
    let folder = node.folder();
    fs::OpenOptions::new().write(true).open(folder.join("torn,macvlan,net1")).unwrap().set_len(20).unwrap();
    symlink("good,macvlan,net1", folder.join("link,macvlan,net1")).unwrap();
    fs::create_dir(folder.join("notes")).unwrap();
    fs::File::create(folder.join(".tmp.killed,macvlan,net1")).unwrap();
    let seen = records.list::<Undo>("rail-1").unwrap();
    let [killed, ours, link, foreign, torn] = seen.as_slice() else { panic!("{seen:?}") };
    assert!(
        matches!(killed, Entry::Ours { key, loaded: Loaded::Damaged(Damage::Unfinished) } if key.container_id == "killed")
    );
    assert!(matches!(ours, Entry::Ours { key, loaded: Loaded::Present(_) } if key.container_id == "good"));
    assert!(
        matches!(link, Entry::Unreadable { key, error: Error::Symlink { .. } } if key.container_id == "link")
    );
    assert!(matches!(foreign, Entry::Foreign { path } if path.ends_with("notes")));
    let Entry::Ours { key, loaded: Loaded::Damaged(Damage::Checksum) } = torn else { panic!("{torn:?}") };
    assert_eq!(key.container_id, "torn");
}

#[test]
fn the_folder_of_a_network_is_never_a_link() {
    let node = Node::new();
    let records = node.records("macvlan");
    save(&records, key("c1"), "kept");
    let elsewhere = node.folder().with_file_name("elsewhere");
    fs::rename(node.folder(), &elsewhere).unwrap();
    symlink(&elsewhere, node.folder()).unwrap();
    let refusals = [
        records.load::<Undo>(&key("c1")).unwrap_err(),
        records.save(&records.draft(key("c1"), None, undo("changed"))).unwrap_err(),
        records.remove(&key("c1")).unwrap_err(),
        records.list::<Undo>("rail-1").unwrap_err(),
    ];
    for error in refusals {
        assert!(matches!(&error, Error::Symlink { path } if *path == node.folder()), "{error}");
    }
    fs::remove_file(node.folder()).unwrap();
    fs::rename(&elsewhere, node.folder()).unwrap();
    assert!(
        matches!(records.load::<Undo>(&key("c1")).unwrap(), Loaded::Present(found) if found.body.text == "kept")
    );
}

#[test]
fn networks_are_listed_and_an_unknown_one_is_empty() {
    let node = Node::new();
    let records = node.records("macvlan");
    assert!(records.networks().unwrap().is_empty());
    save(&records, key("c1"), "");
    assert_eq!(records.networks().unwrap(), ["rail-1"]);
    assert!(records.list::<Undo>("rail-2").unwrap().is_empty());
}

#[test]
fn a_key_that_cannot_name_a_file_is_refused_before_any_path_is_built() {
    for (network, container_id, ifname) in
        [("..", "c", "e"), ("n", "../c", "e"), ("n", "c", "../e"), ("n", "", "e")]
    {
        assert!(matches!(AttachmentKey::new(network, container_id, ifname), Err(Error::Name { .. })));
    }
    let node = Node::new();
    let (records, long) =
        (node.records("macvlan"), AttachmentKey::new("n", &"c".repeat(250), "net1").unwrap());
    // What was never written is not there, and DEL succeeds.
    assert!(matches!(records.load::<Undo>(&long).unwrap(), Loaded::Absent));
    let said = records.save(&records.draft(long, None, undo(""))).unwrap_err().to_string();
    assert!(said.ends_with("250 bytes at most, together with plugin and interface name"), "{said}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_name_gives_its_key_back(
        container_id in "[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}",
        plugin in "[a-z][a-z-]{0,20}",
        ifname in "[a-z,@][a-z,@.0-9]{0,14}",
    ) {
        let key = AttachmentKey::new("net", &container_id, &ifname).unwrap();
        prop_assert_eq!(AttachmentKey::parse("net", &key.file_name(&plugin).unwrap()), Some((plugin, key)));
    }

    #[test]
    fn any_file_name_is_read_without_panic(file_name in ".{0,40}") {
        let parsed = AttachmentKey::parse("net", &file_name);
        prop_assert!(parsed.is_none_or(|(plugin, key)| key.file_name(&plugin).unwrap() == file_name));
    }
}

/// A pod can fill one. A version before wrote what it could not read again.
#[test]
fn a_record_that_is_too_long_is_not_written_and_one_that_is_there_is_damaged() {
    let node = Node::new();
    let records = node.records("macvlan");
    let error = records.save(&records.draft(key("c1"), None, undo(&"x".repeat(9 << 20)))).unwrap_err();
    assert!(matches!(error, Error::TooMuch { .. }), "{error}");
    assert_eq!(records.load::<Undo>(&key("c1")).unwrap(), Loaded::Absent);
    save(&records, key("c1"), "short");
    let file = fs::read_dir(node.folder()).unwrap().next().unwrap().unwrap().path();
    File::options().write(true).open(file).and_then(|file| file.set_len(17 << 20)).unwrap();
    assert!(matches!(records.load::<Undo>(&key("c1")).unwrap(), Loaded::Damaged(_)));
    let mut skipped = Vec::new();
    assert!(whole(&node.dirs, |_, _| true, |error| skipped.push(error)).unwrap().is_empty());
    assert!(matches!(skipped[..], [Error::TooLong { .. }]), "{skipped:?}");
}

#[test]
fn what_lies_beside_the_records_hides_none_of_them() {
    let node = Node::new();
    let saved = save(&node.records("macvlan"), key("c1"), "here");
    let attachments = node.dirs.state.path(&[FOLDER]).unwrap();
    for folder in [".hidden", "sp ace", "rail-1/c2,macvlan,net1"] {
        fs::create_dir(attachments.join(folder)).unwrap();
    }
    File::create(attachments.join("plain")).unwrap();
    symlink("/dev/zero", node.folder().join("c3,macvlan,net1")).unwrap();
    nix::unistd::mkfifo(&node.folder().join("c4,macvlan,net1"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut skipped = 0;
    let found = whole(&node.dirs, |_, _| true, |_| skipped += 1).unwrap();
    assert_eq!(found.into_iter().map(|record| record.key).collect::<Vec<_>>(), [saved.key]);
    assert_eq!(skipped, 6);
    let records = node.records("macvlan");
    assert_eq!(records.networks().unwrap(), ["rail-1"]);
    let entries = records.list::<Undo>("rail-1").unwrap();
    assert_eq!(entries.iter().filter(|entry| matches!(entry, Entry::Ours { .. })).count(), 1);
}
