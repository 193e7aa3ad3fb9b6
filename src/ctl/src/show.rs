//! `railctl show`: what is on record about attachments, beside what the kernel has in the pod now.

mod live;
mod print;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use clap_complete::ArgValueCompleter;
use cni::log::rfc3339_of;
use netlink::Rtnetlink;
use netns::{Living, NetNs};
use runtime::{
    Cache,
    records::{self, Attachment},
};
use serde::Serialize;
use state::Dirs;

use crate::cli::Format;
use crate::pod::netns_path;
use crate::{complete, output, watch};
use live::{Interface, Routing};

#[derive(Args, Debug)]
pub(crate) struct Show {
    /// Only this pod: namespace/name, a network namespace (path or name), or a container ID
    #[arg(value_name = "POD", add = ArgValueCompleter::new(complete::pods))]
    pub(crate) pod: Option<String>,
    /// Again whenever something changes, until it is interrupted
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

/// One pod with its attachments.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pod {
    /// `namespace/name` in Kubernetes, where its runtime has cached it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    container_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    netns: Option<String>,
    /// Whether the namespace of the record is still there, as `railctl gc` sees it.
    alive: bool,
    attachments: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    routing: Option<Routing>,
}

/// One attachment; without `interface` the link of this name is not there.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    network: String,
    ifname: String,
    /// Those that have a record.
    plugins: Vec<String>,
    /// When, in RFC 3339; `None` where no record can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    damaged: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<Interface>,
    /// All links of the attachment, that one first: several of a network of `rail`.
    interfaces: Vec<Named>,
}

/// A link that an attachment has by its record; without more than the name it is not there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Named {
    ifname: String,
    #[serde(flatten)]
    interface: Option<Interface>,
}

pub(crate) fn run(args: &Show) -> Result<()> {
    let dirs = Dirs::from_env()?;
    let view = print::View { in_full: args.pod.is_some(), is_wide: args.output == Format::Wide };
    watch::follow(
        args.watch.then_some(watch::EVERY),
        || look(&dirs, args.pod.as_deref()),
        |pods| {
            if args.output.is_table() { print::pods(pods, view) } else { output::print(pods, args.output) }
        },
    )
}

fn look(dirs: &Dirs, pod: Option<&str>) -> Result<Vec<Pod>> {
    let (attachments, names) = (records::attachments(dirs)?, names(dirs));
    let chosen = choose(attachments, pod, &names)?;
    let living = Living::look().context("look for network namespaces in /proc")?;
    let pods = by_pod(chosen).into_values().map(|attachments| show(&attachments, &living));
    let mut pods = pods.collect::<Result<Vec<_>>>()?;
    for pod in &mut pods {
        pod.name = names.get(&pod.container_id).cloned();
    }
    Ok(pods)
}

/// The network namespace of what people call a pod: a path or name, `namespace/name`, or a container ID.
pub(crate) fn netns_of(pod: &str) -> Result<NetNs> {
    if let Ok(netns) = NetNs::open(&netns_path(pod)?) {
        return Ok(netns);
    }
    let dirs = Dirs::from_env()?;
    let chosen = choose(records::attachments(&dirs)?, Some(pod), &names(&dirs))?;
    let living = chosen.iter().find_map(Attachment::open);
    living.with_context(|| format!("the network namespace of {pod} is gone"))
}

/// The names of pods by container ID. They are for people: where the runtime has no readable cache, nothing else is missing.
fn names(dirs: &Dirs) -> Names {
    let cached = Cache::of_runtime(dirs).list().unwrap_or_default();
    cached.into_iter().filter_map(|entry| Some((entry.container_id.clone(), entry.pod()?))).collect()
}

/// What Kubernetes calls the pods that have a network on this node.
pub(crate) fn pod_names(dirs: &Dirs) -> BTreeSet<String> {
    names(dirs).into_values().collect()
}

/// Container ID and network namespace of the pod that Kubernetes calls `namespace/name`; of several that had the name, one that is
/// alive.
pub(crate) fn sandbox(dirs: &Dirs, pod: &str) -> Option<(String, PathBuf)> {
    let cached = Cache::of_runtime(dirs).list().unwrap_or_default();
    let called = cached.into_iter().filter(|entry| entry.pod().as_deref() == Some(pod));
    let sandboxes: Vec<_> = called.map(|entry| (entry.container_id, PathBuf::from(entry.netns))).collect();
    let alive = sandboxes.iter().find(|(_, netns)| NetNs::open(netns).is_ok());
    alive.or(sandboxes.last()).cloned()
}

/// What Kubernetes calls the pod of a container ID.
pub(crate) fn name_of(dirs: &Dirs, container: &str) -> Option<String> {
    names(dirs).remove(container)
}

/// All, or those of a pod as Kubernetes calls it, of a container ID or of a namespace.
fn choose(attachments: Vec<Attachment>, pod: Option<&str>, names: &Names) -> Result<Vec<Attachment>> {
    let Some(pod) = pod else { return Ok(attachments) };
    let path = netns_path(pod)?;
    let netns = NetNs::open(&path).ok();
    let called =
        |attachment: &Attachment| names.get(&attachment.key.container_id).is_some_and(|name| name == pod);
    let chosen: Vec<_> = attachments
        .into_iter()
        .filter(|attachment| called(attachment) || is_of(attachment, pod, &path, netns.as_ref()))
        .collect();
    if chosen.is_empty() {
        bail!(
            "nothing is on record for {pod:?}, neither as namespace/name nor as a container ID nor as the namespace {}",
            path.display()
        );
    }
    Ok(chosen)
}

fn is_of(attachment: &Attachment, pod: &str, path: &Path, netns: Option<&NetNs>) -> bool {
    let same_netns = |recorded: &state::Netns| match netns {
        Some(netns) => attach::attachment::is(netns, recorded),
        None => recorded.path == path,
    };
    attachment.key.container_id == pod || attachment.netns.as_ref().is_some_and(same_netns)
}

type Names = BTreeMap<String, String>;
type PodKey = (String, Option<(u64, u64, u64)>);

fn by_pod(attachments: Vec<Attachment>) -> BTreeMap<PodKey, Vec<Attachment>> {
    let mut pods: BTreeMap<PodKey, Vec<Attachment>> = BTreeMap::new();
    for attachment in attachments {
        let netns = attachment.netns.as_ref().map(|netns| (netns.dev, netns.ino, netns.cookie));
        pods.entry((attachment.key.container_id.clone(), netns)).or_default().push(attachment);
    }
    for attachments in pods.values_mut() {
        attachments.sort_by(|a, b| a.key.ifname.cmp(&b.key.ifname));
    }
    pods
}

fn show(attachments: &[Attachment], living: &Living) -> Result<Pod> {
    let netns = attachments.iter().find_map(Attachment::open);
    let mut inside = netns.as_ref().map(Rtnetlink::open_in).transpose()?;
    let mut host = Rtnetlink::open()?;
    let mut shown = Vec::new();
    for attachment in attachments {
        let mut interfaces = Vec::new();
        for ifname in &attachment.interfaces {
            let interface = inside.as_mut().map(|route| live::interface(route, &mut host, ifname));
            interfaces.push(Named { ifname: ifname.clone(), interface: interface.transpose()?.flatten() });
        }
        shown.push(Shown::new(attachment, interfaces));
    }
    Ok(Pod {
        name: None,
        container_id: attachments
            .first()
            .map(|attachment| attachment.key.container_id.clone())
            .unwrap_or_default(),
        netns: attachments
            .iter()
            .find_map(|attachment| Some(attachment.netns.as_ref()?.path.display().to_string())),
        alive: netns.is_some() || attachments.iter().any(|attachment| attachment.is_held(living)),
        attachments: shown,
        routing: inside.as_mut().map(live::routing).transpose()?,
    })
}

impl Shown {
    fn new(attachment: &Attachment, interfaces: Vec<Named>) -> Self {
        let own = interfaces.iter().find(|named| named.ifname == attachment.key.ifname);
        let interface = own.and_then(|named| named.interface.clone());
        let Attachment { key, created, plugins, damaged, unread, .. } = attachment.clone();
        let created = (created > 0).then(|| rfc3339_of(created));
        let (network, ifname) = (key.network, key.ifname);
        Self { network, ifname, plugins, created, damaged, unread, interface, interfaces }
    }
}
