use std::time::Duration;

use attach::Error;
use attach::locks::LockFile;
use state::Dirs;

use crate::users::Upstream;
use crate::vf::Id;

/// As long as sriov-cni waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// The lock on one VF that every plugin takes which changes it or its RDMA device, sriov-cni's processes included: below the
/// upstream plugins' directory, `sriov/pci/vf_lock/ID.lock`.
pub(crate) fn file(dirs: &Dirs, id: &Id) -> Result<LockFile, Error> {
    let directory = dirs.upstream.create(&[Upstream::Sriov.name(), "pci", "vf_lock"])?;
    Ok(LockFile { path: directory.join(format!("{id}.lock")), shared: false, patience: PATIENCE })
}
