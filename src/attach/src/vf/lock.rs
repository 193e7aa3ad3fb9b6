use std::path::PathBuf;
use std::time::Duration;

use state::{Dirs, Lock};

use super::device::Id;
use crate::Error;

/// As long as the peer waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// The lock on one VF that sriov-cni's processes take, too: below the peer's directory, `FOLDER/pci/vf_lock/ID.lock`.
pub(super) fn acquire(dirs: &Dirs, folder: &str, id: &Id) -> Result<Lock, Error> {
    Ok(Lock::acquire(&path(dirs, folder, id)?, PATIENCE)?)
}

fn path(dirs: &Dirs, folder: &str, id: &Id) -> Result<PathBuf, Error> {
    let directory = dirs.peer.create(&[folder, "pci", "vf_lock"])?;
    Ok(directory.join(format!("{id}.lock")))
}
