//! Counters that a test can set.

use std::fs;

use vm::lab::vf;

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
