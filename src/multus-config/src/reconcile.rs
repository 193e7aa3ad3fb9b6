//! What is to be done about the network of a config that is in a cluster.

use serde_json::{Value, json};

use crate::{KIND, render};

/// What is to be done, and what is to be said on the config.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconciled {
    /// The definition, where it is missing or somebody has changed it.
    pub apply: Option<Value>,
    /// One word for programs; `Rendered` where all is well.
    pub reason: &'static str,
    /// A sentence for people, empty where all is well.
    pub message: String,
}

/// All is well.
pub const RENDERED: &str = "Rendered";

/// `found` is the `NetworkAttachmentDefinition` of that name. That of a config that cannot be rendered stays as it is: pods have it.
pub fn reconcile(config: &Value, found: Option<&Value>) -> Reconciled {
    let done = |apply, reason, message| Reconciled { apply, reason, message };
    let rendered = match render(config, &[]) {
        Ok(rendered) => rendered,
        Err(error) => return done(None, "NotRendered", format!("{error:#}")),
    };
    let wanted = owned(rendered.definition(), config);
    let message = rendered.warnings.join("; ");
    match found {
        Some(found) if !is_owned(found, config) => done(
            None,
            "NotOurs",
            format!(
                "NetworkAttachmentDefinition {} was made by somebody else: delete it, or name another by annotation {}",
                rendered.name,
                crate::CR_NAME
            ),
        ),
        Some(found) if is_as_wanted(&wanted, found) => done(None, RENDERED, message),
        _ => done(Some(wanted), RENDERED, message),
    }
}

/// It goes with its config.
fn owned(mut definition: Value, config: &Value) -> Value {
    definition["metadata"]["ownerReferences"] = json!([{
        "apiVersion": config["apiVersion"],
        "kind": KIND,
        "name": config["metadata"]["name"],
        "uid": config["metadata"]["uid"],
        "controller": true,
        "blockOwnerDeletion": true,
    }]);
    definition
}

fn is_owned(found: &Value, config: &Value) -> bool {
    let owners = found["metadata"]["ownerReferences"].as_array();
    owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == config["metadata"]["uid"]))
}

/// The config says the same, in whatever layout, and no annotation is missing; others may have added theirs.
fn is_as_wanted(wanted: &Value, found: &Value) -> bool {
    let config = |object: &Value| serde_json::from_str::<Value>(object["spec"]["config"].as_str()?).ok();
    let annotations = wanted["metadata"]["annotations"].as_object().into_iter().flatten();
    config(wanted) == config(found)
        && annotations.into_iter().all(|(key, value)| found["metadata"]["annotations"][key] == *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(spec: &Value) -> Value {
        let metadata =
            json!({ "name": "rail1", "namespace": "rails", "uid": "u1", "annotations": { "a": "b" } });
        json!({ "apiVersion": "g/v1", "kind": KIND, "metadata": metadata, "spec": spec })
    }

    fn macvlan() -> Value {
        config(&json!({ "cniType": "macvlan", "macvlan": { "master": ["eno1"] } }))
    }

    #[test]
    fn what_is_missing_or_edited_is_applied_and_what_is_as_wanted_is_left_alone() {
        let made = reconcile(&macvlan(), None).apply.unwrap();
        assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], "u1");
        assert_eq!(reconcile(&macvlan(), Some(&made)).apply, None);
        let mut laid_out = made.clone();
        let text: Value = serde_json::from_str(made["spec"]["config"].as_str().unwrap()).unwrap();
        laid_out["spec"]["config"] = format!("{text:#}").into();
        laid_out["metadata"]["annotations"]["others"] = "x".into();
        assert_eq!(reconcile(&macvlan(), Some(&laid_out)).apply, None);
        for (place, value) in [("/spec/config", "{}"), ("/metadata/annotations/a", "c")] {
            let mut edited = made.clone();
            *edited.pointer_mut(place).unwrap() = value.into();
            assert_eq!(reconcile(&macvlan(), Some(&edited)).apply.as_ref(), Some(&made), "{place}");
        }
    }

    #[test]
    fn a_config_that_cannot_be_rendered_leaves_its_network_alone() {
        let made = reconcile(&macvlan(), None).apply.unwrap();
        let broken = config(&json!({ "cniType": "macvlan" }));
        let Reconciled { apply, reason, message } = reconcile(&broken, Some(&made));
        assert_eq!((apply, reason), (None, "NotRendered"));
        assert!(message.contains("spec.macvlan is missing"), "{message}");
    }

    #[test]
    fn what_somebody_else_has_made_is_not_taken_over() {
        let foreign = json!({ "metadata": { "name": "rail1" }, "spec": { "config": "{}" } });
        let Reconciled { apply, reason, .. } = reconcile(&macvlan(), Some(&foreign));
        assert_eq!((apply, reason), (None, "NotOurs"));
    }
}
