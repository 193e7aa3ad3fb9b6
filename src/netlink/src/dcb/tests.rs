use super::classes::{set_buffers, set_ets};
use super::*;
use crate::witness::{first_of, ours, theirs};

/// `dcb app add dev v0 dscp-prio 40:5` and its `del`, of iproute2 6.1.
const ADD: &str = "2c000000 4f00 0500 00000000 00000000 00140000 0700 0100 763000 00 \
                   1000 0d80 0c00 0380 0800 0100 05052800";
const DEL: &str = "2c000000 4f00 0500 00000000 00000000 001b0000 0700 0100 763000 00 \
                   1000 0d80 0c00 0380 0800 0100 05052800";
/// `dcb pfc show dev v0`
const SHOW: &str = "1c000000 4e00 0500 00000000 00000000 00150000 0700 0100 763000 00";

/// `dcb ets set dev v0 willing off prio-tc 5:1 6:2 tc-tsa 0:ets 1:ets 2:strict tc-bw 0:40 1:60`, told that the port has a class
/// for each priority.
const SET_ETS: &str = "60000000 4f00 0500 00000000 00000000 00140000 0700 0100 763000 00 \
                       4400 0d80 3f00 0100 000800 283c000000000000 0000000000000000 0202000000000000 \
                       0001020304010207 0000000000000000 0000000000000000 0000000000000000 00";
/// `dcb buffer set dev v0 prio-buffer 5:1 buffer-size 0:20480 1:156160`, told that the port has 256 KiB.
const SET_BUFFERS: &str = "50000000 4f00 0500 00000000 00000000 00140000 0700 0100 763000 00 \
                           3400 0d80 3000 0a00 0000000000010000 00500000 00620200 00000000 00000000 00000000 \
                           00000000 00000000 00000000 00000400";

const ENTRY: DscpPriority = DscpPriority { dscp: 40, priority: 5 };

#[test]
fn requests_are_those_of_the_dcb_tool() {
    assert_eq!(ours(&dscp("add", "v0", IEEE_SET, ENTRY), HEADER), theirs(ADD, HEADER));
    assert_eq!(ours(&dscp("delete", "v0", IEEE_DEL, ENTRY), HEADER), theirs(DEL, HEADER));
    assert_eq!(ours(&request("read", "v0", RTM_GETDCB, IEEE_GET, |_| {}), HEADER), theirs(SHOW, HEADER));
}

/// An answer as `dcbnl_ieee_fill` builds it.
fn answered(kind: u16, command: u8, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut buffer = Vec::new();
    request("answer", "v0", kind, command, fill).write(&mut buffer, 1, 0);
    buffer
}

#[test]
fn an_answer_has_flow_control_and_the_dscp_map() {
    let pfc = Pfc { capability: 8, enabled: 1 << 5, mbc: 0, delay: 700 };
    let message = answered(RTM_GETDCB, IEEE_GET, |body| {
        body::nest(body, ATTR_IEEE, |ieee| {
            body::put(ieee, IEEE_PFC, &pfc.bytes());
            body::nest(ieee, IEEE_APP_TABLE, |table| {
                body::put(table, IEEE_APP, &DscpPriority { dscp: 48, priority: 6 }.bytes());
                body::put(table, IEEE_APP, &[1, 3, 6, 0]);
                body::put(table, IEEE_APP, &ENTRY.bytes());
            });
        });
        body::put(body, ATTR_DCBX, &[9]);
    });
    let dcb = first_of(&message, decode).expect("an answer");
    assert_eq!(dcb.pfc, Some(pfc));
    assert_eq!(dcb.dscp, [ENTRY, DscpPriority { dscp: 48, priority: 6 }], "selector 1 is no DSCP");
    assert!(!dcb.is_managed_by_firmware());
}

/// A port as the tool was told of it: eight classes, one of each priority.
fn port() -> Dcb {
    let mut ets = [0; 59];
    ets[1] = 8;
    ets[27..35].copy_from_slice(&[0, 1, 2, 3, 4, 5, 6, 7]);
    let buffers = Buffers { total: 1 << 18, ..Buffers::default() };
    let message = answered(RTM_GETDCB, IEEE_GET, |body| {
        body::nest(body, ATTR_IEEE, |ieee| {
            body::put(ieee, classes::IEEE_ETS, &ets);
            body::put(ieee, classes::DCB_BUFFER, &buffers.bytes());
        });
    });
    first_of(&message, decode).expect("an answer")
}

#[test]
fn shares_and_buffers_are_set_as_the_dcb_tool_sets_them() {
    let mut ets = port().ets.expect("shares");
    assert_eq!(ets.classes, [0, 1, 2, 3, 4, 5, 6, 7]);
    (ets.classes[5], ets.classes[6]) = (1, 2);
    [ets.selection[0], ets.selection[1]] = [2, 2];
    [ets.bandwidth[0], ets.bandwidth[1]] = [40, 60];
    assert_eq!(ours(&set_ets("v0", &ets), HEADER), theirs(SET_ETS, HEADER));
    let mut buffers = port().buffers.expect("buffers");
    assert_eq!(buffers.total, 1 << 18);
    buffers.priorities[5] = 1;
    [buffers.sizes[0], buffers.sizes[1]] = [20_480, 156_160];
    assert_eq!(ours(&set_buffers("v0", &buffers), HEADER), theirs(SET_BUFFERS, HEADER));
}

#[test]
fn an_answer_that_is_cut_off_has_neither_shares_nor_buffers() {
    let message = answered(RTM_GETDCB, IEEE_GET, |body| {
        body::nest(body, ATTR_IEEE, |ieee| {
            body::put(ieee, classes::IEEE_ETS, &[0; 58]);
            body::put(ieee, classes::DCB_BUFFER, &[0; 40]);
        });
    });
    let dcb = first_of(&message, decode).expect("an answer");
    assert_eq!((dcb.ets, dcb.buffers), (None, None));
}

/// Sixteen counters behind the settings: a driver of another kernel may have fewer, and then they mean nothing.
#[test]
fn an_answer_has_the_pause_frames_of_each_priority() {
    let answer = |length: usize| {
        let mut bytes = Pfc { capability: 8, ..Pfc::default() }.bytes();
        for (place, counter) in bytes[PFC_COUNTERS..].chunks_mut(8).enumerate() {
            counter.copy_from_slice(&(place as u64 + 100).to_ne_bytes());
        }
        let message = answered(RTM_GETDCB, IEEE_GET, |body| {
            body::nest(body, ATTR_IEEE, |ieee| body::put(ieee, IEEE_PFC, &bytes[..length]));
        });
        first_of(&message, decode).expect("an answer")
    };
    let frames = answer(PFC).frames;
    assert_eq!((frames.sent[5], frames.received[5]), (105, 113));
    assert_eq!(answer(PFC - 1).frames, PfcFrames::default());
    assert!(answer(PFC - 1).pfc.is_some());
}

#[test]
fn what_the_driver_refused_is_in_an_answer_that_the_kernel_acknowledges() {
    let message = answered(RTM_SETDCB, IEEE_SET, |body| body::put(body, ATTR_IEEE, &[234]));
    assert_eq!(first_of(&message, verdict), Some(234), "-EINVAL");
    assert_eq!(first_of(&message, decode), None);
}
