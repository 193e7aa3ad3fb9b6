//! RDMA devices and the functions they belong to.

use super::tree::{Tree, bdf, put};
use sysfs::LinkLayer;

const PF: &str = "0000:3b:00.0";

#[test]
fn a_function_lists_its_rdma_devices_and_they_name_it() {
    let tree = Tree::new();
    let function = tree.function(PF);
    tree.rdma(&function, "mlx5_0");
    tree.rdma(&function, "mlx5_bond_0");
    assert_eq!(tree.pci(PF).infiniband().unwrap(), ["mlx5_0", "mlx5_bond_0"]);
    assert_eq!(tree.root().infiniband("mlx5_0").unwrap().pci_function().unwrap(), Some(bdf(PF)));
}

#[test]
fn a_software_device_has_no_function() {
    let tree = Tree::new();
    put(&tree.path("class/infiniband/rxe0/node_guid"), "5054:00ff:fe12:3456\n");
    let rxe = tree.root().infiniband("rxe0").unwrap();
    assert_eq!((rxe.name(), rxe.pci_function().unwrap()), ("rxe0", None));
    assert_eq!(rxe.node_guid().unwrap(), 0x5054_00ff_fe12_3456);
}

#[test]
fn ports_are_numbers_in_order_each_with_its_link_layer() {
    let tree = Tree::new();
    let rdma = tree.rdma(&tree.function(PF), "mlx5_0");
    for (port, layer) in [("10", "Ethernet"), ("2", "InfiniBand"), ("1", "TokenRing")] {
        put(&rdma.join("ports").join(port).join("link_layer"), &format!("{layer}\n"));
    }
    let device = tree.root().infiniband("mlx5_0").unwrap();
    assert_eq!(device.ports().unwrap(), [1, 2, 10]);
    assert_eq!(device.link_layer(2).unwrap(), LinkLayer::Infiniband);
    assert_eq!(device.link_layer(10).unwrap(), LinkLayer::Ethernet);
    let error = device.link_layer(1).unwrap_err().to_string();
    assert!(
        error.ends_with("ports/1/link_layer holds `TokenRing`: expected `InfiniBand` or `Ethernet`"),
        "{error}"
    );
    assert!(device.link_layer(3).is_err_and(|error| error.is_absent()));
}

#[test]
fn a_guid_that_is_none_is_shown() {
    let tree = Tree::new();
    let rdma = tree.rdma(&tree.function(PF), "mlx5_0");
    for guid in ["0002:c903:0028", "0002:c903:0028:7a1g", "+002:c903:0028:7a1c"] {
        put(&rdma.join("node_guid"), guid);
        let error = tree.root().infiniband("mlx5_0").unwrap().node_guid().unwrap_err().to_string();
        assert!(error.contains(&format!("node_guid holds `{guid}`: expected a GUID")), "{error}");
    }
}
