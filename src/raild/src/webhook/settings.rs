//! What the environment says of the webhook, and of the networks beside it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use inject::Policy;

/// The shortest life of a certificate: below it there is no time to announce the next one.
const SHORTEST: i64 = 30;
/// 90 days.
const LIFE: i64 = 90 * 24 * 3600;

/// What the environment says of the webhook.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    /// Where the API server finds it, if it is not by the service.
    pub(crate) url: Option<String>,
    pub(crate) namespace: String,
    pub(crate) service: String,
    /// Where the networks of Fabrics are made.
    pub(crate) networks: String,
    /// Where `SriovNetworkNodeStates` are the operator's.
    pub(crate) operators: BTreeSet<String>,
    pub(crate) policy: Policy,
    /// Of a certificate, in seconds.
    pub(crate) life: i64,
}

impl Settings {
    pub(crate) fn from_environment() -> Result<Self, String> {
        Self::of(&|name| std::env::var(name).ok())
    }

    fn of(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let text = |name: &str, default: &str| variable(name).unwrap_or_else(|| default.to_owned());
        let listen = text("RAILD_WEBHOOK_LISTEN", "[::]:9443");
        let namespace = text("POD_NAMESPACE", "kube-system");
        let list = |name: &str, default: &str| {
            let text = text(name, default);
            text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        let excluded = format!("kube-system,{namespace}");
        let configs = format!("{},{namespace}", Policy::CONFIGS.join(","));
        Ok(Self {
            listen: listen.parse().map_err(|_| bad("RAILD_WEBHOOK_LISTEN", &listen, "ADDRESS:PORT"))?,
            url: variable("RAILD_WEBHOOK_URL").map(|url| https(&url)).transpose()?,
            service: text("RAILD_WEBHOOK_SERVICE", "raild-webhook"),
            networks: text("RAILD_NETWORKS_NAMESPACE", "default"),
            operators: list(
                "RAILD_SRIOV_NAMESPACES",
                "sriov-network-operator,openshift-sriov-network-operator",
            ),
            policy: Policy {
                include: list("RAILD_INJECT_NAMESPACES", ""),
                exclude: list("RAILD_INJECT_EXCLUDED_NAMESPACES", &excluded),
                configs: list("RAILD_INJECT_CONFIG_NAMESPACES", &configs),
            },
            life: variable("RAILD_CERTIFICATE_SECONDS").map_or(Ok(LIFE), |text| life(&text))?,
            namespace,
        })
    }

    /// Under which the API server knows the webhook, and which its certificate is for.
    pub(crate) fn host(&self) -> String {
        let of_service = || format!("{}.{}.svc", self.service, self.namespace);
        self.url.as_deref().map_or_else(of_service, |url| {
            let authority = url.trim_start_matches("https://").split('/').next().unwrap_or_default();
            authority.rsplit_once(':').map_or(authority, |(host, _)| host).trim_matches(['[', ']']).to_owned()
        })
    }
}

fn https(url: &str) -> Result<String, String> {
    let wanted = "https://HOST:PORT, without a path";
    let rest = url.strip_prefix("https://").ok_or_else(|| bad("RAILD_WEBHOOK_URL", url, wanted))?;
    let rest = rest.trim_end_matches('/');
    if rest.is_empty() || rest.contains('/') {
        return Err(bad("RAILD_WEBHOOK_URL", url, wanted));
    }
    Ok(format!("https://{rest}"))
}

fn life(text: &str) -> Result<i64, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds >= SHORTEST);
    seconds.ok_or_else(|| bad("RAILD_CERTIFICATE_SECONDS", text, &format!("a number from {SHORTEST}")))
}

fn bad(name: &str, value: &str, wanted: &str) -> String {
    format!("{name} {value:?}: expected {wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::of(&|name| {
            variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_certificate_is_for_the_host_that_the_api_server_asks() {
        assert_eq!(of(&[]).unwrap().host(), "raild-webhook.kube-system.svc");
        for (url, host) in
            [("https://127.0.0.1:9/", "127.0.0.1"), ("https://[::1]:9", "::1"), ("https://a.b", "a.b")]
        {
            assert_eq!(of(&[("RAILD_WEBHOOK_URL", url)]).unwrap().host(), host);
        }
    }

    #[test]
    fn bad_values_name_the_variable_and_what_is_allowed() {
        for (name, value) in [
            ("RAILD_WEBHOOK_LISTEN", "9443"),
            ("RAILD_WEBHOOK_URL", "http://a"),
            ("RAILD_WEBHOOK_URL", "https://a/b"),
            ("RAILD_CERTIFICATE_SECONDS", "5"),
        ] {
            let error = of(&[(name, value)]).unwrap_err();
            assert!(error.starts_with(&format!("{name} {value:?}: expected ")), "{error}");
        }
    }

    #[test]
    fn its_own_namespace_is_left_alone() {
        let policy = of(&[("POD_NAMESPACE", "railcni"), ("RAILD_INJECT_NAMESPACES", "a, b")]).unwrap().policy;
        assert!(policy.allows("a") && !policy.allows("c") && !policy.allows("railcni"));
    }

    #[test]
    fn configs_of_the_admins_namespaces_alone_count_for_all() {
        let configs = |variables: &[(&str, &str)]| {
            of(variables).unwrap().policy.configs.into_iter().collect::<Vec<_>>()
        };
        let own = ("POD_NAMESPACE", "railcni");
        assert_eq!(configs(&[own]), ["kube-system", "railcni", "spiderpool"]);
        assert_eq!(
            configs(&[own, ("RAILD_INJECT_CONFIG_NAMESPACES", "rails, fabrics")]),
            ["fabrics", "rails"]
        );
        assert!(configs(&[own, ("RAILD_INJECT_CONFIG_NAMESPACES", "")]).is_empty());
        // Whose pods are injected does not make a namespace's configs everybody's.
        assert_eq!(configs(&[own, ("RAILD_INJECT_NAMESPACES", "tenant")]), configs(&[own]));
    }
}
