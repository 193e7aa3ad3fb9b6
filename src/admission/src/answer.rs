//! The answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What an API server is answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Why the object is refused.
    pub refusal: Option<String>,
    /// Shown to whoever applies it.
    pub warnings: Vec<String>,
    /// JSON patch (RFC 6902).
    pub patch: Vec<Value>,
    /// It is refused because it names something that is not known. That may have been made a moment ago: look before it is said.
    pub look_again: bool,
}

impl Answer {
    /// As it is.
    pub fn allowed() -> Self {
        Self::default()
    }

    /// Refused for this reason.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self { refusal: Some(reason.into()), ..Self::default() }
    }

    /// The body of the response to the request with this `uid`.
    pub fn review(&self, uid: &str) -> Value {
        let mut response = json!({ "uid": uid, "allowed": self.refusal.is_none() });
        if let Some(reason) = &self.refusal {
            response["status"] = json!({ "code": 403, "reason": "Forbidden", "message": reason });
        }
        if !self.warnings.is_empty() {
            response["warnings"] = json!(self.warnings);
        }
        if !self.patch.is_empty() {
            response["patchType"] = "JSONPatch".into();
            response["patch"] = STANDARD.encode(Value::from(self.patch.clone()).to_string()).into();
        }
        json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
    }
}
