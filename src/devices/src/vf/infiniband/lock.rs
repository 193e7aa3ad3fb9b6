use std::path::Path;
use std::time::Duration;

use attach::Error;
use attach::locks::LockFile;
use state::{Dirs, Lock};

use crate::vf::Device;

/// A rebind takes seconds on a busy node, and several VFs of one PF may want one.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where ib-sriov-cni has its one lock of the node, wherever its caches are.
const UPSTREAM: &str = "/var/run/cni/ib-sriov";
const FOLDER: &str = "ib";

/// VFs of different PFs do not wait for each other; processes of ib-sriov-cni and ours keep each other away.
pub(super) fn files(dirs: &Dirs, device: &Device) -> Result<Vec<LockFile>, Error> {
    let upstream = Path::new(UPSTREAM);
    state::file::create_folder(upstream)?;
    let pf = device.pf().map_or_else(|| device.id().to_string(), |pf| pf.function.bdf().to_string());
    let directory = dirs.state.create(&[FOLDER])?;
    Ok(vec![
        LockFile { path: upstream.join("cni.lock"), shared: true, patience: PATIENCE },
        LockFile { path: directory.join(format!("{pf}.lock")), shared: false, patience: PATIENCE },
    ])
}

/// For the moment in which devices go and come back: two at once could swap the numbers of their character devices.
pub(super) fn of_rebind(dirs: &Dirs) -> Result<Lock, Error> {
    let directory = dirs.state.create(&[FOLDER])?;
    Ok(Lock::acquire(&directory.join("rebind.lock"), PATIENCE)?)
}
