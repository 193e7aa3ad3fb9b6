//! What each word stands for: the networks of a Fabric, or of the `SpiderMultusConfig`s that carry the word.

use std::collections::{BTreeMap, BTreeSet};

use api::Fabric;
use cni::lenient::member;
use fabric::{Attachment, Options, natural};
use serde_json::Value;

use crate::asked::{Asked, Key};
use crate::error::Refusal;
use crate::namespace::{Namespace, Policy};

/// Words are listed in errors, but not hundreds of them.
const LISTED: usize = 10;

/// All networks of a cluster that a pod can ask for.
#[derive(Clone, Debug, Default)]
pub struct Networks(BTreeMap<Key, BTreeMap<String, Vec<Member>>>);

#[derive(Clone, Debug)]
struct Member {
    /// Rails are told by it, in natural order: `eno2` before `eno10`.
    order: String,
    name: String,
    /// That of its config; a Fabric has none, and counts everywhere.
    namespace: Option<String>,
    /// Or what is wrong with it.
    attachment: Result<Attachment, String>,
}

impl Networks {
    /// Adds a `SpiderMultusConfig`, if it carries a word: as annotation, or as label, where Spiderpool's webhook has copied it.
    pub fn add_config(&mut self, document: &Value) {
        let metadata = Namespace::of(document);
        for key in [Key::Rdma, Key::Network] {
            let Some(word) = metadata.word(key.name()).filter(|word| !word.is_empty()) else { continue };
            let member = Member::of_config(document, &metadata, key);
            let members = self.0.entry(key).or_default().entry(word.to_owned()).or_default();
            // Natural order, whoever was added first.
            let place = members.partition_point(|other| other.cmp(&member).is_lt());
            members.insert(place, member);
        }
    }

    /// Adds a Fabric; `options` are those by which its networks are made.
    pub fn add_fabric(&mut self, fabric: &Fabric, options: &Options) {
        let name = &fabric.metadata.name;
        let members = match fabric::check(fabric) {
            Err(errors) => {
                vec![Member {
                    order: String::new(),
                    name: name.clone(),
                    namespace: None,
                    attachment: Err(errors.to_string()),
                }]
            }
            Ok(()) => fabric::attachments(fabric, options).into_iter().map(Member::of_fabric).collect(),
        };
        self.0.entry(Key::Fabric).or_default().insert(name.clone(), members);
    }

    /// What is wrong with networks that somebody may ask for.
    pub fn problems(&self) -> Vec<&str> {
        let members = self.0.values().flat_map(BTreeMap::values).flatten();
        members.filter_map(|member| member.attachment.as_ref().err().map(String::as_str)).collect()
    }

    /// What the word stands for in this namespace.
    pub(crate) fn of(
        &self,
        asked: &Asked,
        namespace: &str,
        policy: &Policy,
    ) -> Result<Vec<Attachment>, Refusal> {
        let counts = |member: &&Member| {
            member.namespace.as_deref().is_none_or(|config| policy.counts(config, namespace))
        };
        let words = || self.0.get(&asked.key).into_iter().flatten();
        let mut seen = BTreeSet::new();
        let members = self.0.get(&asked.key).and_then(|words| words.get(&asked.word)).into_iter().flatten();
        let members: Vec<_> = members.filter(counts).filter(|member| seen.insert(&member.name)).collect();
        if members.is_empty() {
            let known = words().filter(|(_, members)| members.iter().any(|member| counts(&member)));
            let known = known.map(|(word, _)| word.clone()).take(LISTED).collect();
            let configs = policy.configs.iter().cloned().collect();
            return Err(Refusal::Unknown { key: asked.key, word: asked.word.clone(), known, configs });
        }
        let attachment =
            |member: &Member| member.attachment.clone().map_err(|problem| unusable(asked, problem));
        members.into_iter().map(attachment).collect()
    }
}

fn unusable(asked: &Asked, problem: String) -> Refusal {
    Refusal::Network { key: asked.key, word: asked.word.clone(), problem }
}

impl Member {
    fn of_fabric(attachment: Attachment) -> Self {
        Self {
            order: String::new(),
            name: attachment.network.clone(),
            namespace: None,
            attachment: Ok(attachment),
        }
    }

    fn of_config(document: &Value, metadata: &Namespace, key: Key) -> Self {
        let namespace = document["metadata"]["namespace"].as_str().unwrap_or("default");
        let network = |name: &str| format!("{namespace}/{name}");
        let rendered = multus_config::render(document, &[]).map_err(|error| format!("{error:#}"));
        let resource = resource(&document["spec"], key)
            .map_err(|problem| format!("SpiderMultusConfig {}: {problem}", network(&metadata.name)));
        let name = rendered.as_ref().map_or(metadata.name.as_str(), |rendered| rendered.name.as_str());
        let name = network(name);
        let attachment = rendered.and(resource).map(|resource| Attachment {
            network: name.clone(),
            resources: resource.into_iter().collect(),
            interfaces: 1,
        });
        Self { order: order(&document["spec"]), name, namespace: Some(namespace.to_owned()), attachment }
    }

    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        natural(&self.order, &other.order).then_with(|| natural(&self.name, &other.name))
    }
}

/// The block of the link: its name, and what it holds.
fn block(spec: &Value) -> (&str, &Value) {
    let kind = spec["cniType"].as_str().unwrap_or("custom");
    let name = if kind == "ib-sriov" { "ibsriov" } else { kind };
    (name, member(spec, name).unwrap_or(&Value::Null))
}

fn text<'v>(block: &'v Value, key: &str) -> Option<&'v str> {
    member(block, key)?.as_str().filter(|text| !text.is_empty())
}

/// By what Spiderpool sorts: the bond or the first master, of a VF its resource, else the network's own name.
fn order(spec: &Value) -> String {
    let (name, block) = block(spec);
    let masters = member(block, "master").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let order = match (name, masters) {
        ("sriov", _) => text(block, "resourceName"),
        (_, [_, _, ..]) => member(block, "bond").and_then(|bond| text(bond, "name")),
        (_, [master]) => master.as_str(),
        _ => None,
    };
    order.unwrap_or_default().to_owned()
}

/// What a device plugin offers for the network. Who asks for RDMA by a child link has no use for one without it: nothing else
/// brings /dev/infiniband into the pod.
fn resource(spec: &Value, key: Key) -> Result<Option<String>, String> {
    let (name, block) = block(spec);
    let field = match name {
        "sriov" | "ibsriov" => "resourceName",
        _ => "rdmaResourceName",
    };
    match (text(block, field), key, name) {
        (Some(resource), ..) => Ok(Some(resource.to_owned())),
        (None, Key::Rdma, "macvlan" | "ipvlan") => Err(format!(
            "spec.{name}.{field} is missing: what the RDMA device plugin calls the rail's NIC; without RDMA use {} in its place",
            Key::Network.name()
        )),
        _ => Ok(None),
    }
}
