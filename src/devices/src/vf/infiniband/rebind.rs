use std::time::{Duration, Instant};

use attach::wait::{here as wait_here, millis};
use netlink::{Guid, Link, Rdma, RdmaDevice, Rtnetlink};
use serde::{Deserialize, Serialize};
use state::{Dirs, Lock};
use sysfs::Root;

use super::{Error, FOLDER, PATIENCE};
use crate::rdma::give_name;
use crate::vf::{Device, Id};

/// mlx5 needs about a second for a VF, more when the firmware is busy.
const RETURN: Duration = Duration::from_secs(30);

/// The RDMA device of a VF as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RdmaBefore {
    /// `mlx5_2`
    pub name: String,
    /// `uverbs2`: what device plugins hand to pods.
    pub verbs: Option<String>,
}

impl RdmaBefore {
    /// `None` where the driver makes none, or it is in another namespace.
    pub(super) fn of(device: &Device) -> Result<Option<Self>, attach::Error> {
        let name = device.rdma()?.into_iter().next();
        Ok(name.map(|name| Self { name, verbs: verbs(device) }))
    }

    /// Gives a device that came back its name again. The number of its character device is the kernel's choice.
    pub(super) fn restore(&self, device: &Device) -> Result<(), attach::Error> {
        let Some(now) = Self::of(device)? else { return Ok(()) };
        if now.name != self.name {
            let mut rdma = Rdma::open()?;
            if let Some(found) = rdma.device_by_name(&now.name)? {
                give_name(&mut rdma, &found, &self.name)?;
            }
        }
        if let (Some(before), Some(now)) = (&self.verbs, &now.verbs)
            && before != now
        {
            tracing::warn!(
                rdma = self.name,
                before,
                now,
                "its character device has another number after the rebind"
            );
        }
        Ok(())
    }
}

fn verbs(device: &Device) -> Option<String> {
    let mut entries = std::fs::read_dir(device.path().join("infiniband_verbs")).ok()?.flatten();
    entries.next()?.file_name().into_string().ok()
}

/// What its RDMA device is called, in whichever namespace that is: the pod may have given its name to another. The character
/// device, which stays where it is, tells.
pub(super) fn rdma_anywhere(device: &Device) -> Option<String> {
    let tells = device.path().join("infiniband_verbs").join(verbs(device)?).join("ibdev");
    Some(std::fs::read_to_string(tells).ok()?.trim().to_owned())
}

/// The RDMA device on the host.
pub(super) fn rdma_of(device: &Device) -> Result<RdmaDevice, attach::Error> {
    let names = device.rdma()?;
    let found = match names.as_slice() {
        [name] => Rdma::open()?.device_by_name(name)?,
        _ => None,
    };
    let (count, id) = (names.len(), device.id().to_string());
    Ok(found.ok_or_else(|| Error::RdmaDevices { device: id, count, names: names.join(", ") })?)
}

/// Binds the driver again, and waits until interface and RDMA device are back, with that GUID.
pub(super) fn rebind(
    dirs: &Dirs,
    id: &Id,
    driver: &str,
    guid: Option<Guid>,
    rdma: Option<&RdmaBefore>,
    host: &mut Rtnetlink,
) -> Result<Link, attach::Error> {
    let Id::Pci(bdf) = id else {
        let device = id.to_string();
        return Err(Error::Pf { device }.into());
    };
    // Two at once could swap the numbers of their character devices.
    let lock = dirs.state.create(&[FOLDER])?.join("rebind.lock");
    let _lock = Lock::acquire(&lock, PATIENCE)?;
    let function = Root::system().pci(*bdf)?;
    function.unbind()?;
    function.bind(driver).map_err(|source| Error::Unbound {
        device: id.to_string(),
        driver: driver.to_owned(),
        source: Box::new(source),
    })?;
    let start = Instant::now();
    let back = wait_here(RETURN, || returned(id, guid, rdma.is_some(), host))?;
    let failed = || Error::Rebind {
        device: id.to_string(),
        guid: guid.map_or_else(|| "unknown".to_owned(), |guid| guid.to_string()),
        waited_ms: millis(start),
    };
    let (device, link) = back.ok_or_else(failed)?;
    if let Some(rdma) = rdma {
        rdma.restore(&device)?;
    }
    Ok(link)
}

fn returned(
    id: &Id,
    guid: Option<Guid>,
    with_rdma: bool,
    host: &mut Rtnetlink,
) -> Result<Option<(Device, Link)>, attach::Error> {
    let Some(device) = Device::find(&Root::system(), id)? else { return Ok(None) };
    if with_rdma && device.rdma()?.is_empty() {
        return Ok(None);
    }
    let link = device.link(host)?.filter(|link| guid.is_none() || guid_of(link) == guid);
    Ok(link.map(|link| (device, link)))
}

pub(super) fn guid_of(link: &Link) -> Option<Guid> {
    link.address.and_then(|address| address.guid())
}
