//! What the API server is told of the webhook. Pods fail open, and only those that ask for rails ever come here: pods of others are
//! neither delayed nor refused, whatever becomes of the webhook. Our own kinds fail closed.
//!
//! The two configurations are the manifest's, which has them without webhooks, so that they go with it: what is filled in here is never
//! made here, and a cluster from which all of it was taken away asks nobody.

use admission::World;
use inject::{Key, Policy};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::certificate::Pair;
use super::settings::Settings;
use crate::connection::{Connection, Failure};
use crate::known::Known;

/// Pods are reviewed here.
pub(crate) const PODS: &str = "/pods";
/// Our own kinds are.
pub(crate) const OBJECTS: &str = "/objects";

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
const NAME: &str = "railcni";
/// How often it is repaired, if somebody has changed it.
const REPAIR: Duration = Duration::from_secs(60);

/// What it was told last.
#[derive(Debug, Default)]
pub(crate) struct Registered {
    bundle: String,
    asking: Vec<String>,
    told: Option<Instant>,
}

impl Registered {
    /// Whether the API server trusts this one; nobody, it does.
    pub(crate) fn knows(&self, pair: Option<&Pair>) -> bool {
        pair.is_none_or(|pair| self.bundle.contains(&pair.certificate))
    }

    /// Whether other namespaces ask than it was told.
    pub(crate) fn is_behind(&self, world: &World) -> bool {
        self.asking != asking(world.namespaces.values())
    }

    /// Tells what has changed.
    pub(crate) async fn keep(
        &mut self,
        connection: &Connection,
        settings: &Settings,
        known: &Known,
        bundle: &str,
    ) -> Result<(), String> {
        let asking = asking(known.world.borrow().namespaces.values());
        let recently = self.told.is_some_and(|told| told.elapsed() < REPAIR);
        if recently && self.bundle == bundle && self.asking == asking {
            return Ok(());
        }
        let client = Client { settings, bundle };
        for (plural, webhooks) in [
            ("mutatingwebhookconfigurations", pods(&client, &settings.policy, &asking)),
            ("validatingwebhookconfigurations", vec![objects(&client)]),
        ] {
            let path = format!("{GROUP}/{plural}");
            let told = connection.merge::<Value>(&path, NAME, false, json!({ "webhooks": webhooks })).await;
            told.map_err(|failure| match failure {
                Failure::Missing => {
                    format!("{plural} {NAME}: there is none: apply the chart, or deploy/networks, to have it")
                }
                failure => format!("{plural} {NAME}: {failure}"),
            })?;
        }
        *self = Self { bundle: bundle.to_owned(), asking, told: Some(Instant::now()) };
        Ok(())
    }
}

/// Namespaces that ask for all of their pods by an annotation, which no selector sees: they are named.
fn asking<'n>(namespaces: impl Iterator<Item = &'n Value>) -> Vec<String> {
    let asks = |namespace: &&Value| {
        Key::ALL.iter().any(|key| namespace["metadata"]["annotations"][key.name()].is_string())
    };
    let names = namespaces.filter(asks).filter_map(|namespace| namespace["metadata"]["name"].as_str());
    names.map(str::to_owned).collect()
}

/// How the webhook is reached.
struct Client<'a> {
    settings: &'a Settings,
    bundle: &'a str,
}

impl Client<'_> {
    fn at(&self, path: &str) -> Value {
        use base64::Engine as _;
        let bundle = base64::engine::general_purpose::STANDARD.encode(self.bundle);
        match &self.settings.url {
            Some(url) => json!({ "caBundle": bundle, "url": format!("{url}{path}") }),
            None => json!({ "caBundle": bundle, "service": {
                "name": self.settings.service, "namespace": self.settings.namespace, "path": path, "port": 443,
            }}),
        }
    }
}

fn pods(client: &Client<'_>, policy: &Policy, asking: &[String]) -> Vec<Value> {
    let own = own_word();
    let mut webhooks = vec![pod_webhook(client, policy, "pods", &own, vec![])];
    for (name, key) in
        Key::ALL.iter().zip(["fabric", "rdma", "network"]).map(|(key, name)| (name, key.name()))
    {
        let labelled = json!({ "key": key, "operator": "Exists" });
        webhooks.push(pod_webhook(
            client,
            policy,
            &format!("{name}-namespaces"),
            &format!("!({own})"),
            vec![labelled],
        ));
    }
    if !asking.is_empty() {
        let named = json!({ "key": "kubernetes.io/metadata.name", "operator": "In", "values": asking });
        webhooks.push(pod_webhook(client, policy, "annotated-namespaces", &format!("!({own})"), vec![named]));
    }
    webhooks
}

/// CEL: whether the pod itself asks.
fn own_word() -> String {
    let keys: Vec<_> = Key::ALL.iter().map(|key| format!("'{}'", key.name())).collect();
    format!(
        "has(object.metadata.annotations) && [{}].exists(key, key in object.metadata.annotations)",
        keys.join(", ")
    )
}

fn pod_webhook(
    client: &Client<'_>,
    policy: &Policy,
    name: &str,
    condition: &str,
    mut namespaces: Vec<Value>,
) -> Value {
    let names = |operator: &str, names: &std::collections::BTreeSet<String>| {
        let requirement =
            json!({ "key": "kubernetes.io/metadata.name", "operator": operator, "values": names });
        (!names.is_empty()).then_some(requirement)
    };
    namespaces.extend(names("NotIn", &policy.exclude));
    namespaces.extend(names("In", &policy.include));
    json!({
        "name": format!("{name}.railcni.dev"),
        "admissionReviewVersions": ["v1"],
        "clientConfig": client.at(PODS),
        "failurePolicy": "Ignore",
        "matchConditions": [{ "name": "asks-for-rails", "expression": condition }],
        "namespaceSelector": { "matchExpressions": namespaces },
        // After others that may have added networks or containers.
        "reinvocationPolicy": "IfNeeded",
        "rules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced",
        }],
        "sideEffects": "None",
        "timeoutSeconds": 5,
    })
}

fn objects(client: &Client<'_>) -> Value {
    let rule = |group: &str, resources: &[&str], operations: &[&str]| {
        json!({
            "apiGroups": [group], "apiVersions": ["*"], "operations": operations, "resources": resources, "scope": "*",
        })
    };
    let (edits, all) = (["CREATE", "UPDATE"], ["CREATE", "UPDATE", "DELETE"]);
    json!({
        "name": "objects.railcni.dev",
        "admissionReviewVersions": ["v1"],
        "clientConfig": client.at(OBJECTS),
        "failurePolicy": "Fail",
        "rules": [
            rule(api::SPIDERPOOL, &["spiderippools"], &all),
            rule(api::SPIDERPOOL, &["spiderreservedips", "spidermultusconfigs"], &edits),
            rule(api::RAILCNI, &["fabrics"], &all),
        ],
        "sideEffects": "None",
        "timeoutSeconds": 10,
    })
}

#[cfg(test)]
mod tests {
    use fabric::Options;

    use super::*;

    fn object(name: &str, annotations: &Value) -> (String, Value) {
        (name.to_owned(), json!({ "metadata": { "name": name, "annotations": annotations } }))
    }

    #[test]
    fn a_change_of_a_config_or_of_a_namespace_that_asks_nothing_is_worth_no_look() {
        let mut world = World::new(Policy::default(), Options::of_cluster("default"));
        let mut registered = Registered::default();
        world.configs.extend([object("tenant/a", &json!({ Key::Rdma.name(): "gpu" }))]);
        world.namespaces.extend([object("tenant", &json!({ "tick": "1" }))]);
        assert!(!registered.is_behind(&world));
        world.namespaces.extend([object("jobs", &json!({ Key::Rdma.name(): "gpu" }))]);
        assert!(registered.is_behind(&world));
        registered.asking = vec!["jobs".to_owned()];
        assert!(!registered.is_behind(&world));
    }
}
