//! Each check made to fail and to pass by a picture of /sys, in the order of the checks.

mod tree;

use netlink::{Dcb, DscpPriority, Pfc};

use super::super::{Check, Finding, Level, Netdev, Sight, Whose, judge, look, map, nccl};
use crate::roce::Roce;
use tree::Tree;

/// Two RoCE rails with a GPU below the switch of each, all as it should be.
fn good() -> Tree {
    let tree = Tree::new();
    for rail in 0..2 {
        tree.rail(rail);
    }
    tree.node();
    tree
}

fn netdev(name: &str, mtu: u32, addresses: &[&str]) -> Netdev {
    let dcb = Dcb {
        pfc: Some(Pfc { enabled: 1 << 5, ..Pfc::default() }),
        dscp: vec![DscpPriority { dscp: 40, priority: 5 }, DscpPriority { dscp: 48, priority: 6 }],
        ..Dcb::default()
    };
    let addresses = addresses.iter().map(|net| net.parse().unwrap()).collect();
    Netdev { name: name.into(), mtu, up: true, addresses, dcb: Some(dcb) }
}

/// With what netlink says of that node.
fn seen(tree: &Tree, whose: Whose) -> Sight {
    let mut sight = look(tree.root(), whose);
    sight.netdevs =
        vec![netdev("ens0", 4200, &["172.16.0.10/24"]), netdev("ens1", 4200, &["172.16.1.10/24"])];
    sight.netns_mode = Some("exclusive".into());
    sight
}

fn judged(sight: &Sight) -> Vec<Finding> {
    judge(sight, None)
}

/// What is worse than good, as text.
fn complaints(sight: &Sight) -> Vec<String> {
    let bad = judged(sight).into_iter().filter(|finding| finding.level > Level::Info);
    bad.map(|finding| {
        format!("{:?} {:?} {}: {}", finding.level, finding.check, finding.subject, finding.value)
    })
    .collect()
}

/// That this, and nothing else, is complained of.
#[track_caller]
fn fails(sight: &Sight, expected: &str) {
    let complaints = complaints(sight);
    assert!(
        complaints.iter().any(|said| said.starts_with(expected)),
        "{expected:?} is not in {complaints:#?}"
    );
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    let finding = judged(sight).into_iter().find(|finding| finding.level > Level::Info).unwrap();
    assert!(
        !finding.wanted.is_empty() && !finding.cure.is_empty() && !finding.source.is_empty(),
        "{finding:?}"
    );
}

/// The good node with one file changed.
#[track_caller]
fn with(path: &str, content: &str, expected: &str) {
    let tree = good();
    tree.put(path, content);
    fails(&seen(&tree, Whose::Node), expected);
}

#[test]
fn a_node_as_it_should_be_has_an_answer_to_every_question_and_no_complaint() {
    let sight = seen(&good(), Whose::Node);
    assert_eq!(complaints(&sight), Vec::<String>::new());
    assert_eq!(sight.unseen, Vec::<String>::new());
    let mut answered: Vec<Check> = judged(&sight).iter().map(|finding| finding.check).collect();
    answered.dedup();
    let expected = [
        Check::Device,
        Check::Guid,
        Check::NetnsMode,
        Check::CharDevice,
        Check::Gid,
        Check::Mtu,
        Check::Qos,
        Check::GpuDirect,
        Check::Pcie,
        Check::Numa,
        Check::Resources,
        Check::Cni,
    ];
    assert_eq!(answered, expected);
}

const PORT: &str = "sys/class/infiniband/mlx5_0/ports/1";

#[test]
fn a_port_that_is_down() {
    with(&format!("{PORT}/phys_state"), "3: Disabled", "Error Device mlx5_0/1");
    with(&format!("{PORT}/state"), "1: DOWN", "Error Device mlx5_0/1");
}

#[test]
fn a_guid_that_is_none_or_another_ones() {
    with("sys/class/infiniband/mlx5_0/node_guid", "0000:0000:0000:0000", "Error Guid mlx5_0");
    let tree = good();
    tree.put("sys/class/infiniband/mlx5_0/node_guid", "0002:c903:0028:0001");
    assert_eq!(complaints(&seen(&tree, Whose::Node)).len(), 2, "each is told of the other");
}

#[test]
fn a_mode_that_the_next_boot_forgets() {
    with(
        "etc/modprobe.d/ib.conf",
        "options ib_core netns_mode=1\n",
        "Error NetnsMode rdma system: exclusive",
    );
    let tree = good();
    std::fs::remove_file(tree.root().join("etc/modprobe.d/ib.conf")).unwrap();
    fails(&seen(&tree, Whose::Node), "Error NetnsMode");
    assert_eq!(complaints(&seen(&tree, Whose::Pod)), Vec::<String>::new(), "a pod has no say in that");
}

#[test]
fn a_char_device_that_is_missing_or_not_everybodys() {
    let tree = good();
    tree.mode("dev/infiniband/uverbs0", 0o600);
    fails(&seen(&tree, Whose::Node), "Warning CharDevice uverbs0: 0600");
    std::fs::remove_file(tree.root().join("dev/infiniband/uverbs0")).unwrap();
    fails(&seen(&tree, Whose::Node), "Error CharDevice uverbs0: missing");
}

#[test]
fn an_address_without_a_gid_and_a_gid_without_an_address() {
    let mut sight = seen(&good(), Whose::Node);
    sight.netdevs[0].addresses.push("172.16.0.11/24".parse().unwrap());
    fails(&sight, "Error Gid mlx5_0/1 ens0 172.16.0.11: no RoCE v2 GID");
    sight.netdevs[0].addresses.pop();
    sight.devices[0].ports[0].gids[1].kind = "IB/RoCE v1".into();
    fails(&sight, "Error Gid mlx5_0/1 ens0 172.16.0.10: no RoCE v2 GID");
    let tree = good();
    tree.gid(0, 7, "0000:0000:0000:0000:0000:ffff:ac10:0063", "RoCE v2");
    fails(&seen(&tree, Whose::Node), "Warning Gid mlx5_0/1 ens0: index 7 is 172.16.0.99");
}

#[test]
fn an_mtu_that_is_too_small_or_larger_than_that_of_its_pf() {
    let mut sight = seen(&good(), Whose::Node);
    sight.netdevs[0].mtu = 1500;
    fails(&sight, "Warning Mtu ens0: 1500");
    let tree = good();
    tree.vf_of(0);
    let mut sight = seen(&tree, Whose::Node);
    sight.netdevs.push(netdev("ens0v0", 9000, &[]));
    fails(&sight, "Error Mtu ens0v0: 9000");
    sight.netdevs[2].up = false;
    assert_eq!(complaints(&sight), Vec::<String>::new(), "nobody uses the VF");
}

#[test]
fn priorities_that_differ_between_rails_or_from_what_was_said() {
    let mut sight = seen(&good(), Whose::Node);
    let others = judge(&sight, Some(Roce::NVIDIA));
    let bad: Vec<_> = others.iter().filter(|finding| finding.level == Level::Error).collect();
    assert_eq!(bad.len(), 2);
    assert_eq!(bad[0].value, "PFC on 5; DSCP 40 is priority 5, DSCP 48 is priority 6");
    assert_eq!(bad[0].wanted, "PFC on 3; DSCP 26 is priority 3, 48 is 6");
    let agreed = judge(&sight, Some(Roce::SPIDERPOOL));
    assert!(agreed.iter().all(|finding| finding.level == Level::Good));
    sight.netdevs[1].dcb.as_mut().unwrap().dscp.pop();
    fails(&sight, "Error Qos ens1: PFC on 5; DSCP 40 is priority 5");
    for netdev in &mut sight.netdevs {
        netdev.dcb = Some(Dcb::default());
    }
    assert!(
        complaints(&sight).iter().all(|said| said.starts_with("Warning Qos") && said.contains("PFC on none"))
    );
}

#[test]
fn gpus_whose_memory_nobody_reaches() {
    let tree = good();
    std::fs::remove_dir_all(tree.root().join("sys/kernel/mm/memory_peers")).unwrap();
    fails(
        &seen(&tree, Whose::Node),
        "Warning GpuDirect 2 GPUs: nvidia_peermem is loaded, and not registered",
    );
    std::fs::remove_dir_all(tree.root().join("sys/module/nvidia_peermem")).unwrap();
    fails(&seen(&tree, Whose::Node), "Warning GpuDirect 2 GPUs: neither peer memory nor dma-buf");
    tree.put("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86");
    assert_eq!(complaints(&seen(&tree, Whose::Node)), Vec::<String>::new());
    tree.put("proc/sys/kernel/osrelease", "5.10.0-1");
    fails(&seen(&tree, Whose::Node), "Warning GpuDirect");
}

#[test]
fn a_link_that_is_slow_anywhere_on_its_way() {
    for at in ["0000:1a:00.0", "0000:19:00.0"] {
        let file = |name: &str| format!("sys/bus/pci/devices/{at}/{name}");
        with(
            &file("current_link_speed"),
            "8.0 GT/s PCIe",
            &format!("Warning Pcie mlx5_0 {at}: 8.0 GT/s PCIe x16"),
        );
        with(&file("current_link_width"), "8", &format!("Warning Pcie mlx5_0 {at}: 16.0 GT/s PCIe x8"));
    }
}

#[test]
fn small_reads_and_redirected_peers() {
    let tree = good();
    tree.config("0000:1a:00.0", 2, None);
    fails(&seen(&tree, Whose::Node), "Warning Pcie mlx5_0 0000:1a:00.0: reads of 512 bytes");
    let tree = good();
    tree.config("0000:19:00.0", 0, Some(0x1d));
    fails(&seen(&tree, Whose::Node), "Warning Pcie mlx5_0 0000:19:00.0: ACS control 0x001d");
    tree.put("sys/kernel/iommu_groups/3/type", "DMA-FQ");
    fails(&seen(&tree, Whose::Node), "Error Pcie mlx5_0 0000:19:00.0: ACS control 0x001d");
}

#[test]
fn a_nic_of_no_numa_node_and_a_gpu_far_from_every_nic() {
    with("sys/bus/pci/devices/0000:1a:00.0/numa_node", "-1", "Warning Numa mlx5_0: node -1");
    let tree = good();
    tree.gpu("pci0000:80/0000:80:01.0/0000:81:00.0");
    fails(&seen(&tree, Whose::Node), "Warning Numa GPU 0000:81:00.0: no NIC below the same bridge");
}

#[test]
fn a_port_without_a_subnet_manager_or_full_membership() {
    let tree = good();
    tree.infiniband(0);
    let sight = seen(&tree, Whose::Node);
    assert_eq!(complaints(&sight), Vec::<String>::new());
    assert!(judged(&sight).iter().any(|finding| finding.check == Check::Pkey && finding.value == "0xffff"));
    tree.put(&format!("{PORT}/pkeys/0"), "0x7fff");
    fails(&seen(&tree, Whose::Node), "Error Pkey mlx5_0/1: 0x7fff");
    tree.put(&format!("{PORT}/pkeys/0"), "0xffff");
    tree.put(&format!("{PORT}/sm_lid"), "0x0");
    fails(&seen(&tree, Whose::Node), "Error Device mlx5_0/1");
}

#[test]
fn devices_that_a_dead_pod_holds() {
    let tree = good();
    std::fs::remove_dir(tree.root().join("var/lib/kubelet/pods/a1")).unwrap();
    fails(&seen(&tree, Whose::Node), "Warning Resources nvidia.com/rail1: 0000:1a:00.2 held by pod a1");
}

#[test]
fn multus_behind_another_config() {
    let tree = good();
    tree.put("etc/cni/net.d/00-a.conflist", r#"{"name": "a", "plugins": [{"type": "bridge"}]}"#);
    fails(&seen(&tree, Whose::Node), "Error Cni 00-a.conflist: type bridge");
}

#[test]
fn what_may_not_be_read_or_means_nothing_is_told_and_breaks_nothing() {
    let tree = good();
    let checkpoint = "var/lib/kubelet/device-plugins/kubelet_internal_checkpoint";
    tree.put(checkpoint, "{not json");
    let sight = seen(&tree, Whose::Node);
    assert_eq!(sight.unseen, [format!("/{checkpoint}: no JSON")]);
    tree.put(
        checkpoint,
        r#"{"Data": {"PodDeviceEntries": [{"PodUID": "../../..", "DeviceIDs": ["0000:1a:00.2"]}]}}"#,
    );
    assert!(!seen(&tree, Whose::Node).held[0].alive, "a UID leads nowhere else");
    for (path, junk) in [
        (format!("{PORT}/gids/1"), "fe80::zz"),
        (format!("{PORT}/gids/x"), "fe80::1"),
        (format!("{PORT}/pkeys/0"), "65535"),
        (format!("{PORT}/state"), "\u{1b}[31m"),
        ("sys/bus/pci/devices/0000:1a:00.0/config".to_owned(), "short"),
        ("sys/bus/pci/devices/0000:1a:00.0/current_link_width".to_owned(), "many"),
        ("etc/cni/net.d/00-x.conf".to_owned(), "{"),
    ] {
        let tree = good();
        tree.put(&path, junk);
        let _ = judged(&seen(&tree, Whose::Node));
    }
}

#[test]
fn the_rails_of_a_pod_have_their_indices() {
    let rails = nccl::rails(&seen(&good(), Whose::Pod));
    let told: Vec<_> =
        rails.iter().map(|rail| (rail.ifname.as_str(), rail.device.as_str(), rail.gid_index)).collect();
    assert_eq!(told, [("ens0", "mlx5_0", 3), ("ens1", "mlx5_1", 3)]);
}

#[test]
fn a_map_has_gpus_and_nics_below_their_bridges() {
    let tree = good();
    tree.vf_of(0);
    let lines = map::lines(&map::map(&seen(&tree, Whose::Node), &std::collections::BTreeMap::new()));
    let expected = [
        "NUMA node 0",
        "  bridge 0000:18:01.0",
        "    bridge 0000:19:00.0",
        "      GPU 0000:1b:00.0",
        "      NIC 0000:1a:00.0 mlx5_0, ens0 172.16.0.10/24, Ethernet ACTIVE 200 Gb/sec (4X HDR), 1 of its VFs are here",
        "  bridge 0000:38:01.0",
        "    bridge 0000:39:00.0",
        "      GPU 0000:3b:00.0",
        "      NIC 0000:3a:00.0 mlx5_1, ens1 172.16.1.10/24, Ethernet ACTIVE 200 Gb/sec (4X HDR)",
    ];
    assert_eq!(lines, expected);
}
