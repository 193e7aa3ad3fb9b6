use attach::Error;
use netlink::{Rdma, RdmaDevice};

/// What no driver calls a device.
const SPARE: &str = "railcni-spare";

/// Gives a device on the host its name again. No two devices of a machine have one name, in whatever namespaces they are: a pod
/// may have given it to another one of its own. If that is on the host, too, it gets the name that this one had; if not, this one
/// keeps what it has.
pub(crate) fn give_name(host: &mut Rdma, device: &RdmaDevice, wanted: &str) -> Result<(), Error> {
    match host.rename(device.index, wanted) {
        Err(error) if error.is_exists() => (),
        renamed => return Ok(renamed?),
    }
    let Some(other) = host.device_by_name(wanted)? else {
        tracing::warn!(rdma = device.name, wanted, "a device in a pod has its name: it keeps the one it has");
        return Ok(());
    };
    host.rename(device.index, SPARE)?;
    host.rename(other.index, &device.name)?;
    Ok(host.rename(device.index, wanted)?)
}
