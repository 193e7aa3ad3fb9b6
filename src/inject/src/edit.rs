//! A pod and the patch that leads to it, made in one step so that they cannot differ.

use serde_json::{Value, json};

/// A pod that is being changed.
pub(crate) struct Edit {
    pub(crate) pod: Value,
    /// JSON patch (RFC 6902).
    pub(crate) patch: Vec<Value>,
}

impl Edit {
    pub(crate) fn of(pod: &Value) -> Self {
        Self { pod: pod.clone(), patch: Vec::new() }
    }

    /// Sets the value at a path below the pod; objects on the way that are missing are made. Nothing is said of what is so
    /// already.
    pub(crate) fn put(&mut self, path: &[&str], value: Value) {
        let is_there =
            |depth: usize| self.pod.pointer(&pointer(&path[..depth])).is_some_and(|at| !at.is_null());
        let depth = (1..path.len()).find(|depth| !is_there(*depth)).unwrap_or(path.len());
        let value = path[depth..].iter().rev().fold(value, |value, key| json!({ *key: value }));
        let (place, parent) = (pointer(&path[..depth]), pointer(&path[..depth - 1]));
        if self.pod.pointer(&place) == Some(&value) {
            return;
        }
        let key = path[depth - 1];
        if let Some(parent) = self.pod.pointer_mut(&parent).and_then(Value::as_object_mut) {
            parent.insert(key.to_owned(), value.clone());
            self.patch.push(json!({ "op": "add", "path": place, "value": value }));
        }
    }
}

/// JSON pointer (RFC 6901).
fn pointer(path: &[&str]) -> String {
    path.iter().flat_map(|key| ["/".to_owned(), key.replace('~', "~0").replace('/', "~1")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_on_the_way_is_made_by_one_operation() {
        let mut edit = Edit::of(&json!({ "metadata": { "annotations": null } }));
        edit.put(&["metadata", "annotations", "a/b~c"], "x".into());
        edit.put(&["metadata", "annotations", "a/b~c"], "x".into());
        edit.put(&["metadata", "annotations", "d"], "y".into());
        assert_eq!(edit.pod, json!({ "metadata": { "annotations": { "a/b~c": "x", "d": "y" } } }));
        assert_eq!(
            edit.patch,
            [
                json!({ "op": "add", "path": "/metadata/annotations", "value": { "a/b~c": "x" } }),
                json!({ "op": "add", "path": "/metadata/annotations/d", "value": "y" }),
            ]
        );
    }
}
