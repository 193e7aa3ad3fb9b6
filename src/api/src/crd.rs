//! The CRD files: what the API server is told about the kinds.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::fabric::{FabricSpec, FabricStatus};
use crate::node::{RailNodeSpec, RailNodeStatus};
use crate::pool::{SpiderIPPoolSpec, SpiderIPPoolStatus, SpiderReservedIPSpec};
use crate::{
    Fabric, Kind, RailBlock, RailBlockSpec, RailNode, SpiderIPPool, SpiderMultusConfig,
    SpiderMultusConfigSpec, SpiderMultusConfigStatus, SpiderReservedIP,
};

/// All kinds, by the name of their CRD.
pub fn all() -> Vec<(String, Value)> {
    let crds = [
        crd::<SpiderIPPool>(&pool(), Some(schema::<SpiderIPPoolStatus>(&[])), &POOL_COLUMNS),
        crd::<SpiderReservedIP>(
            &schema::<SpiderReservedIPSpec>(&[]),
            None,
            &[("VERSION", "integer", ".spec.ipVersion", 0)],
        ),
        crd::<SpiderMultusConfig>(
            &schema::<SpiderMultusConfigSpec>(&[]),
            Some(schema::<SpiderMultusConfigStatus>(&[])),
            &CONFIG_COLUMNS,
        ),
        crd::<Fabric>(
            &schema::<FabricSpec>(&FABRIC_RULES),
            Some(schema::<FabricStatus>(&[])),
            &FABRIC_COLUMNS,
        ),
        crd::<RailBlock>(&schema::<RailBlockSpec>(&[]), None, &BLOCK_COLUMNS),
        crd::<RailNode>(
            &schema::<RailNodeSpec>(&NODE_RULES),
            Some(schema::<RailNodeStatus>(&[])),
            &NODE_COLUMNS,
        ),
    ];
    crds.into_iter()
        .map(|crd| (crd["metadata"]["name"].as_str().unwrap_or_default().to_owned(), crd))
        .collect()
}

/// Heading, type, path, priority: 0 is always shown, 1 with `-o wide`.
type Column = (&'static str, &'static str, &'static str, i64);

const AGE: Column = ("AGE", "date", ".metadata.creationTimestamp", 0);

const POOL_COLUMNS: [Column; 10] = [
    ("VERSION", "integer", ".spec.ipVersion", 0),
    ("SUBNET", "string", ".spec.subnet", 0),
    ("GRANTED", "integer", ".status.granted", 0),
    ("USED", "integer", ".status.allocatedIPCount", 0),
    ("FREE", "integer", ".status.free", 0),
    ("TOTAL", "integer", ".status.totalIPCount", 0),
    ("DEFAULT", "boolean", ".spec.default", 0),
    ("DISABLE", "boolean", ".spec.disable", 1),
    ("NODES", "string", ".spec.nodeName", 1),
    ("NETWORKS", "string", ".spec.multusName", 1),
];
const CONFIG_COLUMNS: [Column; 3] = [
    ("TYPE", "string", ".spec.cniType", 0),
    ("RENDERED", "string", ".status.conditions[?(@.type=='Rendered')].status", 0),
    AGE,
];
const FABRIC_COLUMNS: [Column; 5] = [
    ("LINK", "string", ".spec.link", 0),
    ("NODES", "integer", ".status.nodes", 0),
    ("READY", "integer", ".status.ready", 0),
    ("STATE", "string", ".status.conditions[?(@.type=='Applied')].reason", 0),
    AGE,
];
const BLOCK_COLUMNS: [Column; 4] = [
    ("GROUP", "string", ".spec.group", 0),
    ("FIRST", "integer", ".spec.first", 0),
    ("COUNT", "integer", ".spec.count", 0),
    ("EPOCH", "integer", ".spec.epoch", 0),
];
const NODE_COLUMNS: [Column; 6] = [
    ("RAILS", "integer", ".status.rails", 0),
    ("RDMA", "string", ".status.rdma", 0),
    ("READY", "string", ".status.conditions[?(@.type=='Ready')].status", 0),
    ("FREE", "integer", ".status.free", 0),
    ("EPOCH", "integer", ".spec.epoch", 1),
    AGE,
];

/// CEL, and what is said when it does not hold.
type Rule = (&'static str, &'static str);

const POOL_RULES: [Rule; 4] = [
    ("isCIDR(self.subnet)", "spec.subnet is no subnet: write ADDRESS/LENGTH such as 172.16.1.0/24"),
    (
        "!has(oldSelf.subnet) || self.subnet == oldSelf.subnet",
        "spec.subnet cannot be changed: make another pool and disable this one",
    ),
    ("!has(self.gateway) || isIP(self.gateway)", "spec.gateway is no IP address"),
    (
        "!has(self.gateway) || !isIP(self.gateway) || !isCIDR(self.subnet) || cidr(self.subnet).containsIP(self.gateway)",
        "spec.gateway is outside spec.subnet",
    ),
];
const FABRIC_RULES: [Rule; 1] = [(
    "[has(self.addressing.shared), has(self.addressing.perNode)].filter(b, b).size() == 1",
    "spec.addressing needs either shared (a subnet per rail) or perNode (a slice per node and rail)",
)];
const ROUTE_RULES: [Rule; 2] = [
    ("has(self.dst) != has(self.to)", "a route needs dst (or to, as the guides write it)"),
    ("has(self.gw) != has(self.via)", "a route needs gw (or via, as the guides write it)"),
];
const NODE_RULES: [Rule; 1] =
    [("self.epoch >= oldSelf.epoch", "spec.epoch only grows: read the node again before you change it")];

fn crd<K: Kind>(spec: &Value, status: Option<Value>, columns: &[Column]) -> Value {
    let mut properties = json!({
        "apiVersion": { "type": "string" },
        "kind": { "type": "string" },
        "metadata": { "type": "object" },
        "spec": spec,
    });
    let has_status = status.is_some();
    if let Some(status) = status {
        properties["status"] = status;
    }
    let mut version = json!({
        "name": K::VERSION,
        "served": true,
        "storage": true,
        "additionalPrinterColumns": columns.iter().map(column).collect::<Vec<_>>(),
        "schema": { "openAPIV3Schema": {
            "type": "object",
            "required": ["spec"],
            "properties": properties,
        }},
    });
    if has_status {
        version["subresources"] = json!({ "status": {} });
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{}.{}", K::PLURAL, K::GROUP) },
        "spec": {
            "group": K::GROUP,
            "names": {
                "kind": K::KIND,
                "listKind": format!("{}List", K::KIND),
                "plural": K::PLURAL,
                "singular": K::KIND.to_ascii_lowercase(),
                "shortNames": K::SHORT,
                "categories": if K::GROUP == crate::SPIDERPOOL { ["spiderpool"] } else { ["railcni"] },
            },
            "scope": if K::NAMESPACED { "Namespaced" } else { "Cluster" },
            "versions": [version],
        },
    })
}

fn column(&(name, kind, path, priority): &Column) -> Value {
    let mut column = json!({ "name": name, "type": kind, "jsonPath": path });
    if priority != 0 {
        column["priority"] = priority.into();
    }
    column
}

/// A structural schema (apiextensions): every value has its type, nothing is said by reference.
fn schema<T: JsonSchema>(rules: &[Rule]) -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    structural(&mut schema);
    if !rules.is_empty() {
        schema["x-kubernetes-validations"] = self::rules(rules);
    }
    schema
}

/// A pool, whose routes may have the guides' words, too: `to` for `dst`, and `via` for `gw`, as in the files of a node.
fn pool() -> Value {
    let mut schema = schema::<SpiderIPPoolSpec>(&POOL_RULES);
    let route = &mut schema["properties"]["routes"]["items"];
    for (word, field) in [("to", "dst"), ("via", "gw")] {
        let description = format!("The guides' word for {field}.");
        route["properties"][word] = json!({ "description": description, "type": "string" });
    }
    if let Some(members) = route.as_object_mut() {
        members.remove("required");
    }
    route["x-kubernetes-validations"] = rules(&ROUTE_RULES);
    schema
}

fn rules(rules: &[Rule]) -> Value {
    rules.iter().map(|(rule, message)| json!({ "rule": rule, "message": message })).collect()
}

/// Takes out what an API server refuses: titles, formats that it does not know, limits that a format implies, defaults (the
/// reader's business: a default in the schema would be written into every object), and `null` beside absence.
fn structural(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    for key in ["title", "$schema", "default", "nullable"] {
        members.remove(key);
    }
    if let Some(Value::Array(values)) = members.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let known = ["int32", "int64", "date-time"];
    if members.get("format").and_then(Value::as_str).is_some_and(|format| !known.contains(&format)) {
        members.remove("format");
    }
    for key in ["minimum", "maximum"] {
        if let Some(whole) = members.get(key).and_then(Value::as_f64).and_then(whole) {
            members.insert(key.to_owned(), whole.into());
        }
    }
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        properties.values_mut().for_each(structural);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(below) = members.get_mut(key) {
            structural(below);
        }
    }
}

/// As people write it: `128`, not `128.0`.
#[expect(clippy::cast_possible_truncation, reason = "limits of a schema are small")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0).then_some(number as i64)
}
