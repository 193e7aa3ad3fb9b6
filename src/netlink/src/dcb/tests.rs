use super::*;
use crate::witness::{first_of, ours, theirs};

/// `dcb app add dev v0 dscp-prio 40:5` and its `del`, of iproute2 6.1.
const ADD: &str = "2c000000 4f00 0500 00000000 00000000 00140000 0700 0100 763000 00 \
                   1000 0d80 0c00 0380 0800 0100 05052800";
const DEL: &str = "2c000000 4f00 0500 00000000 00000000 001b0000 0700 0100 763000 00 \
                   1000 0d80 0c00 0380 0800 0100 05052800";
/// `dcb pfc show dev v0`
const SHOW: &str = "1c000000 4e00 0500 00000000 00000000 00150000 0700 0100 763000 00";

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
