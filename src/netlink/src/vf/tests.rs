use super::*;
use crate::witness::{bytes, first, first_of, ours, theirs};

// Each is `ip link set lo vf 3 ...`. The kernel refuses it there, after it has read all of it.
/// `mac 02:00:5e:10:00:01`
const MAC: &str =
    "50000000100005006c96036b0000000000000000010000000000000000000000300016002c00010028000100030000000200
    5e1000010000000000000000000000000000000000000000000000000000";
/// `vlan 100 qos 5 proto 802.1ad`
const VLAN: &str =
    "40000000100005006b96036b0000000000000000010000000000000000000000200016001c00010018000c00140001000300
    0000640000000500000088a80000";
/// `max_tx_rate 1000 min_tx_rate 10`
const RATE: &str =
    "38000000100005006b96036b0000000000000000010000000000000000000000180016001400010010000600030000000a00
    0000e8030000";
/// `spoofchk on`
const SPOOFCHK: &str =
    "34000000100005006b96036b000000000000000001000000000000000000000014001600100001000c00040003000000
    01000000";
/// `trust off`
const TRUST: &str =
    "34000000100005006b96036b000000000000000001000000000000000000000014001600100001000c0009000300000000
    000000";
/// `state enable`
const STATE: &str =
    "34000000100005006b96036b000000000000000001000000000000000000000014001600100001000c0005000300000001
    000000";
/// `node_guid 02:00:5e:ff:fe:10:00:01`
const NODE_GUID: &str =
    "3c000000100005006b96036b00000000000000000100000000000000000000001c0016001800010014000a0003000000
    00000000010010feff5e0002";
/// `port_guid 02:00:5e:ff:fe:10:00:02`
const PORT_GUID: &str =
    "3c000000100005006b96036b00000000000000000100000000000000000000001c0016001800010014000b0003000000
    00000000020010feff5e0002";
/// `mac 02:00:5e:10:00:01 vlan 100 qos 5 proto 802.1ad max_tx_rate 1000 min_tx_rate 10 spoofchk on trust on state disable`
const ALL: &str = "9c000000100005006c96036b00000000000000000100000000000000000000007c001600780001002800010003000000
    02005e100001000000000000000000000000000000000000000000000000000018000c001400010003000000640000000500000088a80000
    0c00040003000000010000000c00090003000000010000000c000500030000000200000010000600030000000a000000e8030000";

fn all() -> VfChange {
    VfChange {
        address: Some("02:00:5e:10:00:01".parse().unwrap()),
        vlan: Some(VfVlan { id: 100, qos: 5, protocol: VlanProtocol::Ieee8021Ad }),
        rate: Some((10, 1000)),
        spoofchk: Some(true),
        trust: Some(true),
        link_state: Some(VfLinkState::Disable),
        ..VfChange::default()
    }
}

#[test]
fn requests_are_those_of_ip_but_for_the_type() {
    let none = VfChange::default();
    for (change, hex) in [
        (VfChange { address: all().address, ..none }, MAC),
        (VfChange { vlan: all().vlan, ..none }, VLAN),
        (VfChange { rate: all().rate, ..none }, RATE),
        (VfChange { spoofchk: Some(true), ..none }, SPOOFCHK),
        (VfChange { trust: Some(false), ..none }, TRUST),
        (VfChange { link_state: Some(VfLinkState::Enable), ..none }, STATE),
        (VfChange { node_guid: Some(Guid(0x0200_5eff_fe10_0001)), ..none }, NODE_GUID),
        (VfChange { port_guid: Some(Guid(0x0200_5eff_fe10_0002)), ..none }, PORT_GUID),
        (all(), ALL),
    ] {
        let mut ours = ours(&request(1, 3, &change), HEADER);
        assert_eq!(std::mem::replace(&mut ours.kind, RTM_NEWLINK), RTM_SETLINK);
        assert_eq!(ours, theirs(hex, HEADER), "{change}");
    }
}

#[test]
fn bytes_become_the_vf() {
    let vf = first(ALL, decode).unwrap().pop().unwrap();
    let expected = Vf {
        id: 3,
        address: all().address,
        vlan: all().vlan.unwrap(),
        min_tx_rate: 10,
        max_tx_rate: 1000,
        spoofchk: Some(true),
        trust: Some(true),
        link_state: Some(VfLinkState::Disable),
        node_guid: None,
        port_guid: None,
    };
    assert_eq!(vf, expected);
    assert_eq!(first(NODE_GUID, decode).unwrap()[0].node_guid, Some(Guid(0x0200_5eff_fe10_0001)));
    assert_eq!(first(PORT_GUID, decode).unwrap()[0].port_guid, Some(Guid(0x0200_5eff_fe10_0002)));
}

/// What the kernel fills in for a driver that says nothing (`rtnl_fill_vfinfo`).
#[test]
fn all_ones_is_not_a_setting() {
    let mut message = bytes(SPOOFCHK);
    let length = message.len();
    message[length - 4..].fill(0xff);
    assert_eq!(first_of(&message, decode).unwrap()[0].spoofchk, None);
}

#[test]
fn error_names_every_change() {
    let text = "mac 02:00:5e:10:00:01, vlan 100 qos 5 proto 802.1ad, min_tx_rate 10 max_tx_rate 1000, spoofchk on, \
                state disable, trust on";
    assert_eq!(all().to_string(), text);
    assert!(VfChange::default().is_empty() && !all().is_empty());
}

/// Two VFs in an answer, the higher first: drivers may leave out VFs or order them as they like.
#[test]
fn vfs_keep_their_numbers() {
    let mut message = bytes(TRUST);
    let list = message.split_off(16 + HEADER);
    let mut vf = list[4..].to_vec();
    let mut both = vf.clone();
    vf[8] = 1;
    both.extend(&vf);
    let nest = u16::try_from(both.len() + 4).unwrap().to_ne_bytes();
    message.extend(nest.iter().chain(&list[2..4]).chain(&both));
    let length = u32::try_from(message.len()).unwrap().to_ne_bytes();
    message[..4].copy_from_slice(&length);
    let vfs = first_of(&message, decode).unwrap();
    assert_eq!(vfs.iter().map(|vf| vf.id).collect::<Vec<_>>(), [3, 1]);
}

#[test]
fn the_ports_guid_has_an_entry_of_its_own_after_the_nodes() {
    let both = VfChange { node_guid: Some(Guid(1)), port_guid: Some(Guid(2)), ..VfChange::default() };
    let entries_of = |change: &VfChange| entries(change).collect::<Vec<_>>();
    let first = VfChange { port_guid: None, ..both };
    let second = VfChange { node_guid: None, ..both };
    assert_eq!(entries_of(&both), [first, second]);
    assert_eq!(entries_of(&second), [second]);
}
