//! Whether the API server keeps every field that makes grants safe: a schema of an older release prunes in silence, and an
//! epoch that is not kept makes every test of it pass.

use api::{Kind, RailBlock, RailNode};
use serde_json::Value;

use crate::connection::Connection;

const BLOCK: &[&str] = &[
    "spec.epoch",
    "spec.since",
    "spec.rails",
    "spec.pools",
    "spec.subnets",
    "spec.first",
    "spec.count",
    "spec.pins",
];
const NODE: &[&str] = &[
    "spec.epoch",
    "spec.confirm",
    "spec.pools[].ranges",
    "spec.pools[].drain",
    "spec.pools[].give",
    "spec.pools[].nics",
    "spec.pools[].pins",
    "spec.pools[].owners",
    "status.epoch",
    "status.life",
    "status.waits",
    "status.pools[].need",
    "status.pools[].returned",
    "status.pools[].held",
    "status.pools[].most",
    "status.pools[].owners",
    "status.pools[].pins",
];

/// Says what is missing, and the cure.
pub(super) async fn check(connection: &Connection) -> Result<(), String> {
    kind::<RailBlock>(connection, BLOCK).await?;
    kind::<RailNode>(connection, NODE).await
}

async fn kind<K: Kind>(connection: &Connection, fields: &[&str]) -> Result<(), String> {
    let name = format!("{}.{}", K::PLURAL, K::GROUP);
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let crd: Value = connection.get(path, &name).await.map_err(|failure| {
        format!("CRD {name} cannot be read ({failure}): apply deploy/crds, and allow `get` on it")
    })?;
    let missing = missing::<K>(&crd, fields);
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "CRD {name} is of another release and would drop {}: apply deploy/crds of this one",
        missing.join(", ")
    ))
}

fn missing<'f, K: Kind>(crd: &Value, fields: &[&'f str]) -> Vec<&'f str> {
    let versions = crd["spec"]["versions"].as_array();
    let version = versions.and_then(|versions| versions.iter().find(|version| version["name"] == K::VERSION));
    let schema = version.map_or(&Value::Null, |version| &version["schema"]["openAPIV3Schema"]);
    fields.iter().filter(|field| below(schema, field).is_null()).copied().collect()
}

fn below<'s>(schema: &'s Value, field: &str) -> &'s Value {
    field.split('.').fold(schema, |schema, part| match part.strip_suffix("[]") {
        Some(list) => &schema["properties"][list]["items"],
        None => &schema["properties"][part],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(name: &str) -> Value {
        let crds = api::crd::all();
        crds.into_iter().find(|(own, _)| own == name).unwrap().1
    }

    #[test]
    fn our_own_files_have_every_field() {
        assert_eq!(missing::<RailNode>(&served("railnodes.railcni.dev"), NODE), [""; 0]);
        assert_eq!(missing::<RailBlock>(&served("railblocks.railcni.dev"), BLOCK), [""; 0]);
    }

    #[test]
    fn a_field_that_would_be_pruned_is_named() {
        let mut crd = served("railnodes.railcni.dev");
        let status = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
        status["properties"]["pools"]["items"]["properties"].as_object_mut().unwrap().remove("returned");
        assert_eq!(missing::<RailNode>(&crd, NODE), ["status.pools[].returned"]);
    }
}
