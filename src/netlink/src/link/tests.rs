use nix::libc::RTM_NEWLINK;

use super::*;
use crate::witness::{first, ours, theirs};

const HEADER: usize = 16;

/// `ip link add link m0 name net1 address 02:00:5e:10:00:01 mtu 1400 txqueuelen 321 group 77 type macvlan mode bridge
/// bcqueuelen 500`
const MACVLAN: &str =
    "7c000000100005061997036b00000000000000000000000000000000000000000a00010002005e1000010000080004007805
    000008000d004101000008001b004d0000000800050003000000090003006e65743100000000240012000b0001006d616376
    6c616e001400020008000700f40100000800010004000000";
/// `ip link add link m0 name ipv0 type ipvlan mode l3s vepa`
const IPVLAN: &str =
    "58000000100005066b96036b00000000000000000000000000000000000000000800050003000000090003006970763000000000
    240012000a0001006970766c616e00001400020006000100020000000600020002000000";
/// `ip link add link m0 name m0.42 type vlan id 42 protocol 802.1ad`
const VLAN: &str =
    "54000000100005066b96036b000000000000000000000000000000000000000008000500030000000a0003006d302e3432000000
    2000120008000100766c616e14000200060001002a0000000600050088a80000";
/// `ip link add name bond7 type bond mode 802.3ad miimon 100`
const BOND: &str =
    "4c000000100005066b96036b00000000000000000000000000000000000000000a000300626f6e64370000002000120008000100
    626f6e641400020005000100040000000800030064000000";
/// `ip link add link m0 name ib0.8001 type ipoib pkey 0x8001 mode connected umcast 1`
const IPOIB: &str = "64000000100005066b96036b000000000000000000000000000000000000000008000500030000000d0003006962302e3830303100
    0000002c0012000900010069706f69620000001c000200060001000180000006000200010000000600030001000000";
/// `ip link add name d0 type dummy`
const DUMMY: &str =
    "38000000100005066b96036b00000000000000000000000000000000000000000700030064300000100012000900010064756d6d
    79000000";
/// `ip link add name a0 type veth peer name b0`
const VETH: &str =
    "54000000100005066b96036b000000000000000000000000000000000000000007000300613000002c0012000800010076657468
    200002001c000100000000000000000000000000000000000700030062300000";
/// `ip link set dev m0 mtu 1300 address 02:00:5e:10:00:07 up promisc on allmulticast on txqueuelen 7 group 9 alias rail1`
const CHANGE: &str =
    "50000000100005001a97036b000000000000000003000000010300000103000008000400140500000a00010002005e100007
    000008000d000700000008001b0009000000090014007261696c31000000";
/// `ip link property add dev m0 altname rail-one`, and `del`
const ADD_ALT_NAME: &str =
    "340000006c00050e8496036b0000000000000000030000000000000000000000140034800d0035007261696c2d6f6e65
    00000000";
const DELETE_ALT_NAME: &str =
    "340000006d0005008496036b0000000000000000030000000000000000000000140034800d0035007261696c2d6f6e
    6500000000";
/// `ip link del dev m0`
const DELETE: &str = "20000000110005008496036b0000000000000000030000000000000000000000";

fn macvlan() -> NewLink<'static> {
    NewLink {
        parent: Some(3),
        mtu: Some(1400),
        address: Some("02:00:5e:10:00:01".parse().unwrap()),
        group: Some(77),
        tx_queue_len: Some(321),
        ..NewLink::new(
            "net1",
            NewKind::Macvlan(Macvlan { mode: MacVlanMode::Bridge, bc_queue_len: Some(500) }),
        )
    }
}

fn on_m0(name: &str, kind: NewKind<'static>) -> NewLink<'static> {
    NewLink { parent: Some(3), ..NewLink::new(name, kind) }
}

fn ipvlan() -> Ipvlan {
    Ipvlan { mode: IpVlanMode::L3S, flags: IpVlanFlags::Vepa }
}

fn vlan() -> Vlan {
    Vlan { id: 42, protocol: VlanProtocol::Ieee8021Ad }
}

fn bond() -> Bond {
    Bond {
        mode: BondMode::Ieee8023Ad,
        options: vec![BondOption { attribute: 3, value: 100_u32.to_ne_bytes().to_vec() }],
    }
}

fn ipoib() -> Ipoib {
    Ipoib { pkey: Some(0x8001), mode: Some(IpoibMode::Connected), umcast: Some(true) }
}

#[test]
fn new_links_are_those_of_ip() {
    let peer = VethPeer::new("b0");
    for (link, hex) in [
        (macvlan(), MACVLAN),
        (on_m0("ipv0", NewKind::Ipvlan(ipvlan())), IPVLAN),
        (on_m0("m0.42", NewKind::Vlan(vlan())), VLAN),
        (NewLink::new("bond7", NewKind::Bond(bond())), BOND),
        (on_m0("ib0.8001", NewKind::Ipoib(ipoib())), IPOIB),
        (NewLink::new("d0", NewKind::Dummy), DUMMY),
        (NewLink::new("a0", NewKind::Veth(peer)), VETH),
    ] {
        assert_eq!(ours(&new::request(&link, 0), HEADER), theirs(hex, HEADER), "{}", link.name);
    }
}

#[test]
fn bytes_become_the_kind() {
    for (hex, name, kind) in [
        (MACVLAN, "net1", LinkKind::Macvlan(Macvlan { mode: MacVlanMode::Bridge, bc_queue_len: Some(500) })),
        (IPVLAN, "ipv0", LinkKind::Ipvlan(ipvlan())),
        (VLAN, "m0.42", LinkKind::Vlan(vlan())),
        (BOND, "bond7", LinkKind::Bond(bond())),
        (IPOIB, "ib0.8001", LinkKind::Ipoib(ipoib())),
        (DUMMY, "d0", LinkKind::Dummy),
        (VETH, "a0", LinkKind::Veth),
    ] {
        let link = first(hex, decode).unwrap();
        assert_eq!((link.name.as_str(), &link.kind), (name, &kind));
    }
    let link = first(MACVLAN, decode).unwrap();
    assert_eq!((link.parent, link.mtu, link.group, link.tx_queue_len), (Some(3), 1400, 77, 321));
    assert_eq!(link.address, macvlan().address);
}

/// `ip` sends `RTM_NEWLINK` without a flag for what the kernel calls `RTM_SETLINK`.
#[test]
fn change_is_that_of_ip_but_for_the_type() {
    let change = LinkChange {
        mtu: Some(1300),
        address: Some("02:00:5e:10:00:07".parse().unwrap()),
        up: Some(true),
        promisc: Some(true),
        allmulti: Some(true),
        tx_queue_len: Some(7),
        group: Some(9),
        alias: Some("rail1".into()),
        ..LinkChange::default()
    };
    let mut ours = ours(&change::request(3, &change), HEADER);
    assert_eq!(std::mem::replace(&mut ours.kind, RTM_NEWLINK), nix::libc::RTM_SETLINK);
    assert_eq!(ours, theirs(CHANGE, HEADER));
}

#[test]
fn the_rest_is_that_of_ip() {
    assert_eq!(ours(&delete(3), HEADER), theirs(DELETE, HEADER));
    assert_eq!(ours(&altname::add(3, "rail-one"), HEADER), theirs(ADD_ALT_NAME, HEADER));
    assert_eq!(ours(&altname::delete(3, &["rail-one"]), HEADER), theirs(DELETE_ALT_NAME, HEADER));
}
