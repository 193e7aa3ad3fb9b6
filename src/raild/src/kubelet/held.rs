//! What a pod holds, out of all that kubelet lists.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::checkpoint::Owners;
use super::listed::PodResources;

/// A plugin hears no more.
const LONGEST: usize = 16 << 10;

/// As the runtime named it to the plugin.
#[derive(Debug, PartialEq)]
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: Option<String>,
}

/// `devices RESOURCE=ID,ID RESOURCE=ID`: all devices of all its containers, for they share one network; by natural order of the
/// resources' names. Or why there is no such line.
pub(super) fn answer(listed: &[PodResources], pod: &Pod, owners: &Owners) -> Result<String, String> {
    let title = format!("{}/{}", pod.namespace, pod.name);
    let is_it = |one: &&PodResources| (&one.namespace, &one.name) == (&pod.namespace, &pod.name);
    let found = match listed.iter().filter(is_it).collect::<Vec<_>>().as_slice() {
        [] => {
            return Err(format!(
                "kubelet knows no pod {title}: it has ended meanwhile, or is no pod of this kubelet"
            ));
        }
        [one] => *one,
        several => {
            return Err(format!(
                "kubelet knows {} pods {title}, and does not say whose devices are whose: it tries again",
                several.len()
            ));
        }
    };
    let mut held: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut others = BTreeSet::new();
    for devices in &found.devices {
        for id in &devices.ids {
            if !is_device(id) {
                others.insert(devices.resource.as_str());
                continue;
            }
            refuse_anothers(pod, &devices.resource, id, owners)?;
            held.entry(&devices.resource).or_default().insert(id);
        }
    }
    if held.is_empty() {
        let others = others.into_iter().collect::<Vec<_>>().join(", ");
        let others =
            if others.is_empty() { "it has none at all".to_owned() } else { format!("it has {others}") };
        return Err(format!(
            "kubelet gave it no device with a PCI address ({others}): the limits of its containers have to ask for the rails' resources"
        ));
    }
    line(held)
}

fn line(held: BTreeMap<&str, BTreeSet<&str>>) -> Result<String, String> {
    let mut held = held.into_iter().collect::<Vec<_>>();
    held.sort_by(|(one, _), (other, _)| fabric::natural(one, other));
    let words = held.into_iter().map(|(resource, ids)| {
        let mut ids = ids.into_iter().collect::<Vec<_>>();
        ids.sort_by(|one, other| in_order(one, other));
        format!("{resource}={}", ids.join(","))
    });
    let line = format!("devices {}", words.collect::<Vec<_>>().join(" "));
    if line.len() < LONGEST {
        Ok(line)
    } else {
        Err("it has more devices than fit into an answer".to_owned())
    }
}

/// PCI addresses have digits to the base of sixteen and a fixed width; what has neither is a subfunction.
fn in_order(one: &str, other: &str) -> Ordering {
    let is_pci = |id: &str| id.parse::<sysfs::Bdf>().is_ok();
    match (is_pci(one), is_pci(other)) {
        (true, true) => one.to_ascii_lowercase().cmp(&other.to_ascii_lowercase()),
        (one, other) if one != other => other.cmp(&one),
        _ => fabric::natural(one, other),
    }
}

/// Of a device plugin that shares its devices, an ID is a number or anything else.
fn is_device(id: &str) -> bool {
    let is_subfunction = || {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let number = id.rsplit_once(".sf.").map(|(_, number)| number.parse::<u32>());
        id.len() < 64 && id.bytes().all(legal) && matches!(number, Some(Ok(_)))
    };
    id.parse::<sysfs::Bdf>().is_ok() || is_subfunction()
}

/// The list names pods by their names, which another pod may have by now.
fn refuse_anothers(pod: &Pod, resource: &str, id: &str, owners: &Owners) -> Result<(), String> {
    let Some(uid) = &pod.uid else { return Ok(()) };
    match owners.get(&(resource.to_owned(), id.to_owned())) {
        Some(owner) if owner != uid => Err(format!(
            "{id} of {resource} is of the pod with the UID {owner}, which has that name now, and this one has {uid}"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
