//! Which capabilities each plugin needs: the table of SECURITY.md.

use serde_json::{Value, json};
use testkit::{Plugin, Snapshot, assert_same};

use crate::suite::with;

/// What each plugin runs with in a container of its own: to enter the pod (setns) and to change links, addresses and
/// routes. `ifacer` stays on the host, and the IPAM only reads and writes files of its own user.
pub const NEEDED: &[(&str, &[&str])] = &[
    ("macvlan", &["sys_admin", "net_admin"]),
    ("ipvlan", &["sys_admin", "net_admin"]),
    ("sriov", &["sys_admin", "net_admin"]),
    ("ib-sriov", &["sys_admin", "net_admin"]),
    ("ipoib", &["sys_admin", "net_admin"]),
    ("rdma", &["sys_admin", "net_admin"]),
    ("coordinator", &["sys_admin", "net_admin"]),
    ("ifacer", &["net_admin"]),
    ("rail", &["sys_admin", "net_admin"]),
    ("rail-ipam", &[]),
];

/// An attachment's life with the capabilities of the table, and an ADD without each of them, which says so and leaves nothing;
/// `kernel` takes a picture of what has to be the same before and after.
#[track_caller]
pub fn assert_needed(name: &str, plugin: &Plugin, config: &Value, kernel: impl Fn() -> Snapshot) {
    let found = NEEDED.iter().find(|(plugin, _)| *plugin == name);
    let needed = found.unwrap_or_else(|| panic!("what {name} needs is not in the table")).1;
    let before = kernel();
    let enough = plugin.clone().with_only(needed);
    let result = enough.add(config).success();
    let checked = with(config.clone(), &json!({ "prevResult": result }));
    assert_eq!(enough.check(&checked).success(), Value::Null);
    enough.del(config).success();
    assert_same(&before, &kernel());
    for without in needed {
        let rest: Vec<_> = needed.iter().copied().filter(|name| name != without).collect();
        let outcome = plugin.clone().with_only(&rest).add(config);
        assert!(!outcome.status.success(), "{name} works without {without}: {outcome}");
        assert!(outcome.error().code > 0);
        plugin.del(config).success();
        assert_same(&before, &kernel());
    }
}
