use std::fmt;
use std::path::Path;

use cni::node::Node;
use netlink::{Link, Rtnetlink};
use state::Dirs;
use sysfs::{Bdf, Root};

use super::Error;

/// A VF (or another PCI function) or a subfunction, as sysfs has it.
#[derive(Clone, Debug)]
pub struct Device {
    id: Id,
    sysfs: sysfs::Device,
    pf: Option<Pf>,
    /// How many VFs it has, if it can have any.
    vfs: Option<u32>,
    driver: Option<String>,
}

/// How a device is called in configs: a PCI address, or the name of an auxiliary device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Id {
    /// `0000:3b:02.5`
    Pci(Bdf),
    /// `mlx5_core.sf.4`
    Auxiliary(String),
}

/// The PF of a VF.
#[derive(Clone, Debug)]
pub struct Pf {
    /// Its function.
    pub function: sysfs::PciFunction,
    /// Number of the VF, the N of `virtfnN`.
    pub vf: u32,
}

const NODES_OWN: &str = "this is a whole PCI function, maybe the node's own NIC, and no VF: where a pod is to have it, as in a \
                         virtual machine that got its VF so, list it as wholeFunctions in node.yaml";

impl Id {
    /// What is no PCI address must look like a device of the auxiliary bus: `driver.kind.number`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if let Ok(bdf) = text.to_ascii_lowercase().parse() {
            return Ok(Self::Pci(bdf));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let number = text.rsplit_once('.').map(|(_, number)| number.parse::<u32>());
        if text.chars().all(legal) && matches!(number, Some(Ok(_))) {
            return Ok(Self::Auxiliary(text.to_owned()));
        }
        let problem =
            "expected a PCI address such as 0000:3b:02.5, or an auxiliary device such as mlx5_core.sf.4";
        Err(Error::Device { id: text.to_owned(), problem: problem.to_owned() })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(bdf) => bdf.fmt(f),
            Self::Auxiliary(name) => f.write_str(name),
        }
    }
}

impl Device {
    /// Looks it up; `None` if there is no such device.
    pub fn find(root: &Root, id: &Id) -> Result<Option<Self>, attach::Error> {
        let found = match id {
            Id::Pci(bdf) => root.pci(*bdf).map(|function| Self::of_function(id, &function)),
            Id::Auxiliary(name) => root.auxiliary(name).map(|device| Self::of(id, device, None)),
        };
        match found {
            Ok(device) => device.map(Some),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// As [`Device::find`], for an ADD.
    pub fn require(root: &Root, id: &Id) -> Result<Self, attach::Error> {
        let absent = || Error::Device {
            id: id.to_string(),
            problem: "this node has no such device: check `lspci -D` and the node's resource list".to_owned(),
        };
        let device = Self::find(root, id)?.ok_or_else(absent)?;
        device.require_lendable()?;
        Ok(device)
    }

    /// Refuses what is the node's own: who may write `deviceID` is often a tenant.
    fn require_lendable(&self) -> Result<(), attach::Error> {
        let refuse = |problem: String| Err(Error::Device { id: self.id.to_string(), problem }.into());
        match &self.id {
            Id::Auxiliary(name) if is_subfunction(name) => Ok(()),
            Id::Auxiliary(_) => refuse("this is no subfunction, as DRIVER.sf.NUMBER is".to_owned()),
            Id::Pci(_) => match self.vfs {
                Some(vfs @ 1..) => {
                    refuse(format!("this is a PF with {vfs} VFs: give one of its VFs to a pod, not the PF"))
                }
                _ if self.pf.is_some() || self.is_given_away()? => Ok(()),
                _ => refuse(NODES_OWN.to_owned()),
            },
        }
    }

    /// As a whole, by the administrator.
    fn is_given_away(&self) -> Result<bool, attach::Error> {
        let id = self.id.to_string();
        let node = Node::load(&Dirs::from_env()?)
            .map_err(|error| Error::Device { id: id.clone(), problem: error.to_string() })?;
        Ok(node.whole_functions.iter().any(|function| function.eq_ignore_ascii_case(&id)))
    }

    fn of_function(id: &Id, function: &sysfs::PciFunction) -> Result<Self, attach::Error> {
        let pf = function.vf()?.map(|(function, vf)| Pf { function, vf });
        let vfs = function.sriov_numvfs()?;
        Ok(Self { vfs, ..Self::of(id, sysfs::Device::clone(function), pf)? })
    }

    fn of(id: &Id, sysfs: sysfs::Device, pf: Option<Pf>) -> Result<Self, attach::Error> {
        let driver = sysfs.driver()?;
        Ok(Self { id: id.clone(), sysfs, pf, vfs: None, driver })
    }

    /// As in configs.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Whether it has a PCI address of its own.
    pub fn is_pci(&self) -> bool {
        matches!(self.id, Id::Pci(_))
    }

    /// Its PF; `None` inside a virtual machine, for a whole function and for a subfunction.
    pub fn pf(&self) -> Option<&Pf> {
        self.pf.as_ref()
    }

    /// The driver as it was found.
    pub fn driver(&self) -> Option<&str> {
        self.driver.as_deref()
    }

    /// The driver that alone may have it, empty for any; `None` where the bus knows no such thing.
    pub(crate) fn driver_override(&self) -> Result<Option<String>, attach::Error> {
        let Id::Pci(bdf) = &self.id else { return Ok(None) };
        Ok(Some(Root::system().pci(*bdf)?.driver_override()?.unwrap_or_default()))
    }

    /// Its directory in sysfs.
    pub fn path(&self) -> &Path {
        self.sysfs.path()
    }

    /// Names of its RDMA devices in the namespace that sysfs shows.
    pub fn rdma(&self) -> Result<Vec<String>, attach::Error> {
        Ok(self.sysfs.infiniband()?)
    }

    /// Whether its driver hands it to user space: then it has no interface and needs none.
    pub fn is_userspace(&self) -> bool {
        self.driver.as_deref().is_some_and(is_userspace)
    }

    /// Its interface in the host's namespace. A name in sysfs is good for a moment only, an index for longer.
    pub fn link(&self, host: &mut Rtnetlink) -> Result<Option<Link>, attach::Error> {
        let index = self.sysfs.netdev().and_then(|netdev| netdev.map(|netdev| netdev.ifindex()).transpose());
        match index {
            Ok(Some(index)) => Ok(host.link_by_index(index)?),
            Ok(None) => Ok(None),
            // It was renamed, or it left, between two readings.
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Its interface, for an ADD; `None` with a user space driver.
    pub fn require_link(&self, host: &mut Rtnetlink) -> Result<Option<Link>, attach::Error> {
        match self.link(host)? {
            Some(link) => Ok(Some(link)),
            None if self.is_userspace() => Ok(None),
            None => Err(self.no_interface().into()),
        }
    }

    /// Binds the driver that the device had: a workload may have taken it away.
    pub(crate) fn restore_driver(
        &self,
        driver: Option<&str>,
        driver_override: Option<&str>,
    ) -> Result<(), attach::Error> {
        let Id::Pci(bdf) = &self.id else { return Ok(()) };
        let function = Root::system().pci(*bdf)?;
        let bound = match driver {
            Some(driver) if self.driver() != Some(driver) => {
                tracing::warn!(device = %self.id, driver, "binding the driver that the device had");
                function.bind(driver)
            }
            _ => Ok(()),
        };
        restore_override(&function, driver_override)?;
        Ok(bound?)
    }

    fn no_interface(&self) -> Error {
        let hint = match self.driver {
            None => "bind it to its kernel driver, or to vfio-pci for user space".to_owned(),
            Some(_) => "another namespace may hold it, or the driver is still starting".to_owned(),
        };
        let driver = self.driver.clone().unwrap_or_else(|| "none".to_owned());
        Error::NoInterface { device: self.id.to_string(), driver, hint }
    }
}

impl Pf {
    /// The PF's interface in the host's namespace.
    pub fn link(&self, device: &Id, host: &mut Rtnetlink) -> Result<Link, attach::Error> {
        let away = || Error::PfAway { device: device.to_string(), pf: self.function.bdf().to_string() };
        let netdev = self.function.netdev()?.ok_or_else(away)?;
        Ok(host.link_by_index(netdev.ifindex()?)?.ok_or_else(away)?)
    }

    /// The driver that its VF attributes go to.
    pub fn driver(&self) -> String {
        self.function.driver().ok().flatten().unwrap_or_else(|| "unknown".to_owned())
    }
}

/// A workload may have set it, and so may one of ours that was killed while it bound a driver.
fn restore_override(function: &sysfs::PciFunction, before: Option<&str>) -> Result<(), attach::Error> {
    let Some(before) = before else { return Ok(()) };
    if function.driver_override()?.as_deref().unwrap_or_default() != before {
        function.set_driver_override(Some(before).filter(|driver| !driver.is_empty()))?;
    }
    Ok(())
}

/// Of the devices that a function has on the auxiliary bus the others are its own parts, such as `mlx5_core.eth.0`.
fn is_subfunction(name: &str) -> bool {
    name.rsplit('.').nth(1) == Some("sf")
}

/// The three that the peer knows, and the variants of vfio-pci that carry a vendor's name.
fn is_userspace(driver: &str) -> bool {
    matches!(driver, "uio_pci_generic" | "igb_uio") || driver.replace('_', "-").ends_with("vfio-pci")
}

#[cfg(test)]
mod tests;
