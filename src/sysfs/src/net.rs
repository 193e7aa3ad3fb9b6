use crate::attribute;
use crate::device::nearest_function;
use crate::{Bdf, Error};
use std::path::{Path, PathBuf};

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Netdev {
    path: PathBuf,
}

/// `ARPHRD_*` of `include/uapi/linux/if_arp.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// 1
    Ethernet,
    /// 32: `IPoIB`
    Infiniband,
    /// 772
    Loopback,
    /// Any other number.
    Other(u16),
}

impl Netdev {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The interface's name.
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Its directory below the root.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The interface index.
    pub fn ifindex(&self) -> Result<u32, Error> {
        attribute::number(&self.path.join("ifindex"))
    }

    /// Bytes.
    pub fn mtu(&self) -> Result<u32, Error> {
        attribute::number(&self.path.join("mtu"))
    }

    /// What kind of link layer it has.
    pub fn link_type(&self) -> Result<LinkType, Error> {
        Ok(match attribute::number(&self.path.join("type"))? {
            1 => LinkType::Ethernet,
            32 => LinkType::Infiniband,
            772 => LinkType::Loopback,
            other => LinkType::Other(other),
        })
    }

    /// The port of a device that has several, from 0.
    pub fn dev_port(&self) -> Result<u32, Error> {
        Ok(attribute::optional_number(&self.path.join("dev_port"))?.unwrap_or(0))
    }

    /// `p0`, or `pf0vf3` for a representor; `None` where the driver has no such names.
    pub fn phys_port_name(&self) -> Result<Option<String>, Error> {
        attribute::optional(&self.path.join("phys_port_name"))
    }

    /// The embedded switch that the port belongs to; `None` in legacy mode.
    pub fn phys_switch_id(&self) -> Result<Option<String>, Error> {
        attribute::optional(&self.path.join("phys_switch_id"))
    }

    /// The PCI function that it belongs to, directly or through a device between them; `None` for a virtual link.
    pub fn pci_function(&self) -> Result<Option<Bdf>, Error> {
        let device = self.path.join("device");
        if attribute::link_name(&device)?.is_none() {
            return Ok(None);
        }
        nearest_function(&device)
    }

    /// A port of the embedded switch that stands for a VF, an SF or another PF. The names are those of
    /// `devlink_port` in net/devlink/port.c: physical ports are `pN` or, split, `pNsM`.
    pub(crate) fn is_representor(&self) -> Result<bool, Error> {
        if self.phys_switch_id()?.is_none() {
            return Ok(false);
        }
        Ok(self.phys_port_name()?.is_some_and(|name| !is_physical(&name)))
    }

    /// A partition of an `IPoIB` link has the parent's device, but also the parent's index as `iflink`.
    pub(crate) fn is_child(&self) -> Result<bool, Error> {
        match attribute::optional_number::<u32>(&self.path.join("iflink"))? {
            Some(iflink) => Ok(iflink != self.ifindex()?),
            None => Ok(false),
        }
    }
}

fn is_physical(port_name: &str) -> bool {
    let numeric = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(rest) = port_name.strip_prefix('p') else { return false };
    match rest.split_once('s') {
        Some((port, split)) => numeric(port) && numeric(split),
        None => numeric(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::is_physical;

    #[test]
    fn only_ports_of_the_card_are_physical() {
        for name in ["p0", "p1", "p12", "p0s3"] {
            assert!(is_physical(name), "{name}");
        }
        for name in ["pf0", "pf0vf3", "pf1sf88", "c1pf0vf0", "pf0hpf", "p", "p0s", "ps1", "0", ""] {
            assert!(!is_physical(name), "{name}");
        }
    }
}
