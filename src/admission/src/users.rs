//! Who has which addresses, as the pods themselves say: Multus writes the addresses of all interfaces on each, and so can its owner. What counts, `books` says.

use std::net::IpAddr;

use serde_json::Value;

const STATUS: &str = "k8s.v1.cni.cncf.io/network-status";

/// A pod with its addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// `NAMESPACE/NAME`
    pub pod: String,
    /// Of all its interfaces.
    pub addresses: Vec<IpAddr>,
}

impl User {
    /// From a pod's metadata; none where it has no address yet.
    pub fn of(pod: &Value) -> Option<Self> {
        let metadata = &pod["metadata"];
        let status: Value = serde_json::from_str(metadata["annotations"][STATUS].as_str()?).ok()?;
        let interfaces = status.as_array()?.iter().filter_map(|interface| interface["ips"].as_array());
        let addresses = interfaces.flatten().filter_map(|address| address.as_str()?.parse().ok());
        let text = |key: &str| metadata[key].as_str().unwrap_or_default();
        let user =
            Self { pod: format!("{}/{}", text("namespace"), text("name")), addresses: addresses.collect() };
        Some(user).filter(|user| !user.addresses.is_empty())
    }

    /// From Spiderpool's own record in a pool's status.
    pub(crate) fn of_pool(pool: &Value) -> Vec<Self> {
        let text = pool["status"]["allocatedIPs"].as_str().unwrap_or_default();
        let Ok(Value::Object(record)) = serde_json::from_str(text) else { return Vec::new() };
        let user = |(address, holder): (&String, &Value)| {
            let pod = holder["pod"].as_str()?.to_owned();
            Some(Self { pod, addresses: vec![address.parse().ok()?] })
        };
        record.iter().filter_map(user).collect()
    }
}
