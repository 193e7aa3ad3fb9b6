//! The question.

use serde::Deserialize;
use serde_json::Value;

/// What an API server is about to do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    /// Comes back with the answer.
    pub uid: String,
    /// Of what.
    pub kind: GroupKind,
    /// Of the object; empty where it is yet to be made up.
    pub name: String,
    /// Of the object.
    pub namespace: String,
    /// `CREATE`, `UPDATE`, `DELETE`
    pub operation: String,
    /// As it is to be; null where it is to go.
    pub object: Value,
    /// As it was.
    pub old_object: Value,
}

/// Of what kind an object is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct GroupKind {
    /// `spiderpool.spidernet.io`
    pub group: String,
    /// `SpiderIPPool`
    pub kind: String,
}

#[derive(Deserialize)]
struct Review {
    request: Request,
}

impl Request {
    /// The question whether this object may be made, as nobody has asked it.
    pub fn to_create(kind: &str, object: Value) -> Self {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let kind = GroupKind { kind: kind.to_owned(), ..GroupKind::default() };
        Self { kind, namespace, operation: "CREATE".to_owned(), object, ..Self::default() }
    }

    /// The question whether this object may become another, or go, as nobody has asked it. What its admin has annotated it with stays.
    pub fn to_change(old: &Value, new: &Value) -> Self {
        let (text, operation) = (
            |value: &Value| value.as_str().unwrap_or_default().to_owned(),
            match new {
                Value::Null => "DELETE",
                _ => "UPDATE",
            },
        );
        let mut object = new.clone();
        if let Some(annotations) = old["metadata"]["annotations"].as_object().filter(|_| !new.is_null()) {
            for (key, value) in annotations {
                let own = &mut object["metadata"]["annotations"][key];
                if own.is_null() {
                    *own = value.clone();
                }
            }
        }
        Self {
            kind: GroupKind { kind: text(&old["kind"]), ..GroupKind::default() },
            name: text(&old["metadata"]["name"]),
            namespace: text(&old["metadata"]["namespace"]),
            operation: operation.to_owned(),
            object,
            old_object: old.clone(),
            ..Self::default()
        }
    }

    /// Reads the body of a request; what is none is told why.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let review: Review = serde_json::from_slice(body)
            .map_err(|error| format!("no AdmissionReview of admission.k8s.io/v1: {error}"))?;
        Ok(review.request)
    }
}
