//! A plan as files: for kubectl or a repository, and for nodes without an API server.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use fabric::{NodeFile, Options, Plan, Slots};
use serde_json::{Map, Value};

use crate::output::{line, to_yaml};

/// Which node has which slices. Kept with the plan: without it, nodes that come and go would move others.
const SLOTS: &str = "nodes/slots.yaml";

/// The numbers of the plan that is in the directory; none where there is no plan yet.
pub(super) fn slots(directory: &Path) -> Result<Slots> {
    let path = directory.join(SLOTS);
    if !path.exists() {
        return Ok(Slots::default());
    }
    let documents = super::documents(&path)?;
    let numbers = documents.iter().flat_map(|document| document.as_object().into_iter().flatten());
    let pairs = numbers.map(|(node, number)| {
        let slot = number.as_u64().and_then(|number| u32::try_from(number).ok());
        let slot = slot.with_context(|| {
            format!("{}: {node} has {number}, and a number from 0 is wanted", path.display())
        })?;
        Ok((node.clone(), slot))
    });
    Ok(Slots::from_pairs(pairs.collect::<Result<Vec<_>>>()?))
}

/// Objects in the order in which they are to be applied, and a folder per node.
pub(super) fn write(directory: &Path, plan: &Plan, options: &Options) -> Result<()> {
    for (name, objects) in plan.objects(options) {
        put(&directory.join(name), &stream(&objects))?;
    }
    for node in &plan.nodes {
        for file in plan.node_files(node) {
            let folder = directory.join("nodes").join(&node.name);
            let (name, text) = match file {
                NodeFile::Pools(pools) => (format!("pools.d/{}.yaml", plan.name), stream(&pools)),
                NodeFile::Network { name, config } => {
                    (format!("net.d/{name}.conflist"), format!("{config:#}\n"))
                }
                NodeFile::Host(settings) => ("host.yaml".to_owned(), to_yaml(&settings)),
            };
            put(&folder.join(name), &text)?;
        }
    }
    if plan.is_sliced() {
        let slots: Map<String, Value> =
            plan.slots.iter().map(|(node, slot)| (node.to_owned(), slot.into())).collect();
        put(&directory.join(SLOTS), &to_yaml(&slots.into()))?;
    }
    line(&format!("{} has the plan: kubectl apply -f {}", directory.display(), directory.display()))
}

fn stream(objects: &[Value]) -> String {
    objects.iter().map(to_yaml).collect::<Vec<_>>().join("---\n")
}

fn put(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(state::file::replace(path, text.as_bytes())?)
}
