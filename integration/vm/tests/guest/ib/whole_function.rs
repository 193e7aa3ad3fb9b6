//! The node's own NIC on InfiniBand, where a VF belongs.

use serde_json::json;
use vm::lab::pf;

use super::GUID;
use crate::whole_function::{is_refused_and_untouched, plugin};

#[test]
fn a_function_that_is_no_vf_is_refused_by_ib_sriov_and_rail_and_untouched() {
    let pf = pf(7);
    is_refused_and_untouched(&pf, |pod| {
        let guid = json!({ "guid": GUID });
        let rail = json!({ "guid": GUID, "link": "ib-sriov", "rdma": "exclusive" });
        let calls = [plugin("ib-sriov", &pf, pod, &guid), plugin("rail", &pf, pod, &rail)];
        calls.map(|call| call.ifname("net2")).into()
    });
}
