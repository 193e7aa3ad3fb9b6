//! Units of the devices that a pod's containers ask for.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::edit::Edit;

/// Gives the first container what all of them together lack of these units.
pub(crate) fn add(edit: &mut Edit, wanted: &BTreeMap<String, u64>) -> Vec<String> {
    let mut added = Vec::new();
    for (resource, count) in wanted {
        let missing = count.saturating_sub(asked_by_pod(&edit.pod["spec"], resource));
        if missing == 0 {
            continue;
        }
        let units = missing + asked(&edit.pod["spec"]["containers"][0], resource);
        let requested = !edit.pod["spec"]["containers"][0]["resources"]["requests"][resource].is_null();
        edit.put(&["spec", "containers", "0", "resources", "limits", resource], units.to_string().into());
        if requested {
            // Of a device a container asks for as many as it may have.
            edit.put(
                &["spec", "containers", "0", "resources", "requests", resource],
                units.to_string().into(),
            );
        }
        added.push(format!("{missing} of {resource}"));
    }
    added
}

/// As kubelet counts: containers and sidecars run together; before them, one at a time, init containers, whose devices are the
/// others' afterwards. To look at the sum first is what is missing in the sum.
fn asked_by_pod(spec: &Value, resource: &str) -> u64 {
    let list = |key: &str| spec[key].as_array().map_or(&[][..], Vec::as_slice);
    let is_sidecar = |container: &&Value| container["restartPolicy"] == "Always";
    let together = list("containers").iter().chain(list("initContainers").iter().filter(is_sidecar));
    let together = together.fold(0, |sum: u64, container| sum.saturating_add(asked(container, resource)));
    let before = list("initContainers").iter().filter(|container| !is_sidecar(container));
    before.map(|container| asked(container, resource)).fold(together, u64::max)
}

/// Limit or request, whichever is more. What is no whole number is enough: the API server says what is wrong with it.
fn asked(container: &Value, resource: &str) -> u64 {
    let units = |kind: &str| match &container["resources"][kind][resource] {
        Value::Null => 0,
        Value::String(text) => text.parse().unwrap_or(u64::from(u32::MAX)),
        Value::Number(number) => number.as_u64().unwrap_or(u64::from(u32::MAX)),
        _ => u64::from(u32::MAX),
    };
    units("limits").max(units("requests"))
}
