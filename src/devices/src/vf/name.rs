//! A name that another VF has, which is still to be put back.

use std::time::Duration;

use attach::Error;
use attach::wait::here as wait_here;
use netlink::{Link, LinkChange, Rtnetlink};
use state::Dirs;

use super::netdev::{Netdev, SPARE_NAME};
use super::{Id, VfKind};

/// As for an interface that comes back: the others are on their way, too.
const ARRIVALS: Duration = Duration::from_secs(10);

/// Gives the interface its name on the host; false if a foreign interface has that.
///
/// - A namespace that ends gives back its interfaces one after another, each under the name that its pod gave it (`ib_ipoib`:
///   under the first that is free).
/// - So another VF that is still to be restored may have this name for a moment, or have it as an alternative name; and when it
///   gives the name up, the next to arrive may take it first.
pub(crate) fn rename_when_free(
    dirs: &Dirs,
    netdev: &Netdev,
    link: &Link,
    host: &mut Rtnetlink,
) -> Result<bool, Error> {
    let regained = wait_here(ARRIVALS, || {
        if !free_name(dirs, &netdev.name, link.index, host)? {
            return Ok(Some(false));
        }
        Ok(netdev.rename(host, link)?.then_some(true))
    })?;
    Ok(regained.unwrap_or(false))
}

/// Takes a name from an interface that gets its own when its turn comes; false if it is nobody's that we know.
fn free_name(dirs: &Dirs, name: &str, index: u32, host: &mut Rtnetlink) -> Result<bool, Error> {
    let Some(holder) = host.link_by_name(name)?.filter(|holder| holder.index != index) else {
        return Ok(true);
    };
    let Some(Ok(id)) = holder.device.as_deref().map(Id::parse) else { return Ok(false) };
    let mut lent = false;
    for kind in VfKind::ALL {
        lent |= kind.holders(dirs).is_lent(&id)?;
    }
    if !lent {
        return Ok(false);
    }
    let made = if holder.name == name {
        let spare =
            LinkChange { name: Some(SPARE_NAME.to_owned()), up: Some(false), ..LinkChange::default() };
        host.set_link(holder.index, &spare)
    } else {
        host.delete_alt_name(holder.index, name)
    };
    match made {
        Err(error) if !error.is_gone() && !error.is_busy() => Err(error.into()),
        _ => Ok(true),
    }
}
