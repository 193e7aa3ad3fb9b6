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

/// What containers and sidecars ask for together. An init container does not count: kubelet lends its devices to those containers
/// only that ask for them, too, and those that it lends cost the pod nothing.
fn asked_by_pod(spec: &Value, resource: &str) -> u64 {
    let list = |key: &str| spec[key].as_array().map_or(&[][..], Vec::as_slice);
    let sidecars = list("initContainers").iter().filter(|container| container["restartPolicy"] == "Always");
    let together = list("containers").iter().chain(sidecars);
    together.fold(0, |sum: u64, container| sum.saturating_add(asked(container, resource)))
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
