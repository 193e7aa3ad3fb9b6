use crate::{Bdf, Device, Error, Netdev, PciFunction, RdmaDevice};
use std::path::{Component, Path, PathBuf};

/// Where sysfs is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Root {
    /// Any directory that looks like sysfs.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// /sys
    pub fn system() -> Self {
        Self::new("/sys")
    }

    /// The PCI function at this address; an error if there is none.
    pub fn pci(&self, bdf: Bdf) -> Result<PciFunction, Error> {
        let path = self.existing(&format!("bus/pci/devices/{bdf}"), "a PCI function")?;
        Ok(PciFunction::new(self.clone(), bdf, Device::new(path)))
    }

    /// A device of the auxiliary bus, such as the subfunction `mlx5_core.sf.4`; an error if there is none.
    pub fn auxiliary(&self, name: &str) -> Result<Device, Error> {
        let name = one_component(name, "auxiliary device")?;
        self.existing(&format!("bus/auxiliary/devices/{name}"), "an auxiliary device").map(Device::new)
    }

    /// The interface of this name in the namespace that sysfs shows; an error if there is none.
    pub fn net(&self, ifname: &str) -> Result<Netdev, Error> {
        let ifname = one_component(ifname, "network interface")?;
        self.existing(&format!("class/net/{ifname}"), "a network interface").map(Netdev::new)
    }

    /// The RDMA device of this name, such as `mlx5_0`; an error if there is none.
    pub fn infiniband(&self, name: &str) -> Result<RdmaDevice, Error> {
        let name = one_component(name, "RDMA device")?;
        self.existing(&format!("class/infiniband/{name}"), "an RDMA device").map(RdmaDevice::new)
    }

    pub(crate) fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.0.join(path)
    }

    fn existing(&self, path: &str, expected: &'static str) -> Result<PathBuf, Error> {
        let path = self.join(path);
        match path.try_exists() {
            Ok(true) => Ok(path),
            Ok(false) => Err(Error::Absent { path, expected }),
            Err(source) => Err(crate::attribute::unreadable(&path, source)),
        }
    }
}

/// Names come from configs: none may lead out of its directory.
pub(crate) fn one_component<'a>(name: &'a str, kind: &'static str) -> Result<&'a str, Error> {
    let mut components = Path::new(name).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(only)), None) if only == name => Ok(name),
        _ => Err(Error::Name(name.into(), kind)),
    }
}
