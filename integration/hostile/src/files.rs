//! What lies in files: pools of the administrator, our own state after a power cut, and the peer's.

use std::fs::{File, create_dir_all, remove_file};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipam::{Catalog, Directory, JournalStore, Store as _};
use state::{AttachmentKey, BootId, Dirs, Records};
use tempfile::TempDir;

thread_local! {
    /// A directory of the thread's own, gone with it.
    static BASE: TempDir = TempDir::new().expect("a directory");
}

fn base() -> PathBuf {
    BASE.with(|base| base.path().to_owned())
}

fn put(path: &Path, bytes: &[u8]) {
    let folder = path.parent().unwrap_or(Path::new("/"));
    create_dir_all(folder).and_then(|()| File::create(path)?.write_all(bytes)).expect("a file for the test");
}

/// Documents in YAML: each is a pool or a refusal with a name, and none stops the others.
pub(crate) fn pools(bytes: &[u8]) {
    let mut catalog = Catalog::default();
    catalog.add_text("fuzz.yaml", &String::from_utf8_lossy(bytes));
    let catalog = catalog.complete();
    catalog.refused().for_each(|error| assert!(!error.to_string().is_empty()));
    catalog.pools().for_each(|pool| assert!(!pool.name.is_empty()));
}

/// An attachment's record as a power cut or somebody else left it: whatever is there, it is judged and not believed.
pub(crate) fn record(bytes: &[u8]) {
    let records =
        Records::open_at_boot(&Dirs::under(&base()), "macvlan", BootId::new("boot")).expect("records");
    let key = AttachmentKey::new("net", "cid", "net1").expect("a key");
    put(&base().join("state/attachments/net/cid,macvlan,net1"), bytes);
    let _ = records.load::<serde_json::Value>(&key);
    assert_eq!(records.list::<serde_json::Value>("net").expect("a listing").len(), 1);
}

/// The boot in which the corpus was written.
const BOOT: &str = "00000000-1111-4222-8333-444444444444";
/// Of a checkpoint without leases.
const CHECKPOINT: usize = 128;

/// The checkpoint of the leases, and after it the journal, which is replayed up to the first record that is bad.
pub(crate) fn journal(bytes: &[u8]) {
    let (leases, changes) = bytes.split_at(CHECKPOINT.min(bytes.len()));
    put(&base().join("state/ipam/leases"), leases);
    put(&base().join("state/ipam/journal"), changes);
    let store = JournalStore::of_boot(&Dirs::under(&base()), Duration::ZERO, &BootId::new(BOOT));
    let seen = count(&store);
    // Nobody wrote: what is there is seen again.
    assert_eq!(count(&store), seen);
}

/// How many leases there are after [`journal`]; `None` where it is refused.
pub fn leases(bytes: &[u8]) -> Option<usize> {
    journal(bytes);
    count(&JournalStore::of_boot(&Dirs::under(&base()), Duration::ZERO, &BootId::new(BOOT)))
}

fn count(store: &JournalStore) -> Option<usize> {
    let mut count = 0;
    let look = &mut |leases: &dyn ipam::Leases| {
        count = leases.all()?.len();
        Ok(())
    };
    store.view(look).ok().map(|()| count)
}

/// One file of host-local's store: its name is an address, its content a container and an interface.
pub(crate) fn host_local(bytes: &[u8]) {
    let folder = base().join("networks/net");
    let path = folder.join("172.16.1.9");
    put(&path, bytes);
    let directory = Directory::new(folder, Duration::ZERO);
    directory.held().expect("a listing");
    let _ = directory.of("cid", "net1").expect("a listing");
    let _ = directory.retain(|container, _| container != "gone");
    let _ = remove_file(path);
}
