//! A directory that looks like sysfs where the crate looks at it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use sysfs::{Bdf, PciFunction, Root};

pub(crate) struct Tree {
    dir: tempfile::TempDir,
}

pub(crate) fn bdf(text: &str) -> Bdf {
    text.parse().expect("a PCI address of the test")
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    pub(crate) fn root(&self) -> Root {
        Root::new(self.dir.path())
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Below a bridge, as functions are.
    pub(crate) fn function(&self, bdf: &str) -> PathBuf {
        let device = self.path(&format!("devices/pci0000:3a/0000:3a:00.0/{bdf}"));
        put(&device.join("driver_override"), "(null)\n");
        link(&device, &self.path(&format!("bus/pci/devices/{bdf}")));
        device
    }

    pub(crate) fn pci(&self, text: &str) -> PciFunction {
        self.root().pci(bdf(text)).expect("the function of the test")
    }

    pub(crate) fn vf(&self, pf: &Path, index: u32, bdf: &str) -> PathBuf {
        let vf = self.function(bdf);
        link(&vf, &pf.join(format!("virtfn{index}")));
        link(pf, &vf.join("physfn"));
        vf
    }

    pub(crate) fn auxiliary(&self, function: &Path, name: &str) -> PathBuf {
        let device = function.join(name);
        fs::create_dir_all(&device).expect("a device directory");
        fs::create_dir_all(self.path("bus/auxiliary")).expect("a bus directory");
        link(&self.path("bus/auxiliary"), &device.join("subsystem"));
        link(&device, &self.path(&format!("bus/auxiliary/devices/{name}")));
        device
    }

    /// An interface with index `ifindex`, Ethernet unless `attributes` say otherwise.
    pub(crate) fn netdev(
        &self,
        device: &Path,
        name: &str,
        ifindex: u32,
        attributes: &[(&str, &str)],
    ) -> PathBuf {
        let net = device.join("net").join(name);
        let index = ifindex.to_string();
        for (attribute, value) in
            [("ifindex", &*index), ("iflink", &*index), ("type", "1"), ("dev_port", "0")]
                .iter()
                .chain(attributes)
        {
            put(&net.join(attribute), &format!("{value}\n"));
        }
        link(device, &net.join("device"));
        link(&net, &self.path(&format!("class/net/{name}")));
        net
    }

    pub(crate) fn rdma(&self, device: &Path, name: &str) -> PathBuf {
        let rdma = device.join("infiniband").join(name);
        put(&rdma.join("node_guid"), "0002:c903:0028:7a1c\n");
        link(device, &rdma.join("device"));
        link(&rdma, &self.path(&format!("class/infiniband/{name}")));
        rdma
    }

    pub(crate) fn driver(&self, name: &str) -> PathBuf {
        let driver = self.path(&format!("bus/pci/drivers/{name}"));
        put(&driver.join("bind"), "");
        put(&driver.join("unbind"), "");
        driver
    }
}

#[expect(clippy::disallowed_methods, reason = "nobody reads the tree while it is built")]
pub(crate) fn put(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("a file in a directory")).expect("a directory");
    fs::write(path, content).expect("a file");
}

pub(crate) fn link(target: &Path, path: &Path) {
    fs::create_dir_all(path.parent().expect("a link in a directory")).expect("a directory");
    symlink(target, path).expect("a link");
}
