//! PCI functions, their VFs, drivers and devices of the auxiliary bus.

use super::tree::{Tree, bdf, link, put};
use std::fs;
use sysfs::Error;

const PF: &str = "0000:3b:00.0";

#[test]
fn the_number_of_a_vf_is_that_in_the_name_of_the_link() {
    let tree = Tree::new();
    let pf = tree.function(PF);
    // By position, and by name in text order (virtfn10 < virtfn2), these would be 0, 1, 2.
    for (index, vf) in [(2, "0000:3b:00.4"), (10, "0000:3b:01.4"), (127, "0000:3b:10.1")] {
        tree.vf(&pf, index, vf);
    }
    for (index, vf) in [(2, "0000:3b:00.4"), (10, "0000:3b:01.4"), (127, "0000:3b:10.1")] {
        assert_eq!(tree.pci(vf).vf().unwrap(), Some((tree.pci(PF), index)));
    }
    assert_eq!(tree.pci(PF).vfs().unwrap().keys().copied().collect::<Vec<_>>(), [2, 10, 127]);
    assert_eq!(tree.pci("0000:3b:01.4").physfn().unwrap().unwrap().bdf(), bdf(PF));
}

#[test]
fn a_number_by_the_place_on_the_bus_counts_only_if_the_link_has_it() {
    let tree = Tree::new();
    let pf = tree.function(PF);
    put(&pf.join("sriov_offset"), "4\n");
    put(&pf.join("sriov_stride"), "1\n");
    // The third is on the next bus; the last is where by its place 3 would be.
    for (index, vf) in
        [(0, "0000:3b:00.4"), (10, "0000:3b:01.6"), (252, "0000:3c:00.0"), (40, "0000:3b:00.7")]
    {
        tree.vf(&pf, index, vf);
        assert_eq!(tree.pci(vf).vf().unwrap().unwrap().1, index, "{vf}");
    }
    put(&pf.join("sriov_stride"), "0\n");
    assert_eq!(tree.pci("0000:3b:00.4").vf().unwrap().unwrap().1, 0, "a single one has no stride");
}

#[test]
fn a_function_without_sriov_is_neither_pf_nor_vf() {
    let tree = Tree::new();
    tree.function(PF);
    let function = tree.pci(PF);
    assert_eq!(function.physfn().unwrap(), None);
    assert_eq!(function.vf().unwrap(), None);
    assert_eq!(function.sriov_numvfs().unwrap(), None);
    assert_eq!(function.driver().unwrap(), None);
    assert!(function.vfs().unwrap().is_empty() && function.netdev().unwrap().is_none());
}

#[test]
fn a_vf_that_its_pf_does_not_list_is_an_error() {
    let tree = Tree::new();
    let pf = tree.function(PF);
    link(&pf, &tree.function("0000:3b:00.4").join("physfn"));
    let error = tree.pci("0000:3b:00.4").vf().unwrap_err();
    assert!(error.to_string().contains("0000:3b:00.0/virtfn*"), "{error}");
}

#[test]
fn numbers_of_vfs_are_read_and_nonsense_is_named() {
    let tree = Tree::new();
    let pf = tree.function(PF);
    put(&pf.join("sriov_numvfs"), "8\n");
    put(&pf.join("sriov_totalvfs"), "many\n");
    assert_eq!(tree.pci(PF).sriov_numvfs().unwrap(), Some(8));
    let error = tree.pci(PF).sriov_totalvfs().unwrap_err().to_string();
    assert!(error.ends_with("/sriov_totalvfs holds `many`: expected a decimal number"), "{error}");
}

#[test]
fn an_absent_function_says_what_was_looked_for() {
    let tree = Tree::new();
    let error = tree.root().pci(bdf(PF)).unwrap_err();
    assert!(error.is_absent());
    let path = tree.path("bus/pci/devices/0000:3b:00.0");
    assert_eq!(error.to_string(), format!("{} does not exist: expected a PCI function", path.display()));
}

#[test]
fn auxiliary_devices_are_those_of_that_bus() {
    let tree = Tree::new();
    let pf = tree.function(PF);
    let sf = tree.auxiliary(&pf, "mlx5_core.sf.4");
    tree.auxiliary(&pf, "mlx5_core.eth.0");
    fs::create_dir(pf.join("power")).unwrap();
    tree.netdev(&sf, "enp59s0f0s88", 9, &[]);
    tree.rdma(&sf, "mlx5_7");
    assert_eq!(tree.pci(PF).auxiliary().unwrap(), ["mlx5_core.eth.0", "mlx5_core.sf.4"]);
    let device = tree.root().auxiliary("mlx5_core.sf.4").unwrap();
    assert_eq!(device.netdev().unwrap().unwrap().name(), "enp59s0f0s88");
    assert_eq!(device.infiniband().unwrap(), ["mlx5_7"]);
    assert_eq!(device.pci_function().unwrap(), Some(bdf(PF)));
    assert!(tree.pci(PF).netdev().unwrap().is_none(), "the SF's interface is not the PF's");
    assert!(matches!(tree.root().auxiliary("../pci"), Err(Error::Name(..))));
}

#[test]
fn unbind_writes_the_address_once_and_only_with_a_driver() {
    let tree = Tree::new();
    let (vf, driver) = (tree.function(PF), tree.driver("mlx5_core"));
    tree.pci(PF).unbind().unwrap();
    assert_eq!(fs::read_to_string(driver.join("unbind")).unwrap(), "");
    link(&driver, &vf.join("driver"));
    assert_eq!(tree.pci(PF).driver().unwrap().as_deref(), Some("mlx5_core"));
    tree.pci(PF).unbind().unwrap();
    assert_eq!(fs::read_to_string(driver.join("unbind")).unwrap(), PF);
}

#[test]
fn bind_is_nothing_for_the_present_driver_and_refuses_one_that_is_not_loaded() {
    let tree = Tree::new();
    let (vf, driver) = (tree.function(PF), tree.driver("mlx5_core"));
    link(&driver, &vf.join("driver"));
    tree.pci(PF).bind("mlx5_core").unwrap();
    let error = tree.pci(PF).bind("vfio-pci").unwrap_err().to_string();
    assert!(error.ends_with("drivers/vfio-pci does not exist: expected a loaded PCI driver"), "{error}");
    assert!(matches!(tree.pci(PF).bind("../mlx5_core"), Err(Error::Name(..))));
    assert_eq!(fs::read_to_string(driver.join("unbind")).unwrap(), "");
    assert_eq!(fs::read_to_string(vf.join("driver_override")).unwrap(), "(null)\n");
}

/// A directory does not bind: the files show what was asked for, and the crate must notice that it did not happen.
#[test]
fn bind_asks_both_drivers_and_checks() {
    let tree = Tree::new();
    let (vf, old, new) = (tree.function(PF), tree.driver("mlx5_core"), tree.driver("vfio-pci"));
    link(&old, &vf.join("driver"));
    let error = tree.pci(PF).bind("vfio-pci").unwrap_err().to_string();
    assert!(error.ends_with("has driver mlx5_core: expected vfio-pci; is the module loaded?"), "{error}");
    assert_eq!(fs::read_to_string(old.join("unbind")).unwrap(), PF);
    assert_eq!(fs::read_to_string(new.join("bind")).unwrap(), PF);
    assert_eq!(fs::read_to_string(vf.join("driver_override")).unwrap(), "(null)\n", "it takes none");
}

#[test]
fn an_override_is_read_named_and_cleared() {
    let tree = Tree::new();
    let vf = tree.function(PF);
    assert_eq!(tree.pci(PF).driver_override().unwrap(), None);
    tree.pci(PF).set_driver_override(Some("vfio-pci")).unwrap();
    assert_eq!(fs::read_to_string(vf.join("driver_override")).unwrap(), "vfio-pci\n");
    assert!(matches!(tree.pci(PF).set_driver_override(Some("../x")), Err(Error::Name(..))));
}
