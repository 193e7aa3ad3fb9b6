//! Kubelet gives no device to a pod that is no more.

use crate::doctor::finding::{Check, Finding, Level};
use crate::doctor::sight::{Holder, Sight};

const CHECKPOINT: &str = "/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint";

pub(super) fn held(sight: &Sight) -> Vec<Finding> {
    sight.held.iter().filter(|holder| !holder.devices.is_empty()).map(judged).collect()
}

fn judged(holder: &Holder) -> Finding {
    let value = format!("{} held by pod {}", holder.devices.join(", "), holder.uid);
    let cure =
        "restart kubelet, which lists its pods again; railctl gc --dry-run tells what their networks left";
    Finding::good(Check::Resources, &holder.resource, value, CHECKPOINT).unless(
        holder.alive,
        Level::Warning,
        "held by pods of this node (/var/lib/kubelet/pods)",
        cure,
    )
}
