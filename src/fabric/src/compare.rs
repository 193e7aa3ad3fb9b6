//! What of a plan is not in a cluster yet, or is otherwise there.

use serde_json::Value;

/// In words, object by object, what `found` lacks of `wanted`. Fields that the plan says nothing of are the cluster's own.
pub fn differences(wanted: &[Value], found: &[Value]) -> Vec<String> {
    wanted.iter().flat_map(|object| of_object(object, found)).collect()
}

fn of_object(wanted: &Value, found: &[Value]) -> Vec<String> {
    let name = name(wanted);
    let Some(there) = found.iter().find(|object| identity(object) == identity(wanted)) else {
        return vec![format!("{name} is missing")];
    };
    let mut places = Vec::new();
    for part in ["spec", "data"] {
        compare(part, &wanted[part], &there[part], &mut places);
    }
    compare(
        "metadata.annotations",
        &wanted["metadata"]["annotations"],
        &there["metadata"]["annotations"],
        &mut places,
    );
    places.into_iter().map(|place| format!("{name}: {place}")).collect()
}

/// Group and kind, namespace, name. The version is the server's choice.
pub(crate) fn identity(object: &Value) -> [&str; 4] {
    let text = |value: &'static str| object["metadata"][value].as_str().unwrap_or_default();
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    [group, object["kind"].as_str().unwrap_or_default(), text("namespace"), text("name")]
}

fn name(object: &Value) -> String {
    let [_, kind, namespace, name] = identity(object);
    if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}

fn compare(path: &str, wanted: &Value, found: &Value, places: &mut Vec<String>) {
    match wanted {
        Value::Null => {}
        Value::Object(fields) => {
            for (key, value) in fields {
                compare(&format!("{path}.{key}"), value, &found[key], places);
            }
        }
        // A config is JSON in a string: its layout means nothing.
        Value::String(text) if text.starts_with('{') => {
            let parsed =
                |value: &Value| value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
            match (parsed(wanted), parsed(found)) {
                (Some(wanted), Some(found)) if wanted == found => {}
                (Some(wanted), Some(found)) => compare(path, &wanted, &found, places),
                _ => places.push(differs(path, wanted, found)),
            }
        }
        _ if wanted == found => {}
        _ => places.push(differs(path, wanted, found)),
    }
}

fn differs(path: &str, wanted: &Value, found: &Value) -> String {
    match found {
        Value::Null => format!("{path} is missing, the plan has {wanted}"),
        _ => format!("{path} is {found}, the plan has {wanted}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_difference_names_object_field_and_both_values() {
        let pool = |name: &str, spec: Value| json!({ "apiVersion": "g/v1", "kind": "Pool", "metadata": { "name": name }, "spec": spec });
        let wanted = [
            pool("a", json!({ "subnet": "s", "ips": ["x"] })),
            pool("b", json!({ "config": "{\"k\":1,\"l\":2}" })),
            pool("c", json!({})),
        ];
        let mut served = pool("b", json!({ "config": "{ \"k\": 1, \"l\": 3 }" }));
        served["apiVersion"] = "g/v2".into();
        let found = [pool("a", json!({ "subnet": "s", "ips": ["y"], "extra": 1 })), served];
        assert_eq!(
            differences(&wanted, &found),
            [
                "Pool a: spec.ips is [\"y\"], the plan has [\"x\"]",
                "Pool b: spec.config.l is 3, the plan has 2",
                "Pool c is missing"
            ]
        );
        assert_eq!(differences(&wanted[..1], &wanted), Vec::<String>::new());
    }
}
