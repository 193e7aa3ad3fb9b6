//! `railctl doctor` on devices of a real RDMA core.

use std::fs;

use serde_json::Value;
use testkit::binary;
use vm::lab::{Pod, ip, pf, run, try_run, vf};

fn doctor(args: &[&str]) -> Value {
    let program = binary("railctl").display().to_string();
    let words = [&[program.as_str(), "doctor", "-o", "json"], args].concat();
    let outcome = try_run(&words);
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
}

/// The findings about a subject, or one that begins so.
fn of<'a>(report: &'a Value, check: &str, subject: &str) -> Vec<&'a Value> {
    let findings = report["findings"].as_array().expect("a list");
    let is_it = |finding: &&Value| {
        finding["check"] == check && finding["subject"].as_str().is_some_and(|text| text.starts_with(subject))
    };
    findings.iter().filter(is_it).collect()
}

#[test]
fn a_node_is_judged_by_what_its_rdma_core_says() {
    let pf = pf(0);
    let (name, device) = (pf.ifname(), pf.rdma().remove(0));
    ip(&format!("address add 10.7.0.1/24 dev {name}"));
    ip(&format!("link set {name} up mtu 4200"));
    let report = doctor(&[]);
    let port = of(&report, "device", &format!("{device}/1"));
    assert_eq!(port[0]["level"], "good", "{port:?}");
    let gid = of(&report, "gid", &format!("{device}/1 {name} 10.7.0.1"));
    let index = gid[0]["value"].as_str().and_then(|value| value.rsplit(' ').next()).expect("an index");
    let entry = format!("/sys/class/infiniband/{device}/ports/1/gids/{index}");
    assert_eq!(
        fs::read_to_string(entry).expect("an entry").trim(),
        "0000:0000:0000:0000:0000:ffff:0a07:0001"
    );
    assert_eq!(of(&report, "mtu", &name)[0]["level"], "good");
    // The lab sets it by hand.
    assert_eq!(of(&report, "netnsMode", "")[0]["level"], "error");
    ip(&format!("link set {name} down"));
    let port = doctor(&[]);
    let port = of(&port, "device", &format!("{device}/1"));
    assert_eq!(port[0]["level"], "error", "{port:?}");
}

#[test]
fn a_pod_has_its_gid_index_and_the_settings_of_nccl() {
    let (vf, pod) = (vf(3, 0), Pod::new());
    let device = vf.rdma().remove(0);
    run(&["rdma", "dev", "set", &device, "netns", pod.name()]);
    pod.take(&vf, "net1", "10.9.0.1/24");
    let report = doctor(&[pod.name(), "--nccl-conf", "/run/nccl.conf"]);
    let rail = &report["rails"][0];
    assert_eq!(
        (rail["ifname"].as_str(), rail["device"].as_str()),
        (Some("net1"), Some(device.as_str())),
        "{report}"
    );
    let index = rail["gidIndex"].as_u64().expect("an index");
    let path = format!("/sys/class/infiniband/{device}/ports/1/gids/{index}");
    assert_eq!(pod.run(&["cat", &path]).trim(), "0000:0000:0000:0000:0000:ffff:0a09:0001");
    let conf = fs::read_to_string("/run/nccl.conf").expect("a file");
    assert_eq!(conf, format!("NCCL_IB_HCA=={device}:1\nNCCL_IB_GID_INDEX={index}\n"));
    assert!(
        !fs::exists(format!("/sys/class/infiniband/{device}")).expect("ask"),
        "the node's /sys is as it was"
    );
    let alone =
        try_run(&[&binary("railctl").display().to_string(), "doctor", Pod::new().name(), "--allow-none"]);
    assert!(alone.ok && alone.stdout.starts_with("no RDMA device in "), "{alone:?}");
}
