//! What the node has, as far as wishes depend on it.

use std::path::PathBuf;

use crate::key::Key;

/// The NICs of the settings, and the routes where theirs are to be.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Those of the settings that are there.
    pub nics: Vec<NicFacts>,
    /// Interfaces of functions that are to have another name, by PCI address.
    pub misnamed: Vec<(String, String)>,
    /// The RDMA core is loaded.
    pub has_rdma: bool,
}

/// One NIC.
#[derive(Clone, Debug, Default)]
pub struct NicFacts {
    /// As the settings call it.
    pub name: String,
    /// Not Ethernet.
    pub is_infiniband: bool,
    /// Its PCI function, if it has one.
    pub pci: Option<String>,
    /// The largest MTU that its driver takes.
    pub max_mtu: Option<u32>,
    /// How many VFs it can have; `None`: it is no PF.
    pub total_vfs: Option<u32>,
    /// How many VFs it has now.
    pub num_vfs: Option<u32>,
    /// Interfaces of its VFs in this namespace.
    pub vfs: Vec<String>,
    /// Its RDMA devices.
    pub rdma: Vec<String>,
    /// configfs has a place for the defaults of RDMA CM.
    pub has_rdma_cm: bool,
    /// Files of its driver about congestion notifications, below the root.
    pub notifications: Vec<PathBuf>,
    /// The firmware runs DCBX, and refuses what the host wants.
    pub dcb_by_firmware: bool,
    /// Routes in its table, and in main to the RDMA subnets.
    pub routes: Vec<Key>,
}

impl Inventory {
    /// The NIC of that name.
    pub fn nic(&self, name: &str) -> Option<&NicFacts> {
        self.nics.iter().find(|nic| nic.name == name)
    }

    /// Another name that the interface of a function has.
    pub fn misnamed(&self, pci: &str) -> Option<&str> {
        self.misnamed.iter().find(|(own, _)| own == pci).map(|(_, name)| &**name)
    }
}
