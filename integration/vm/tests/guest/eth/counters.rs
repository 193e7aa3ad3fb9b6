//! Counters that a test can set.

use std::fs;

use netlink::Rdma;
use serde_json::Value;
use vm::lab::{rdma_devices, run, vf};

#[track_caller]
fn counter(rdma: &str, name: &str) -> String {
    let path = format!("/sys/class/infiniband/{rdma}/ports/1/{name}");
    fs::read_to_string(&path).expect(&path).trim().to_owned()
}

#[test]
fn port_and_hardware_counters_read_what_was_set() {
    let vf = vf(0, 0);
    let rdma = vf.rdma().remove(0);
    // More than 32 bits, so that a reader's overflow shows.
    vf.set_counter("port_xmit_data", 5_000_000_000);
    vf.set_counter("symbol_error", 7);
    vf.set_counter("out_of_sequence", 11);
    vf.set_counter("np_cnp_sent", 13);
    assert_eq!(counter(&rdma, "counters/port_xmit_data"), "5000000000");
    assert_eq!(counter(&rdma, "counters/symbol_error"), "7");
    assert_eq!(counter(&rdma, "hw_counters/out_of_sequence"), "11");
    assert_eq!(counter(&rdma, "hw_counters/np_cnp_sent"), "13");
    assert_eq!(counter(&rdma, "hw_counters/rx_write_requests"), "0");
}

/// `rdma` of iproute2 is the witness.
#[test]
fn objects_in_use_are_those_that_rdma_counts() {
    let told = Rdma::open().expect("an RDMA core").resources().expect("what is in use");
    let shown: Value = serde_json::from_str(&run(&["rdma", "-j", "resource", "show"])).expect("JSON");
    let shown = shown.as_array().expect("a list");
    assert_eq!((told.len(), shown.len()), (rdma_devices().len(), told.len()));
    for of_device in &told {
        let witness =
            shown.iter().find(|device| device["ifname"] == *of_device.device).expect(&of_device.device);
        assert!(of_device.counts.iter().any(|(kind, _)| kind == "qp"), "{of_device:?}");
        for (kind, count) in &of_device.counts {
            assert_eq!(witness[kind].as_u64(), Some(*count), "{kind} of {witness}");
        }
    }
}
