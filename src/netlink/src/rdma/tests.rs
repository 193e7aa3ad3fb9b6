use super::codec::*;
use super::*;
use crate::attr::u16_at;
use crate::message::{HEADER, Message, Messages};
use crate::witness::{bytes, first};

// What `rdma` (iproute2 6.1) sent, to a socket that took the kernel's part, for
/// `rdma system set netns exclusive`
const SET_MODE: &str = "18000000071405004396036b000000000500420000000000";
/// `rdma system show`
const GET_MODE: &str = "10000000061405003996036b00000000";
/// `rdma dev set mlx5_2 netns POD`, as descriptor 4
const MOVE: &str = "20000000021405004396036b0000000008000100020000000800440004000000";
/// `rdma dev set mlx5_2 name rail1`
const RENAME: &str = "24000000021405004396036b0000000008000100020000000a0002007261696c31000000";
/// The dump that precedes each of them.
const LIST: &str = "10000000011405034396036b00000000";

// What it was answered, and shown by it as in the tests below.
const DEVICES: &str = "74000000011402002f96036b4d00000008000100020000000b0002006d6c78355f32000008000300010000000c000400
    01000000000000000f00050031362e33352e3230303000000c000600c4b2a10003a1420c0c000700c3b2a10003a1420c05000e0001000000
    09004300726f636500000000
    70000000011402002f96036b4d00000008000100030000000b0002006d6c78355f33000008000300010000000c00040001000000
    000000000f00050031362e33352e3230303000000c000600c6b2a10003a1420c0c000700c5b2a10003a1420c05000e000100000007004300
    69620000";
const PORT: &str =
    "50000000051402003996036b4d00000008000100020000000b0002006d6c78355f320000080003000100000005000c000400
    000005000d00050000000800320007000000090033006e65743100000000";
const MODE: &str = "18000000061400006a96036b4d0000000500420001000000";

/// As `fill_res_info` of the kernel builds it: no capture, for `rdma resource show` needs a device.
const RESOURCES: &str =
    "bc00000009140200010000004d00000008000100020000000b0002006d6c78355f32000098000f80180010800700110070640000
    0c00120003000000000000001800108007001100637100000c00120002000000000000001800108007001100717000000c001200
    01000000000000001c0010800a001100636d5f69640000000c001200000000000000000018001080070011006d7200000c001200
    11000000000000001800108008001100637478000c0012000400000000000000";

/// Type and attributes; `rdma` adds flags that mean nothing to NLDEV.
fn said(message: &[u8]) -> (u16, Vec<u8>) {
    (u16_at(message, 4).unwrap(), message[HEADER..].to_vec())
}

fn ours(request: &Request) -> (u16, Vec<u8>) {
    let mut buffer = Vec::new();
    request.write(&mut buffer, 1, 0);
    said(&buffer)
}

#[test]
fn requests_are_those_of_rdma() {
    for (request, hex) in [
        (request("list", "", GET, &[]), LIST),
        (request("read", "", SYS_GET, &[]), GET_MODE),
        (set_mode(NetnsMode::Exclusive), SET_MODE),
        (move_to(2, 4), MOVE),
        (rename(2, "rail1"), RENAME),
    ] {
        assert_eq!(ours(&request), said(&bytes(hex)));
    }
}

/// `2: mlx5_2: node_type ca fw 16.35.2000 node_guid 0c42:a103:00a1:b2c4 sys_image_guid 0c42:a103:00a1:b2c3`
#[test]
fn bytes_become_the_devices() {
    let devices: Vec<_> = Messages(&bytes(DEVICES)).map(|message| device(&message).unwrap()).collect();
    let expected = RdmaDevice {
        index: 2,
        name: "mlx5_2".into(),
        ports: 1,
        node_guid: "0c42:a103:00a1:b2c4".parse().unwrap(),
        sys_image_guid: "0c42:a103:00a1:b2c3".parse().unwrap(),
        fw_version: "16.35.2000".into(),
        protocol: "roce".into(),
    };
    assert_eq!(devices.len(), 2);
    assert_eq!(devices[0], expected);
    assert_eq!((devices[1].name.as_str(), devices[1].protocol.as_str()), ("mlx5_3", "ib"));
}

/// `link mlx5_2/1 state ACTIVE physical_state LINK_UP netdev net1 netdev_index 7`
#[test]
fn bytes_become_the_port() {
    let expected = RdmaPort {
        device: 2,
        number: 1,
        state: 4,
        phys_state: 5,
        link: Some(7),
        link_name: Some("net1".into()),
    };
    assert_eq!(first(PORT, port), Some(expected));
}

/// `mlx5_2: pd 3 cq 2 qp 1 cm_id 0 mr 17 ctx 4`
#[test]
fn bytes_become_what_is_in_use() {
    let counts = [("pd", 3), ("cq", 2), ("qp", 1), ("cm_id", 0), ("mr", 17), ("ctx", 4)];
    let counts = counts.map(|(name, count)| (name.to_owned(), count)).to_vec();
    assert_eq!(first(RESOURCES, resources), Some(RdmaResources { device: "mlx5_2".into(), counts }));
    assert_eq!(first(PORT, resources), None);
}

/// `netns shared copy-on-fork off`
#[test]
fn bytes_become_the_mode() {
    assert_eq!(first(MODE, netns_mode), Some(NetnsMode::Shared));
}

#[test]
fn answers_to_other_commands_are_passed_over() {
    for read in [|m: &Message<'_>| device(m).is_none(), |m: &Message<'_>| netns_mode(m).is_none()] {
        assert!(first(PORT, read));
    }
}

/// Where there is RDMA, the lists can be read; where there is none, the error says so.
#[test]
fn kernel_has_rdma_or_says_that_it_has_not() {
    match Rdma::open() {
        Ok(mut rdma) => drop(rdma.devices().unwrap()),
        Err(error) => assert!(error.is_unsupported(), "{error}"),
    }
}
