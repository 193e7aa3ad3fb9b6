//! The power goes at every point of what reached the disk: sticky owners and quarantined addresses that were acknowledged are
//! there, nothing is unreadable, and the next ones can be written.

pub(crate) mod disk;
mod promises;

use std::path::Path;
use std::time::Duration;

use ipam::JournalStore;
use state::Dirs;
use testkit::{World, figure, torture};
use vm::lab::Entry;

use disk::{EXT4, FileSystem, LoggedDisk, XFS, mounted};
use promises::{History, Keeper};

const WRITES: usize = 1000;
/// A bounded run is a seventh of a full one, and looks at one of so many writes.
const PART: u8 = 7;
const ONE_OF: usize = 4;

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
    let world = World::new();
    let disk = LoggedDisk::new(&world.dirs().scratch, system);
    let (rounds, writes) =
        if torture() { (system.rounds, WRITES) } else { (system.rounds / PART, WRITES / 8) };
    let history = {
        let _mounted = disk.mount(&world.dirs().durable);
        let mut keeper = Keeper::new(&world, &disk);
        (0..rounds).for_each(|round| keeper.round(round));
        keeper.history()
    };
    let (mut content, entries) = disk.into_log();
    let points = entries.iter().filter(|entry| is_point(entry)).count();
    assert!(points >= writes, "{kind}: only {points} writes reached the disk");
    let (mut last, mut seen, mut tried) = (None, 0, 0);
    for (number, entry) in entries.iter().enumerate() {
        content.apply(entry);
        if let Entry::Mark(text) = entry {
            last = History::number(text).or(last);
        }
        seen += usize::from(is_point(entry));
        if is_point(entry) && (torture() || seen % ONE_OF == 0) {
            tried += 1;
            let what = format!("{kind}: power lost after entry {number} of {}", entries.len());
            let image = world.dirs().scratch.join("after");
            content.save(&image).expect("the disk as it was");
            after_power_loss(system, &image, &what, &history, last);
        }
    }
    figure("write points", kind, tried, points.max(WRITES));
}

/// A flush changes nothing.
pub(crate) fn is_point(entry: &Entry) -> bool {
    !matches!(entry, Entry::Mark(_)) && !matches!(entry, Entry::Write { bytes, .. } if bytes.is_empty())
}

/// The node comes up again: what was acknowledged up to `last` is there, and the next pods get theirs.
fn after_power_loss(system: &FileSystem, image: &Path, what: &str, history: &History, last: Option<usize>) {
    let base = Path::new("/run/after");
    let _mounted = mounted(system, image, &base.join("durable"));
    // Leases were on tmpfs.
    let _ = std::fs::remove_dir_all(base.join("state"));
    let store = JournalStore::new(&Dirs::under(base), Duration::ZERO).expect("a store");
    history.assert_kept(&store, last, what);
    history.assert_goes_on(&store, last, what);
}
