//! A plan as files: for kubectl or a repository, and for nodes without an API server.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fabric::{NodeFile, Options, Plan, Slots};
use serde_json::{Map, Value};

use crate::output::{line, to_yaml, warn};

/// The first line of each file for kubectl, by which the next plan knows that it may replace it.
const MARK: &str = "# Written by railctl plan, which replaces it.";

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
    let files = plan.objects(options);
    let others = others(directory, &files)?;
    for (name, objects) in &files {
        put(&directory.join(name), &format!("{MARK}\n{}", stream(objects)))?;
    }
    write_nodes(directory, plan)?;
    if plan.is_sliced() {
        let slots: Map<String, Value> =
            plan.slots.iter().map(|(node, slot)| (node.to_owned(), slot.into())).collect();
        put(&directory.join(SLOTS), &to_yaml(&slots.into()))?;
    }
    for name in others {
        warn(&format!(
            "{name} in {} is not of this plan, and `kubectl apply -f` takes it, too",
            directory.display()
        ));
    }
    let lacking = super::lacking(plan, options);
    let directory = directory.display();
    for lack in &lacking {
        warn(&format!("{directory} has a part of the plan: {lack}"));
    }
    if lacking.is_empty() {
        line(&format!("{directory} has the plan: kubectl apply -f {directory}"))
    } else {
        Ok(())
    }
}

/// A folder for each node.
fn write_nodes(directory: &Path, plan: &Plan) -> Result<()> {
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
    Ok(())
}

/// Names of files that kubectl would take beside those of the plan. One in the place of a file of the plan that no plan wrote is
/// somebody's own, and stays.
fn others(directory: &Path, files: &[(String, Vec<Value>)]) -> Result<Vec<String>> {
    let mut others = Vec::new();
    if !directory.exists() {
        return Ok(others);
    }
    for entry in fs::read_dir(directory).with_context(|| format!("list {}", directory.display()))? {
        let path = entry?.path();
        let is_read =
            path.extension().is_some_and(|ext| ["yaml", "yml", "json"].iter().any(|read| ext == *read));
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !is_read || !path.is_file() {
            continue;
        }
        if !files.iter().any(|(planned, _)| *planned == name) {
            others.push(name);
            continue;
        }
        let is_ours = state::file::read_text(&path)?.is_none_or(|text| text.starts_with(MARK));
        ensure!(
            is_ours,
            "{} was not written by `railctl plan`, whose file has this name: move it, or write the plan into another directory; \
             nothing was changed (an earlier plan has no first line that says so: remove its files)",
            path.display()
        );
    }
    others.sort();
    Ok(others)
}

fn stream(objects: &[Value]) -> String {
    objects.iter().map(to_yaml).collect::<Vec<_>>().join("---\n")
}

fn put(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(state::file::replace(path, text.as_bytes())?)
}
