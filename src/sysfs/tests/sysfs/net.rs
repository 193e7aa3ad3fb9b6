//! Which interface belongs to a device, and what an interface tells about itself.

use super::tree::{Tree, bdf, put};
use sysfs::{Error, LinkType, Root};

const PF: &str = "0000:3b:00.0";
const SWITCH: (&str, &str) = ("phys_switch_id", "6a2c5e0003a1420c");

#[test]
fn the_uplink_is_chosen_among_representors() {
    let tree = Tree::new();
    let pf = tree.function(PF);
    // Names sort before the uplink's, and their indexes are lower.
    tree.netdev(&pf, "ens1_0", 3, &[SWITCH, ("phys_port_name", "pf0vf0")]);
    tree.netdev(&pf, "ens1_1", 4, &[SWITCH, ("phys_port_name", "pf0sf88")]);
    tree.netdev(&pf, "eth9", 5, &[SWITCH, ("phys_port_name", "c1pf0")]);
    tree.netdev(&pf, "rail1", 9, &[SWITCH, ("phys_port_name", "p0")]);
    assert_eq!(tree.pci(PF).netdev().unwrap().unwrap().name(), "rail1");
    assert_eq!(tree.pci(PF).netdevs().unwrap().len(), 4);
}

#[test]
fn a_port_name_means_nothing_without_a_switch() {
    let tree = Tree::new();
    let pf = tree.function(PF);
    tree.netdev(&pf, "eth0", 3, &[("phys_port_name", "pf0vf0")]);
    assert_eq!(tree.pci(PF).netdev().unwrap().unwrap().name(), "eth0");
}

#[test]
fn two_ports_of_one_function_are_told_apart_by_dev_port() {
    let tree = Tree::new();
    let function = tree.function(PF);
    tree.netdev(&function, "aa", 3, &[("dev_port", "1")]);
    tree.netdev(&function, "bb", 4, &[("dev_port", "0")]);
    assert_eq!(tree.pci(PF).netdev().unwrap().unwrap().name(), "bb");
}

#[test]
fn a_partition_of_an_ipoib_link_is_not_the_link() {
    let tree = Tree::new();
    let function = tree.function(PF);
    tree.netdev(&function, "ib0", 7, &[("type", "32")]);
    tree.netdev(&function, "aib.8001", 8, &[("type", "32"), ("iflink", "7")]);
    assert_eq!(tree.pci(PF).netdev().unwrap().unwrap().name(), "ib0");
}

#[test]
fn interfaces_that_nothing_tells_apart_are_an_error_that_names_them() {
    let tree = Tree::new();
    let function = tree.function(PF);
    tree.netdev(&function, "eth1", 3, &[]);
    tree.netdev(&function, "eth2", 4, &[]);
    let error = tree.pci(PF).netdev().unwrap_err();
    assert!(matches!(&error, Error::Ambiguous { names, .. } if names == &["eth1", "eth2"]));
    assert!(error.to_string().contains("(eth1, eth2)"), "{error}");
}

#[test]
fn an_interface_knows_its_function_even_through_a_device_between() {
    let tree = Tree::new();
    let function = tree.function(PF);
    tree.netdev(&function, "direct", 3, &[]);
    let virtio = function.join("virtio0");
    tree.netdev(&virtio, "below", 4, &[]);
    put(&tree.path("class/net/veth0/ifindex"), "5\n");
    let function_of = |ifname: &str| tree.root().net(ifname).unwrap().pci_function().unwrap();
    assert_eq!(function_of("direct"), Some(bdf(PF)));
    assert_eq!(function_of("below"), Some(bdf(PF)));
    assert_eq!(function_of("veth0"), None);
}

#[test]
fn numbers_and_types_are_read() {
    let tree = Tree::new();
    tree.netdev(&tree.function(PF), "ib0", 7, &[("type", "32"), ("mtu", "4092")]);
    let netdev = tree.root().net("ib0").unwrap();
    assert_eq!((netdev.ifindex().unwrap(), netdev.mtu().unwrap()), (7, 4092));
    assert_eq!(netdev.link_type().unwrap(), LinkType::Infiniband);
    assert_eq!((netdev.phys_port_name().unwrap(), netdev.phys_switch_id().unwrap()), (None, None));
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let tree = Tree::new();
    put(&tree.path("class/other/ifindex"), "1\n");
    for name in ["../other", "..", ".", "", "a/b", "/etc", "a/"] {
        assert!(matches!(tree.root().net(name), Err(Error::Name(..))), "{name}");
    }
    assert!(tree.root().net("eth77").is_err_and(|error| error.is_absent()));
}

/// The attributes of a real kernel, with its answers where a driver does not implement one.
#[test]
fn a_link_of_this_kernel_is_read_in_its_namespace() {
    let world = testkit::World::new();
    let rail = world.rail(1);
    let netdev = Root::system().net(&rail.master).unwrap();
    assert_eq!(netdev.ifindex().unwrap(), nix::net::if_::if_nametoindex(&*rail.master).unwrap());
    assert_eq!(netdev.mtu().unwrap(), 9000);
    assert_eq!(netdev.link_type().unwrap(), LinkType::Ethernet);
    assert_eq!((netdev.phys_port_name().unwrap(), netdev.phys_switch_id().unwrap()), (None, None));
    assert_eq!(netdev.pci_function().unwrap(), None);
    assert_eq!(Root::system().net("lo").unwrap().link_type().unwrap(), LinkType::Loopback);
    assert!(Root::system().net("eth0").is_err_and(|error| error.is_absent()), "that one is the machine's");
}
