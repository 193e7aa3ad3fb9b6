//! Fabrics as people write them. A wrong key is refused with the one that was meant.

use api::{
    Addressing, Fabric, FabricRoute, FabricSpec, Host, Kind as _, LabelSelector, PerNode, Rail, Resources,
    Shared,
};
use cni::{lenient, unknown};
use serde_json::Value;

/// Why a document is no fabric.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DocumentError {
    /// No document is of this kind.
    #[error("holds no Fabric: a document with apiVersion railcni.dev/v1alpha1 and kind Fabric is wanted")]
    None,
    /// A version that is not served.
    #[error("Fabric {name:?}: apiVersion {}: write {version}", .found.as_deref().map_or_else(|| "is missing".to_owned(), |found| format!("{found:?} does not exist")))]
    Version {
        /// Of the fabric.
        name: String,
        /// What stands there.
        found: Option<String>,
        /// The one that there is.
        version: String,
    },
    /// A key that means nothing.
    #[error("Fabric {name:?}: spec.{key} is no key of a Fabric{}", .meant.as_deref().map(|key| format!("; write {key:?}")).unwrap_or_default())]
    Unknown {
        /// Of the fabric.
        name: String,
        /// Below `spec`.
        key: String,
        /// What was probably meant.
        meant: Option<String>,
    },
    /// A value of another type.
    #[error("Fabric {name:?}: {problem}")]
    Value {
        /// Of the fabric.
        name: String,
        /// Field, value, and what is allowed.
        problem: String,
    },
}

type Meant = &'static [(&'static str, &'static str)];

const SPEC: Meant = &[
    ("type", "link"),
    ("cniType", "link"),
    ("linkType", "link"),
    ("rdmaMode", "rdma"),
    ("numVfs", "vfs"),
    ("nodes", "nodeSelector"),
    ("selector", "nodeSelector"),
    ("nics", "rails"),
    ("interfaces", "rails"),
    ("ipam", "addressing"),
    ("subnets", "addressing"),
];
const RAIL: Meant = &[
    ("nic", "interface"),
    ("ifname", "interface"),
    ("master", "interface"),
    ("pf", "interface"),
    ("pfName", "interface"),
    ("pfNames", "interface"),
    ("pciAddress", "pci"),
    ("rootDevices", "pci"),
    ("index", "rail"),
    ("cidr", "subnet"),
];
const SHARED: Meant = &[
    ("cidr", "subnet"),
    ("range", "ips"),
    ("ranges", "ips"),
    ("exclude", "excludeIPs"),
    ("gw", "gateway"),
    ("via", "gateway"),
];
const PER_NODE: Meant = &[
    ("cidr", "supernet"),
    ("subnet", "supernet"),
    ("length", "prefixLength"),
    ("prefix", "prefixLength"),
    ("gatewayIndex", "gateway"),
    ("gw", "gateway"),
];
const ROUTE: Meant = &[("to", "dst"), ("via", "rail"), ("gw", "rail")];

/// The fabrics among the documents of a file; other kinds are none of our business.
pub fn fabrics(documents: &[Value]) -> Result<Vec<Fabric>, DocumentError> {
    let ours = documents.iter().filter(|document| document["kind"] == "Fabric" && !is_foreign(document));
    let fabrics = ours.map(fabric).collect::<Result<Vec<_>, _>>()?;
    if fabrics.is_empty() { Err(DocumentError::None) } else { Ok(fabrics) }
}

/// Another vendor's kind of the same name.
fn is_foreign(document: &Value) -> bool {
    let group = document["apiVersion"].as_str().and_then(|version| Some(version.split_once('/')?.0));
    group.is_some_and(|group| group != Fabric::GROUP)
}

fn fabric(document: &Value) -> Result<Fabric, DocumentError> {
    let name = document["metadata"]["name"].as_str().unwrap_or_default();
    let (version, found) = (format!("{}/{}", Fabric::GROUP, Fabric::VERSION), &document["apiVersion"]);
    if *found != version.as_str() {
        let found =
            (!found.is_null()).then(|| found.as_str().map_or_else(|| found.to_string(), str::to_owned));
        return Err(DocumentError::Version { name: name.to_owned(), found, version });
    }
    known(name, &document["spec"])?;
    let bad =
        |error: lenient::Error| DocumentError::Value { name: name.to_owned(), problem: error.to_string() };
    lenient::from_value(document).map_err(bad)
}

/// All keys mean something.
fn known(fabric: &str, spec: &Value) -> Result<(), DocumentError> {
    let addressing = &spec["addressing"];
    let mut places = vec![
        (String::new(), spec, lenient::fields_of::<FabricSpec>(), SPEC),
        ("nodeSelector.".to_owned(), &spec["nodeSelector"], lenient::fields_of::<LabelSelector>(), &[][..]),
        ("addressing.".to_owned(), addressing, lenient::fields_of::<Addressing>(), &[][..]),
        ("resources.".to_owned(), &spec["resources"], lenient::fields_of::<Resources>(), &[][..]),
        ("host.".to_owned(), &spec["host"], lenient::fields_of::<Host>(), &[][..]),
    ];
    for key in ["shared", "shared6"] {
        places.push((format!("addressing.{key}."), &addressing[key], lenient::fields_of::<Shared>(), SHARED));
    }
    for key in ["perNode", "perNode6"] {
        places.push((
            format!("addressing.{key}."),
            &addressing[key],
            lenient::fields_of::<PerNode>(),
            PER_NODE,
        ));
    }
    for (list, fields, meant) in [
        ("rails", lenient::fields_of::<Rail>(), RAIL),
        ("routes", lenient::fields_of::<FabricRoute>(), ROUTE),
    ] {
        let items = spec[list].as_array().into_iter().flatten().enumerate();
        places.extend(items.map(|(index, item)| (format!("{list}[{index}]."), item, fields, meant)));
    }
    let unknown = places.into_iter().find_map(|(path, value, fields, meant)| {
        let key = unknown::in_object(value, fields, meant).into_iter().next()?;
        Some((format!("{path}{}", key.path), key.meant))
    });
    unknown.map_or(Ok(()), |(key, meant)| Err(DocumentError::Unknown { name: fabric.to_owned(), key, meant }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(spec: &Value) -> String {
        let document = json!({
            "apiVersion": "railcni.dev/v1alpha1", "kind": "Fabric", "metadata": { "name": "gpu" }, "spec": spec,
        });
        fabrics(&[document]).expect_err("refused").to_string()
    }

    #[test]
    fn a_wrong_key_names_the_one_that_was_meant() {
        for (spec, key, meant) in [
            (json!({ "cniType": "macvlan" }), "cniType", "link"),
            (json!({ "rails": [{ "interface": "a" }, { "master": "b" }] }), "rails[1].master", "interface"),
            (
                json!({ "addressing": { "perNode": { "subnet": "10.0.0.0/8" } } }),
                "addressing.perNode.subnet",
                "supernet",
            ),
            (json!({ "addressing": { "sharde": {} } }), "addressing.sharde", "shared"),
            (json!({ "routes": [{ "to": "10.0.0.0/8" }] }), "routes[0].to", "dst"),
        ] {
            assert_eq!(
                refused(&spec),
                format!("Fabric \"gpu\": spec.{key} is no key of a Fabric; write {meant:?}")
            );
        }
    }

    #[test]
    fn a_version_that_no_api_server_takes_is_refused() {
        let of = |version: &Value| {
            let document =
                json!({ "apiVersion": version, "kind": "Fabric", "metadata": { "name": "gpu" }, "spec": {} });
            fabrics(&[document]).expect_err("refused").to_string()
        };
        let cure = "write railcni.dev/v1alpha1";
        assert_eq!(
            of(&json!("railcni.dev/v1")),
            format!("Fabric \"gpu\": apiVersion \"railcni.dev/v1\" does not exist: {cure}")
        );
        assert_eq!(of(&Value::Null), format!("Fabric \"gpu\": apiVersion is missing: {cure}"));
        assert_eq!(of(&json!("other.dev/v1")), DocumentError::None.to_string());
    }

    #[test]
    fn a_value_of_another_type_names_its_place() {
        let error = refused(&json!({ "link": "macvlan", "rails": [{ "interface": 7 }], "addressing": {} }));
        assert!(error.contains("spec.rails[0].interface"), "{error}");
        assert_eq!(fabrics(&[json!({ "kind": "Pod" })]), Err(DocumentError::None));
    }
}
