use crate::{Bdf, Error, Netdev, attribute};
use std::path::{Path, PathBuf};

/// A device of any bus: its driver, and the interfaces and RDMA devices that the driver made for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    path: PathBuf,
}

impl Device {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Its directory below the root.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the bound driver.
    pub fn driver(&self) -> Result<Option<String>, Error> {
        attribute::link_name(&self.path.join("driver"))
    }

    /// Names of the RDMA devices, such as `mlx5_0`.
    pub fn infiniband(&self) -> Result<Vec<String>, Error> {
        attribute::names(&self.path.join("infiniband"))
    }

    /// Every interface whose parent is this device, in the order of names.
    pub fn netdevs(&self) -> Result<Vec<Netdev>, Error> {
        let net = self.path.join("net");
        Ok(attribute::names(&net)?.iter().map(|name| Netdev::new(net.join(name))).collect())
    }

    /// The interface that is this device's own first port.
    ///
    /// Several interfaces can have the device as parent. Left out are representors (in switchdev mode, what is not
    /// named as a physical port) and children (`IPoIB` partitions); of several ports the one with the lowest
    /// `dev_port` is meant. `None` if there is no interface: a VF with a userspace driver, or one that has
    /// been moved to another namespace.
    pub fn netdev(&self) -> Result<Option<Netdev>, Error> {
        let mut ports = self.own_ports()?;
        let Some(first) = ports.iter().map(|(port, _)| *port).min() else { return Ok(None) };
        ports.retain(|(port, _)| *port == first);
        self.only(ports.into_iter().map(|(_, netdev)| netdev).collect())
    }

    /// The PCI function that this device is, or that it hangs below.
    pub fn pci_function(&self) -> Result<Option<Bdf>, Error> {
        nearest_function(&self.path)
    }

    fn own_ports(&self) -> Result<Vec<(u32, Netdev)>, Error> {
        let mut ports = Vec::new();
        for netdev in self.netdevs()? {
            if !netdev.is_representor()? && !netdev.is_child()? {
                ports.push((netdev.dev_port()?, netdev));
            }
        }
        Ok(ports)
    }

    fn only(&self, mut netdevs: Vec<Netdev>) -> Result<Option<Netdev>, Error> {
        if netdevs.len() > 1 {
            let names = netdevs.iter().map(|netdev| netdev.name().to_owned()).collect();
            return Err(Error::Ambiguous { path: self.path.clone(), names });
        }
        Ok(netdevs.pop())
    }
}

/// The real path is a chain of devices: an SF or a virtio device hangs below its function.
pub(crate) fn nearest_function(path: &Path) -> Result<Option<Bdf>, Error> {
    let real = path.canonicalize().map_err(|source| attribute::unreadable(path, source))?;
    let mut names = real.ancestors().filter_map(|ancestor| ancestor.file_name()?.to_str());
    Ok(names.find_map(|name| name.parse().ok()))
}
