use std::time::Duration;

use attach::Error;
use attach::locks::LockFile;
use state::{Dirs, Lock};

use super::device::Id;

/// As long as the peer waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// The lock on one VF that sriov-cni's processes take, too: below the peer's directory, `FOLDER/pci/vf_lock/ID.lock`.
pub(super) fn acquire(dirs: &Dirs, folder: &str, id: &Id) -> Result<Lock, Error> {
    file(dirs, folder, id)?.acquire()
}

/// The same, to be taken.
pub(super) fn file(dirs: &Dirs, folder: &str, id: &Id) -> Result<LockFile, Error> {
    let directory = dirs.upstream.create(&[folder, "pci", "vf_lock"])?;
    Ok(LockFile { path: directory.join(format!("{id}.lock")), shared: false, patience: PATIENCE })
}
