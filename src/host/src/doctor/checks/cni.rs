//! The runtime takes the first config, and that has to be Multus where there is one.

use crate::doctor::finding::{Check, Finding, Level};
use crate::doctor::sight::Sight;

pub(super) fn first(sight: &Sight) -> Vec<Finding> {
    let Some((name, kind)) = sight.cni.first() else { return Vec::new() };
    let is_multus = |kind: &str| kind.starts_with("multus");
    let multus = sight.cni.iter().find(|(_, kind)| is_multus(kind));
    let found = Finding::good(Check::Cni, name, format!("type {kind}"), "/etc/cni/net.d");
    vec![match multus {
        Some((other, _)) if !is_multus(kind) => found.bad(
            Level::Error,
            format!("{other}, which is Multus, before all others"),
            format!("mv /etc/cni/net.d/{other} /etc/cni/net.d/00-multus.conf (by Multus's own --multus-conf-file, or it comes back)"),
        ),
        None => found.bad(Level::Info, "Multus, if pods are to have rails beside their first NIC", "install Multus; podman, Nomad and railctl attach need none"),
        _ => found,
    }]
}
