//! The VFs of a PF, by sysfs.

use sysfs::PciFunction;

use super::Kernel;
use crate::Error;
use crate::key::Value;

impl Kernel {
    /// The PCI function of a link; `None` if there is no such link, or it has none.
    pub(super) fn function(&mut self, link: &str) -> Result<Option<PciFunction>, Error> {
        let Some(link) = self.link(link)? else { return Ok(None) };
        let sysfs = self.sysfs();
        let netdev = match sysfs.net(&link.name) {
            Err(error) if error.is_absent() => return Ok(None),
            other => other?,
        };
        Ok(netdev.pci_function()?.map(|bdf| sysfs.pci(bdf)).transpose()?)
    }

    fn pf(&mut self, link: &str) -> Result<PciFunction, Error> {
        self.function(link)?.ok_or_else(|| Error::NoLink { link: link.to_owned() })
    }

    pub(super) fn vfs(&mut self, link: &str) -> Result<Option<Value>, Error> {
        let Some(pf) = self.function(link)? else { return Ok(None) };
        Ok(pf.sriov_numvfs()?.map(|count| Value::Number(count.into())))
    }

    /// From one number to another there is no way but by none. VFs that somebody has stay.
    pub(super) fn set_vfs(&mut self, link: &str, wanted: u64) -> Result<(), Error> {
        let pf = self.pf(link)?;
        let count = pf.sriov_numvfs()?.unwrap_or(0);
        self.require_idle_vfs(link, wanted)?;
        if count != 0 {
            pf.set_sriov_numvfs(0)?;
        }
        match u32::try_from(wanted).unwrap_or(u32::MAX) {
            0 => Ok(()),
            wanted => Ok(pf.set_sriov_numvfs(wanted)?),
        }
    }

    /// That nobody has one of the VFs, which are about to go.
    pub fn require_idle_vfs(&mut self, link: &str, wanted: u64) -> Result<(), Error> {
        let (sysfs, Some(pf)) = (self.sysfs(), self.function(link)?) else { return Ok(()) };
        let count = u64::from(pf.sriov_numvfs()?.unwrap_or(0));
        if count == wanted {
            return Ok(());
        }
        let has_interfaces = !pf.netdevs()?.is_empty();
        for bdf in pf.vfs()?.into_values() {
            if let Some(why) = use_of(&sysfs.pci(bdf)?, has_interfaces)? {
                let (link, vf) = (link.to_owned(), bdf.to_string());
                return Err(Error::VfsInUse { link, count, wanted, vf, why });
            }
        }
        Ok(())
    }

    pub(super) fn vf_autoprobe(&mut self, link: &str) -> Result<Option<Value>, Error> {
        let Some(pf) = self.function(link)? else { return Ok(None) };
        Ok(pf.sriov_drivers_autoprobe()?.map(Value::of))
    }

    pub(super) fn set_vf_autoprobe(&mut self, link: &str, on: bool) -> Result<(), Error> {
        Ok(self.pf(link)?.set_sriov_drivers_autoprobe(on)?)
    }
}

/// Who has it: another namespace its interface or RDMA device, or a driver for user space all of it.
fn use_of(vf: &PciFunction, has_interfaces: bool) -> Result<Option<String>, Error> {
    let Some(driver) = vf.driver()? else { return Ok(None) };
    let is_here = if has_interfaces { !vf.netdevs()?.is_empty() } else { !vf.infiniband()?.is_empty() };
    Ok((!is_here).then(|| {
        format!(
            "driver {driver} has it, and its interface is not in this namespace: a pod or a virtual machine"
        )
    }))
}
