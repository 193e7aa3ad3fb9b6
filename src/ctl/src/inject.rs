//! `railctl inject`: what the webhook would make of a pod, without a cluster.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;
use inject::{Injection, Namespace, Networks, Outcome, Policy};
use runtime::network;
use serde_json::Value;

use crate::complete;
use crate::output::{to_yaml, warn, write};

#[derive(Args, Debug)]
#[expect(clippy::doc_markdown, reason = "the help text, which people read without backticks")]
pub(crate) struct Inject {
    /// YAML or JSON with pods, or workloads that have a template of one
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A file with the Namespace of the pods [default: one that says nothing]
    #[arg(long, value_name = "FILE")]
    pub(crate) namespace: Option<PathBuf>,
    /// A file with what there is to ask for: Fabrics and SpiderMultusConfigs; once for each file
    #[arg(long = "config", value_name = "FILE")]
    pub(crate) configs: Vec<PathBuf>,
    /// Namespace in which the controller makes the networks of Fabrics
    #[arg(long, value_name = "NAMESPACE", default_value = "default", add = ArgValueCompleter::new(complete::namespaces))]
    pub(crate) networks_namespace: String,
    /// Namespaces whose SpiderMultusConfigs count for pods of all namespaces; those of others count for pods of their own
    #[arg(long, value_name = "NAMESPACE", value_delimiter = ',', default_values_t = Policy::CONFIGS.map(str::to_owned))]
    pub(crate) config_namespaces: Vec<String>,
    /// How the objects are printed
    #[arg(short, long, value_enum, default_value_t = PrintAs::Yaml)]
    pub(crate) output: PrintAs,
}

/// Forms of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrintAs {
    /// YAML, with --- between objects
    Yaml,
    /// JSON, one object after the other
    Json,
}

pub(crate) fn run(args: &Inject) -> Result<()> {
    let networks = networks(args)?;
    let namespace = args.namespace.as_deref().map(namespace).transpose()?;
    let configs = args.config_namespaces.iter().filter(|name| !name.is_empty()).cloned().collect();
    let policy = Policy { configs, ..Policy::default() };
    let documents = documents(&args.file)?;
    ensure!(documents.iter().any(has_pod), "{} holds no pod", args.file.display());
    for (index, document) in documents.into_iter().enumerate() {
        let document = if has_pod(&document) {
            injected(document, namespace.as_ref(), &networks, &policy)?
        } else {
            document
        };
        match args.output {
            PrintAs::Yaml if index > 0 => write(&format!("---\n{}", to_yaml(&document))),
            PrintAs::Yaml => write(&to_yaml(&document)),
            PrintAs::Json => write(&format!("{document:#}\n")),
        }?;
    }
    Ok(())
}

fn documents(path: &Path) -> Result<Vec<Value>> {
    yaml::documents(&network::text(path)?).with_context(|| path.display().to_string())
}

/// All that the files of `--config` hold, lists of kubectl included.
fn networks(args: &Inject) -> Result<Networks> {
    let mut networks = Networks::default();
    let options = fabric::Options::of_cluster(&args.networks_namespace);
    for path in &args.configs {
        let found: Vec<_> = documents(path)?.into_iter().flat_map(items).collect();
        found
            .iter()
            .filter(|document| document["kind"] == multus_config::KIND)
            .for_each(|config| networks.add_config(config));
        if found.iter().any(|document| document["kind"] == "Fabric") {
            let fabrics = fabric::fabrics(&found).with_context(|| path.display().to_string())?;
            for fabric in &fabrics {
                networks.add_fabric(fabric, &options);
            }
        }
    }
    Ok(networks)
}

fn items(document: Value) -> Vec<Value> {
    match document.get("items").and_then(Value::as_array) {
        Some(items) => items.clone(),
        None => vec![document],
    }
}

fn namespace(path: &Path) -> Result<Namespace> {
    let documents = documents(path)?;
    let found = documents.iter().find(|document| document["kind"] == "Namespace");
    found.map(Namespace::of).with_context(|| format!("{} holds no Namespace", path.display()))
}

/// Where the pod stands in a document: itself, or the template of a workload.
fn place(document: &Value) -> Option<&'static str> {
    let place = match document["kind"].as_str()? {
        "Pod" => "",
        "CronJob" => "/spec/jobTemplate/spec/template",
        _ => "/spec/template",
    };
    document.pointer(place).is_some_and(Value::is_object).then_some(place)
}

fn has_pod(document: &Value) -> bool {
    place(document).is_some()
}

fn injected(
    mut document: Value,
    namespace: Option<&Namespace>,
    networks: &Networks,
    policy: &Policy,
) -> Result<Value> {
    let metadata = document["metadata"].clone();
    let name = format!(
        "{} {}",
        document["kind"].as_str().unwrap_or_default(),
        metadata["name"].as_str().unwrap_or_default()
    );
    let own = Namespace::named(metadata["namespace"].as_str().unwrap_or("default"));
    let pod = place(&document).and_then(|place| document.pointer_mut(place));
    let Some(pod) = pod else { bail!("{name} has no pod") };
    // A template may do without metadata; the pod that is made of it has some.
    if pod["metadata"].is_null() {
        pod["metadata"] = serde_json::json!({});
    }
    match inject::inject(pod, namespace.unwrap_or(&own), networks, policy).with_context(|| name.clone())? {
        Outcome::Untouched(reason) => warn(&format!("{name} stays as it is: {reason}")),
        Outcome::Injected(Injection { pod: new, added, notes, .. }) => {
            *pod = new;
            added.iter().chain(&notes).for_each(|words| warn(&format!("{name}: {words}")));
        }
    }
    Ok(document)
}
