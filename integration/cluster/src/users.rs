//! Who talks to the API server: a bearer token and a kubeconfig each.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// A user with its groups.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) groups: &'static str,
}

impl User {
    /// Who may do everything.
    pub(crate) fn admin() -> Self {
        Self { name: "admin".into(), groups: "system:masters" }
    }

    /// The name without what a file name should not have.
    pub(crate) fn file_name(&self) -> String {
        self.name.replace(':', "-")
    }

    /// Its token: everything is on addresses that nobody else reaches.
    pub(crate) fn token(&self) -> String {
        format!("{}-token", self.file_name())
    }
}

/// The API server's token file.
pub(crate) fn tokens<'a>(users: impl IntoIterator<Item = &'a User>) -> String {
    let line = |user: &User| format!("{},{},{},\"{}\"\n", user.token(), user.name, user.name, user.groups);
    users.into_iter().map(line).collect()
}

/// A kubeconfig, which is YAML and may as well be JSON.
pub(crate) fn kubeconfig(url: &str, authority: &[u8], user: &User) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {
            "server": url, "certificate-authority-data": STANDARD.encode(authority)}}],
        "users": [{"name": user.name, "user": {"token": user.token()}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user.name}}],
    });
    config.to_string()
}
