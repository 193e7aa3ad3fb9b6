//! `railctl host` on Debian's own driver, which has no DCB.

use std::fs;

use testkit::binary;
use vm::lab::{Outcome, Pf, pf, try_run};

const FILE: &str = "/run/host.yaml";

#[expect(clippy::disallowed_methods, reason = "nobody reads a test's own file while it is written")]
fn railctl(verb: &str, file: &str) -> Outcome {
    fs::write(FILE, file).expect("write the file");
    try_run(&[&binary("railctl").display().to_string(), "host", verb, FILE])
}

#[track_caller]
fn succeeds(verb: &str, file: &str) -> String {
    let outcome = railctl(verb, file);
    assert!(outcome.ok, "{verb}: {outcome:?}");
    outcome.stdout
}

fn picture(pf: &Pf) -> (usize, String, String) {
    let read = |file: &str| fs::read_to_string(file).expect(file).trim().to_owned();
    let autoprobe = pf.sysfs().join("sriov_drivers_autoprobe").display().to_string();
    (pf.vfs().len(), read(&format!("/sys/class/net/{}/mtu", pf.ifname())), read(&autoprobe))
}

#[test]
fn functions_and_links_are_set_and_undone() {
    let pf = pf(1);
    let before = picture(&pf);
    let file = format!(
        "{{rdmaSubnets: [172.16.0.0/16], nics: [{{name: {}, addresses: [172.16.0.10/24], gateways: [172.16.0.1], mtu: 2000, vfs: 3}}]}}",
        pf.ifname()
    );
    succeeds("apply", &file);
    assert_eq!(picture(&pf), (3, "2000".to_owned(), before.2.clone()));
    assert!(pf.vfs().iter().all(|vf| vf.netdev().is_some()));
    assert!(succeeds("apply", &file).contains("nothing to change"));
    pf.set_numvfs(0).expect("no VFs");
    pf.set_numvfs(2).expect("two VFs");
    let check = railctl("check", &file);
    assert!(!check.ok && check.stdout.contains("VFs is 2, wanted is 3"), "{check:?}");
    succeeds("apply", &file);
    succeeds("check", &file);
    succeeds("undo", "");
    assert_eq!(picture(&pf), before);
}

#[test]
fn what_it_lacks_is_told_and_nothing_is_changed() {
    let pf = pf(0);
    let before = picture(&pf);
    let name = pf.ifname();
    let refused = railctl(
        "apply",
        &format!("{{nics: [{{name: {name}, mtu: 2000, linkType: infiniband}}], roce: {{}}}}"),
    );
    for said in [
        "its driver has no priority flow control",
        "its port is Ethernet, wanted is InfiniBand (`mlxconfig -d 0000:",
    ] {
        assert!(!refused.ok && refused.stderr.contains(said), "{said:?} is not in {refused:?}");
    }
    assert_eq!(picture(&pf), before);
}
