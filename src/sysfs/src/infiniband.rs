use crate::attribute;
use crate::device::nearest_function;
use crate::{Bdf, Error};
use std::path::{Path, PathBuf};

/// An RDMA device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdmaDevice {
    path: PathBuf,
}

/// What a port of an RDMA device speaks below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkLayer {
    /// `RoCE`, iWARP
    Ethernet,
    /// Native
    Infiniband,
}

impl RdmaDevice {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// `mlx5_0`
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Its directory below the root.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The PCI function that it belongs to; `None` for rxe and siw.
    pub fn pci_function(&self) -> Result<Option<Bdf>, Error> {
        let device = self.path.join("device");
        if attribute::link_name(&device)?.is_none() {
            return Ok(None);
        }
        nearest_function(&device)
    }

    /// The GUID; sysfs shows its bytes as four groups of hexadecimal digits, the first one on the left.
    pub fn node_guid(&self) -> Result<u64, Error> {
        let path = self.path.join("node_guid");
        let expected = "a GUID such as 0002:c903:0028:7a1c";
        let value = attribute::text(&path, expected)?;
        let digits = value.replace(':', "");
        let plain = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let guid = plain.then(|| u64::from_str_radix(&digits, 16).ok()).flatten();
        guid.ok_or(Error::Content { path, value, expected })
    }

    /// Port numbers, from 1.
    pub fn ports(&self) -> Result<Vec<u32>, Error> {
        let mut ports = Vec::new();
        for value in attribute::names(&self.path.join("ports"))? {
            let path = self.path.join("ports").join(&value);
            let port = value.parse();
            ports.push(port.map_err(|_| Error::Content { path, value, expected: "the number of a port" })?);
        }
        ports.sort_unstable();
        Ok(ports)
    }

    /// The link layer of one port.
    pub fn link_layer(&self, port: u32) -> Result<LinkLayer, Error> {
        let path = self.path.join(format!("ports/{port}/link_layer"));
        let expected = "`InfiniBand` or `Ethernet`";
        match attribute::text(&path, expected)?.as_str() {
            "InfiniBand" => Ok(LinkLayer::Infiniband),
            "Ethernet" => Ok(LinkLayer::Ethernet),
            value => Err(Error::Content { path, value: value.into(), expected }),
        }
    }
}
