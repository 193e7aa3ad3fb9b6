//! Whose a rail is, by the records of attachments and nothing else.

use serde_json::Value;
use state::record::Record;

/// One rail of a pod, as it stands on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rail {
    /// `CNI_CONTAINERID`: the sandbox.
    pub container: String,
    /// The network.
    pub network: String,
    /// The interface in the pod.
    pub interface: String,
    /// Which plugin made it.
    pub plugin: String,
    /// What it is.
    pub link: Link,
    /// The RDMA device's name on the host.
    pub rdma: Option<String>,
    /// Seconds since 1970.
    pub created: u64,
}

/// What a rail is on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// A child of this link, by its index in the host namespace.
    Child(Option<u32>),
    /// A device of its own, by PCI address or auxiliary name.
    Device(String),
}

/// The rails of whole records of this boot, newest first: of several of one interface the newest is the one that counts. Their RDMA
/// devices may stand in records of their own.
pub fn rails(records: &[Record<Value>]) -> Vec<Rail> {
    let mut rails: Vec<Rail> = records.iter().flat_map(of_record).collect();
    for record in records.iter().filter(|record| record.plugin == "rdma") {
        let name = record.body["undo"]["name"].as_str();
        let own = |rail: &&mut Rail| {
            (&rail.network, &rail.container, &rail.interface)
                == (&record.key.network, &record.key.container_id, &record.key.ifname)
        };
        if let Some(rail) = rails.iter_mut().find(own) {
            rail.rdma = rail.rdma.take().or(name.map(str::to_owned));
        }
    }
    rails.sort_by(|one, other| {
        (other.created, &one.container, &one.interface).cmp(&(
            one.created,
            &other.container,
            &other.interface,
        ))
    });
    rails
}

/// What is still being made is no rail yet.
fn of_record(record: &Record<Value>) -> Vec<Rail> {
    if record.body["phase"] != "attached" {
        return Vec::new();
    }
    let undo = &record.body["undo"];
    let rail = |interface: &str, (link, rdma): (Link, Option<String>)| Rail {
        container: record.key.container_id.clone(),
        network: record.key.network.clone(),
        interface: interface.to_owned(),
        plugin: record.plugin.clone(),
        link,
        rdma,
        created: record.created,
    };
    match record.plugin.as_str() {
        "macvlan" | "ipvlan" | "ipoib" | "sriov" | "ib-sriov" => {
            part(undo).map(|part| rail(&record.key.ifname, part)).into_iter().collect()
        }
        "rail" => undo["rails"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|made| Some(rail(made["ifname"].as_str()?, parts(&made["parts"])?)))
            .collect(),
        _ => Vec::new(),
    }
}

/// The steps of one rail, each `{STEP: UNDO}`.
fn parts(parts: &Value) -> Option<(Link, Option<String>)> {
    let steps = || parts.as_array().into_iter().flatten().filter_map(Value::as_object).flatten();
    let (link, own) = steps().filter(|(step, _)| *step != "rdma").find_map(|(_, undo)| part(undo))?;
    let rdma = steps().find(|(step, _)| *step == "rdma").and_then(|(_, undo)| undo["name"].as_str());
    Some((link, own.or(rdma.map(str::to_owned))))
}

/// A child says of what kind it is, a device which one.
fn part(undo: &Value) -> Option<(Link, Option<String>)> {
    if undo["kind"].is_string() {
        let parent = undo["marks"]["parent"].as_u64().and_then(|index| u32::try_from(index).ok());
        return Some((Link::Child(parent), None));
    }
    let device = undo["device"].as_str()?.to_owned();
    Some((Link::Device(device), undo["rdma"]["name"].as_str().map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(plugin: &str, ifname: &str, created: u64, undo: &Value) -> Record<Value> {
        serde_json::from_value(json!({
            "version": 1, "plugin": plugin, "netns": null, "boot_id": "4803e33c-67f9-4331-b56e-93cf2c4d5c78",
            "key": {"network": "gpu", "container_id": "c1", "ifname": ifname},
            "created": created, "undo": {"phase": "attached", "undo": undo},
        }))
        .unwrap()
    }

    #[test]
    fn every_plugin_that_makes_links_has_rails() {
        let child = json!({"ifname": "net1", "kind": "macvlan", "index": 3, "marks": {"parent": 4}});
        let of_rail = json!({"rails": [{"ifname": "net1", "parts": [{"macvlan": &child}]}]});
        for plugin in runtime::suite::plugins(&[runtime::suite::Part::Link]) {
            let undo = if plugin == "rail" { &of_rail } else { &child };
            assert_eq!(rails(&[record(plugin, "net1", 1, undo)]).len(), 1, "{plugin}");
        }
    }

    #[test]
    fn a_child_sits_on_a_link_and_a_vf_is_a_device() {
        let records = [
            record(
                "macvlan",
                "net1",
                5,
                &json!({"ifname": "net1", "kind": "macvlan", "marks": {"parent": 4}}),
            ),
            record("ib-sriov", "net3", 4, &json!({"device": "0000:1a:00.2", "rdma": {"name": "mlx5_2"}})),
            record("sriov", "net2", 3, &json!({"device": "0000:1a:00.1"})),
            record("rdma", "net2", 3, &json!({"device": "0000:1a:00.1", "name": "mlx5_1"})),
            record("coordinator", "net1", 5, &json!({})),
        ];
        let found = rails(&records);
        let seen: Vec<_> =
            found.iter().map(|rail| (&*rail.interface, &rail.link, rail.rdma.as_deref())).collect();
        let device = |name: &str| Link::Device(name.to_owned());
        assert_eq!(
            seen,
            [
                ("net1", &Link::Child(Some(4)), None),
                ("net3", &device("0000:1a:00.2"), Some("mlx5_2")),
                ("net2", &device("0000:1a:00.1"), Some("mlx5_1")),
            ]
        );
    }

    #[test]
    fn a_record_of_rail_has_several() {
        let undo = json!({"rails": [
            {"ifname": "net1", "ipam": null, "parts": [{"sriov": {"device": "0000:1a:00.1"}}, {"rdma": {"name": "mlx5_1"}}]},
            {"ifname": "net2", "ipam": null, "parts": [{"child": {"kind": "ipvlan", "marks": {"parent": 7}}}]},
            {"ifname": "net3", "ipam": null, "parts": []},
        ]});
        let found = rails(&[record("rail", "net1", 1, &undo)]);
        let seen: Vec<_> = found.iter().map(|rail| (&*rail.interface, rail.rdma.as_deref())).collect();
        assert_eq!(seen, [("net1", Some("mlx5_1")), ("net2", None)]);
        assert_eq!(found[1].link, Link::Child(Some(7)));
    }
}
