use std::fs::create_dir_all;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;

const VF: &str = "0000:3b:02.5";
const PF: &str = "0000:3b:00.0";

/// A tree that looks like /sys.
struct Tree {
    base: tempfile::TempDir,
}

impl Tree {
    fn new() -> Self {
        let tree = Self { base: tempfile::tempdir().unwrap() };
        tree.directory("bus/pci/devices");
        tree
    }

    /// The PF with one VF, number 3 although it is the only one.
    fn with_vf() -> Self {
        let tree = Self::new();
        for function in [PF, VF] {
            tree.directory(&format!("devices/{function}"));
            tree.link(&format!("bus/pci/devices/{function}"), &format!("../../../devices/{function}"));
        }
        tree.link(&format!("devices/{VF}/physfn"), &format!("../{PF}"));
        tree.link(&format!("devices/{PF}/virtfn3"), &format!("../{VF}"));
        tree.file(&format!("devices/{PF}/sriov_numvfs"), "1\n");
        tree
    }

    fn path(&self, path: &str) -> PathBuf {
        self.base.path().join(path)
    }

    fn directory(&self, path: &str) {
        create_dir_all(self.path(path)).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        symlink(target, self.path(path)).unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "nobody else looks at this tree")]
    fn file(&self, path: &str, text: &str) {
        std::fs::write(self.path(path), text).unwrap();
    }

    fn driver(&self, function: &str, driver: &str) {
        self.directory(&format!("drivers/{driver}"));
        self.link(&format!("devices/{function}/driver"), &format!("../../drivers/{driver}"));
    }

    fn find(&self, id: &str) -> Result<Option<Device>, attach::Error> {
        Device::find(&Root::new(self.base.path()), &Id::parse(id).unwrap())
    }
}

#[test]
fn ids_are_pci_addresses_in_any_case_or_auxiliary_names() {
    assert_eq!(Id::parse("0000:3B:02.5").unwrap().to_string(), VF);
    assert_eq!(Id::parse("mlx5_core.sf.4").unwrap(), Id::Auxiliary("mlx5_core.sf.4".to_owned()));
    for bad in ["", "eth0", "3b:02.5", "../0000:3b:02.5", "mlx5_core.sf", "a/b.1", "mlx5_0"] {
        let said = Id::parse(bad).unwrap_err().to_string();
        assert!(said.contains(&format!("\"{bad}\"")) && said.contains("0000:3b:02.5"), "{said}");
    }
}

#[test]
fn a_vf_knows_its_pf_and_its_number() {
    let tree = Tree::with_vf();
    tree.driver(VF, "mlx5_core");
    let device = tree.find(VF).unwrap().unwrap();
    let pf = device.pf().unwrap();
    assert_eq!((pf.function.bdf().to_string(), pf.vf), (PF.to_owned(), 3), "by link, never by position");
    assert_eq!((device.driver(), device.is_userspace()), (Some("mlx5_core"), false));
}

#[test]
fn inside_a_virtual_machine_there_is_no_pf() {
    let tree = Tree::new();
    tree.directory("bus/pci/devices/0000:3b:02.5");
    assert!(tree.find(VF).unwrap().unwrap().pf().is_none());
}

#[test]
fn a_pf_is_not_given_away_with_its_vfs() {
    let tree = Tree::with_vf();
    let require = || Device::require(&Root::new(tree.base.path()), &Id::parse(PF).unwrap());
    let said = require().unwrap_err().to_string();
    assert!(said.contains(PF) && said.contains("PF with 1 VFs"), "{said}");
    assert!(tree.find(PF).unwrap().is_some(), "one that has got VFs meanwhile can still be taken back");
}

#[test]
fn what_is_the_nodes_own_is_given_to_no_pod() {
    let tree = Tree::with_vf();
    tree.file(&format!("devices/{PF}/sriov_numvfs"), "0\n");
    for id in [PF, "mlx5_core.eth.0", "mlx5_core.rdma.3"] {
        tree.directory(&format!("bus/auxiliary/devices/{id}"));
        let said =
            Device::require(&Root::new(tree.base.path()), &Id::parse(id).unwrap()).unwrap_err().to_string();
        assert!(said.contains(id) && said.contains("no "), "{said}");
    }
    tree.directory("bus/auxiliary/devices/mlx5_core.sf.4");
    for id in [VF, "mlx5_core.sf.4"] {
        Device::require(&Root::new(tree.base.path()), &Id::parse(id).unwrap()).unwrap();
    }
}

#[test]
fn a_subfunction_is_found_by_its_name() {
    let tree = Tree::new();
    tree.directory("bus/auxiliary/devices/mlx5_core.sf.4/infiniband/mlx5_7");
    let device = tree.find("mlx5_core.sf.4").unwrap().unwrap();
    assert!(!device.is_pci() && device.pf().is_none());
    assert_eq!(device.rdma().unwrap(), ["mlx5_7"]);
}

#[test]
fn what_is_gone_is_none_for_an_undo_and_an_error_for_an_add() {
    let tree = Tree::new();
    assert!(tree.find(VF).unwrap().is_none());
    let error = Device::require(&Root::new(tree.base.path()), &Id::parse(VF).unwrap()).unwrap_err();
    assert!(error.to_string().contains("no such device"), "{error}");
}

#[test]
fn vendors_variants_of_vfio_are_known() {
    for driver in ["vfio-pci", "mlx5_vfio_pci", "hisi_acc_vfio_pci", "uio_pci_generic", "igb_uio"] {
        assert!(is_userspace(driver), "{driver}");
    }
    for driver in ["mlx5_core", "iavf", "vfio", "igbvf"] {
        assert!(!is_userspace(driver), "{driver}");
    }
}
