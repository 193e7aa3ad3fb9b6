//! The node's own NIC, where a VF belongs.

use serde_json::json;
use vm::lab::pf;

use crate::eth::sriov::call::Call;
use crate::whole_function::{is_refused_and_untouched, plugin};

#[test]
fn a_function_that_is_no_vf_is_refused_by_sriov_rdma_and_rail_and_untouched() {
    let pf = pf(7);
    is_refused_and_untouched(&pf, |pod| {
        let link = json!({ "name": "net1", "sandbox": pod.path() });
        let before = json!({ "prevResult": { "cniVersion": "1.1.0", "interfaces": [link] } });
        let shared = json!({ "link": "sriov" });
        let exclusive = json!({ "link": "sriov", "rdma": "exclusive", "vlan": 5 });
        let another = |call: Call| call.ifname("net2");
        vec![
            another(plugin("sriov", &pf, pod, &json!({ "vlan": 5, "mac": "02:00:5e:10:00:44" }))),
            plugin("rdma", &pf, pod, &before),
            another(plugin("rail", &pf, pod, &shared)),
            another(plugin("rail", &pf, pod, &exclusive)),
        ]
    });
}
