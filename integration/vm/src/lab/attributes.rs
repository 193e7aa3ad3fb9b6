//! VF attributes as `ip` shows them.

use serde_json::Value;

use crate::lab::run;

/// One entry of `vfinfo_list`; what the PF's driver does not report is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VfAttributes {
    /// Administrative MAC.
    pub mac: Option<String>,
    /// VLAN id; 0 is none.
    pub vlan: u64,
    /// VLAN priority.
    pub qos: u64,
    /// As `802.1Q`; absent without a VLAN.
    pub proto: Option<String>,
    /// Mbit/s.
    pub min_tx_rate: u64,
    /// Mbit/s.
    pub max_tx_rate: u64,
    /// Spoof check.
    pub spoofchk: Option<bool>,
    /// Trust.
    pub trust: Option<bool>,
    /// `auto`, `enable` or `disable`.
    pub link_state: Option<String>,
    /// As `11:22:33:44:55:66:77:88`.
    pub node_guid: Option<String>,
    /// As `11:22:33:44:55:66:77:88`.
    pub port_guid: Option<String>,
}

impl VfAttributes {
    #[track_caller]
    pub(crate) fn read(pf: &str, index: usize) -> Self {
        let text = run(&["ip", "-j", "-d", "link", "show", "dev", pf]);
        let links: Value = serde_json::from_str(&text).expect("ip prints JSON");
        let list = links[0]["vfinfo_list"].as_array().unwrap_or_else(|| panic!("{pf} shows no VFs: {text}"));
        let entry = list.iter().find(|entry| entry["vf"] == index);
        Self::parse(entry.unwrap_or_else(|| panic!("{pf} shows no VF {index}: {text}")))
    }

    fn parse(entry: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let vlan = &entry["vlan_list"][0];
        Self {
            mac: text(&entry["address"]),
            vlan: number(&vlan["vlan"]),
            qos: number(&vlan["qos"]),
            proto: text(&vlan["protocol"]),
            min_tx_rate: number(&entry["rate"]["min_tx"]),
            max_tx_rate: number(&entry["rate"]["max_tx"]),
            spoofchk: entry["spoofchk"].as_bool(),
            trust: entry["trust"].as_bool(),
            link_state: text(&entry["link_state"]),
            node_guid: guid(entry, "node"),
            port_guid: guid(entry, "port"),
        }
    }
}

/// Older `ip` writes the key with a blank.
fn guid(entry: &Value, kind: &str) -> Option<String> {
    let keys = [format!("{kind}_guid"), format!("{kind} guid")];
    keys.iter().find_map(|key| entry[key].as_str()).map(str::to_owned)
}
