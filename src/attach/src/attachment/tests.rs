use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

use super::*;

/// An undo that leaves a mark instead of changing the kernel, and fails as often as it is told to.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Marked {
    dir: std::path::PathBuf,
    fails: bool,
}

impl Undo for Marked {
    fn undo(&self, context: &mut UndoContext) -> Result<(), Error> {
        let mark = if context.pod.is_some() { "in-pod" } else { "pod-gone" };
        std::fs::File::create(self.dir.join(mark)).unwrap();
        if self.fails { Err(Failure::Vanished { ifname: "net1".to_owned() }.into()) } else { Ok(()) }
    }
}

struct Place {
    dir: TempDir,
    pod: NetNs,
}

impl Place {
    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET)
            .expect("run the tests of attach as root: they make a network namespace");
        Self { dir: TempDir::new().unwrap(), pod: NetNs::current().unwrap() }
    }

    fn dirs(&self) -> Dirs {
        Dirs::under(self.dir.path())
    }

    fn attachments(&self) -> Attachments {
        Attachments::open(&self.dirs(), "test").unwrap()
    }

    fn on_record(&self) -> OnRecord<Marked> {
        self.attachments().on_record(&key()).unwrap()
    }

    fn undo(&self, fails: bool) -> Marked {
        Marked { dir: self.dir.path().to_owned(), fails }
    }

    fn begin(&self, fails: bool) -> Result<Adding<Marked>, Error> {
        self.attachments().prepare::<Marked>(key(), &self.pod)?.begin(self.undo(fails))
    }

    fn undone(&self) -> bool {
        self.dir.path().join("in-pod").exists()
    }
}

fn key() -> AttachmentKey {
    AttachmentKey::new("rail1", "c", "net1").unwrap()
}

#[test]
fn what_a_killed_add_left_is_undone_by_the_next() {
    let place = Place::new();
    drop(place.begin(false).unwrap());
    let prepared = place.attachments().prepare::<Marked>(key(), &place.pod).unwrap();
    assert!(prepared.superseded() && place.undone());
}

#[test]
fn an_attachment_that_stands_is_no_leftover() {
    let place = Place::new();
    place.begin(false).unwrap().attached().unwrap();
    assert!(matches!(place.begin(false).unwrap_err().failure(), Failure::Attached { .. }));
    assert!(!place.undone());
}

#[test]
fn a_leftover_that_cannot_be_undone_stops_the_add_and_stays() {
    let place = Place::new();
    drop(place.begin(true).unwrap());
    assert!(matches!(place.begin(false).unwrap_err().failure(), Failure::Leftover { .. }));
    assert!(place.on_record().undo().is_some());
}

/// Two ADDs of one key, or an ADD that a restarted runtime has forgotten beside its DEL.
#[test]
fn until_an_add_ends_no_other_add_or_del_of_the_attachment_begins() {
    let place = Place::new();
    let attachments = place.attachments();
    let adding = place.begin(false).unwrap();
    let busy = attachments.lock_within(&key(), Duration::from_millis(50)).unwrap_err();
    assert_eq!(busy.code(), cni::code::TRY_AGAIN, "{busy}");
    let other = AttachmentKey::new("rail1", "c", "net2").unwrap();
    assert!(
        attachments.lock_within(&other, Duration::ZERO).unwrap().is_some(),
        "another interface has its own"
    );
    drop(adding);
    drop(attachments.lock_within(&key(), Duration::ZERO).unwrap().unwrap());
    let locks = std::fs::read_dir(place.dir.path().join("state/locks")).unwrap();
    assert_eq!(locks.count(), 0, "no file is left behind");
}

#[test]
fn a_failed_add_keeps_others_away_until_its_lease_is_given_back_too() {
    let place = Place::new();
    let mut adding = place.begin(false).unwrap();
    adding.undo_all().unwrap();
    place.attachments().lock_within(&key(), Duration::ZERO).unwrap_err();
}

#[test]
fn gc_leaves_an_attachment_alone_that_somebody_is_at() {
    let place = Place::new();
    let adding = place.begin(false).unwrap();
    let collect = || place.attachments().collect::<Marked>("rail1", &[].into_iter().collect()).unwrap();
    let (released, errors) = collect();
    assert!(released.is_empty() && errors.is_empty() && !place.undone());
    drop(adding);
    assert_eq!(collect().0, [key()]);
}

#[test]
fn a_failed_add_undoes_itself_and_forgets() {
    let place = Place::new();
    place.begin(false).unwrap().undo_all().unwrap();
    assert!(place.undone());
    assert!(place.on_record().undo().is_none());
}

#[test]
fn a_failed_undo_keeps_the_record_for_del() {
    let place = Place::new();
    place.begin(true).unwrap().undo_all().unwrap_err();
    place.attachments().release::<Marked>(&key(), None).unwrap_err();
    assert!(place.on_record().undo().is_some());
}

#[test]
fn another_namespace_at_the_same_path_is_not_the_pod() {
    let place = Place::new();
    let netns = identity(&place.pod);
    let older = Netns { ino: netns.ino + 1, ..netns };
    assert!(UndoContext::of(&place.dirs(), Some(&older), None).unwrap().pod.is_none());
    assert!(
        UndoContext::of(&place.dirs(), Some(&older), Some(Path::new("/run/netns/nosuch")))
            .unwrap()
            .pod
            .is_none()
    );
}

#[test]
fn a_later_namespace_with_the_same_inode_is_not_the_pod() {
    let place = Place::new();
    let netns = identity(&place.pod);
    assert!(UndoContext::of(&place.dirs(), Some(&netns), None).unwrap().pod.is_some());
    let older = Netns { cookie: netns.cookie - 1, ..netns.clone() };
    assert!(UndoContext::of(&place.dirs(), Some(&older), None).unwrap().pod.is_none());
    let of_a_version_without_cookies = Netns { cookie: 0, ..netns };
    assert!(UndoContext::of(&place.dirs(), Some(&of_a_version_without_cookies), None).unwrap().pod.is_some());
}

#[test]
fn gc_keeps_what_is_valid_and_goes_on_after_a_failure() {
    let place = Place::new();
    for (container, fails) in [("kept", false), ("stuck", true), ("gone", false)] {
        let key = AttachmentKey::new("rail1", container, "net1").unwrap();
        let prepared = place.attachments().prepare::<Marked>(key, &place.pod).unwrap();
        prepared.begin(place.undo(fails)).unwrap().attached().unwrap();
    }
    let valid = [cni::Attachment { container_id: "kept".to_owned(), ifname: "net1".to_owned() }];
    let (released, errors) =
        place.attachments().collect::<Marked>("rail1", &valid.into_iter().collect()).unwrap();
    assert_eq!(released.iter().map(|key| key.container_id.as_str()).collect::<Vec<_>>(), ["gone"]);
    assert_eq!(errors.len(), 1);
}

#[test]
fn gc_keeps_a_damaged_record_and_nothing_of_one_that_was_never_whole() {
    let place = Place::new();
    place.begin(false).unwrap().attached().unwrap();
    let folder = place.dir.path().join("state/attachments/rail1");
    let record = std::fs::read_dir(&folder).unwrap().flatten().next().unwrap().path();
    let name = record.file_name().unwrap().to_str().unwrap();
    std::fs::File::create(folder.join(format!(".tmp.{name}"))).unwrap();
    std::fs::File::options().write(true).open(&record).unwrap().set_len(20).unwrap();
    let collect = || place.attachments().collect::<Marked>("rail1", &std::iter::empty().collect()).unwrap();
    for _ in 0..2 {
        let errors = collect().1;
        let [error] = errors.as_slice() else { panic!("{errors:?}") };
        let said = error.to_string();
        assert!(
            said.contains("rail1/c/net1") && said.contains("checksum") && said.contains("kept"),
            "{said}"
        );
        assert_eq!(place.attachments().keys("rail1").unwrap(), [key()]);
    }
    assert!(record.exists());
    // What never became a record refers to nothing.
    std::fs::remove_file(&record).unwrap();
    assert!(collect().1.is_empty() && std::fs::read_dir(&folder).unwrap().next().is_none());
    assert!(!place.undone());
}

#[test]
fn check_is_told_of_a_record_that_cannot_serve() {
    let place = Place::new();
    let found = || place.on_record();
    assert_eq!(found().about(&place.pod), Ok(None), "no record is no fault");
    place.begin(false).unwrap().attached().unwrap();
    assert_eq!(found().about(&place.pod), Ok(Some(place.undo(false))));
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let differs = found().about(&NetNs::current().unwrap()).unwrap_err();
    assert!(differs.starts_with("the record is about another namespace than /"), "{differs}");
    let record = place.dir.path().join("state/attachments/rail1/c,test,net1");
    std::fs::File::options().write(true).open(record).unwrap().set_len(20).unwrap();
    let differs = found().about(&place.pod).unwrap_err();
    assert!(differs.starts_with("the record is damaged: "), "{differs}");
}

/// A runtime that starts a container again under its ID may send the DEL of the first late, or of an ADD that was refused.
#[test]
fn an_attachment_of_a_living_pod_is_neither_taken_nor_undone_by_another_pod_of_that_id() {
    let place = Place::new();
    // A thread of its own keeps the first namespace at a path that leads there.
    let first =
        NetNs::open(&std::path::PathBuf::from(format!("/proc/self/task/{}/ns/net", nix::unistd::gettid())))
            .unwrap();
    let first_path = first.path().to_owned();
    place
        .attachments()
        .prepare::<Marked>(key(), &first)
        .unwrap()
        .begin(place.undo(false))
        .unwrap()
        .attached()
        .unwrap();
    let dir = place.dir.path().to_owned();
    let second = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let path = std::path::PathBuf::from(format!("/proc/self/task/{}/ns/net", nix::unistd::gettid()));
        let second = NetNs::open(&path).unwrap();
        let attachments = || Attachments::open(&Dirs::under(&dir), "test").unwrap();
        let error = attachments().prepare::<Marked>(key(), &second).unwrap_err();
        (
            error.to_string(),
            attachments().on_record::<Marked>(&key()).unwrap().is_elsewhere(&key(), Some(&path)),
            path,
        )
    });
    let (said, stands, second_path) = second.join().unwrap();
    assert!(
        said.contains(first_path.to_str().unwrap()) && said.contains(second_path.to_str().unwrap()),
        "{said}"
    );
    assert!(stands && !place.undone());
    let stands = |path| place.on_record().is_elsewhere(&key(), path);
    assert!(
        !stands(Some(first_path.as_path())) && !stands(None) && !stands(Some(second_path.as_path())),
        "gone"
    );
}
