//! The links' part of settings in the words of what configures links on a node, so that it does not undo it, and has it up early.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use ipnet::IpNet;

use super::Via;
use crate::inventory::Inventory;
use crate::key::{Key, Value};
use crate::settings::Settings;
use crate::wants::{self, Want};

const HEAD: &str = "# Written by `railctl host apply --persist`, removed by `railctl host undo`.\n";

/// What one NIC has, in the order in which it is made.
#[derive(Default)]
struct Nic<'a> {
    mtu: Option<&'a Value>,
    addresses: Vec<&'a IpNet>,
    routes: Vec<&'a Key>,
    rules: Vec<&'a Key>,
}

/// The files; none where systemd alone is asked. Links alone have a place in them: VFs, traffic classes and the RDMA mode have none.
pub(super) fn wants(via: Via, settings: &Settings) -> Vec<Want> {
    let all = wants::wants(settings, &Inventory::default(), None);
    let nics = nics(settings, &all);
    let each = |path: &dyn Fn(&str) -> String, text: fn(&str, &Nic<'_>) -> String| {
        nics.iter().map(|(name, nic)| file(path(name), text(name, nic))).collect()
    };
    match via {
        Via::Systemd => Vec::new(),
        Via::Networkd => each(&|name| format!("{}/{}{name}.network", Via::NETWORKD, Via::FIRST), networkd),
        Via::NetworkManager => {
            each(&|name| format!("{}/railcni-{name}.nmconnection", Via::CONNECTIONS), connection)
        }
        Via::Netplan => vec![file(Via::NETPLAN.to_owned(), netplan(&nics))],
    }
}

fn file(path: String, text: String) -> Want {
    Want { key: Key::File { path: PathBuf::from(path) }, value: Value::Text(text) }
}

/// A rule goes with the NIC whose table it leads to, and what keeps others off the rails with the first.
fn nics<'a>(settings: &'a Settings, wants: &'a [Want]) -> BTreeMap<&'a str, Nic<'a>> {
    let mut nics: BTreeMap<&str, Nic<'_>> =
        settings.nics.iter().map(|nic| (&*nic.name, Nic::default())).collect();
    let of_table = |wanted: u32| settings.nics.iter().find(|nic| nic.table == Some(wanted));
    for Want { key, value } in wants {
        let name = match key {
            Key::Rule { table, .. } => of_table(*table).or(settings.nics.first()).map(|nic| &*nic.name),
            key => key.link(),
        };
        let Some(nic) = name.and_then(|name| nics.get_mut(name)) else { continue };
        match key {
            Key::Mtu { .. } => nic.mtu = Some(value),
            Key::Address { net, .. } => nic.addresses.push(net),
            Key::Route { .. } => nic.routes.push(key),
            Key::Rule { .. } => nic.rules.push(key),
            _ => {}
        }
    }
    nics
}

/// systemd.network(5)
fn networkd(name: &str, nic: &Nic<'_>) -> String {
    let mut text = format!("{HEAD}[Match]\nName={name}\n");
    if let Some(mtu) = nic.mtu {
        let _ = write!(text, "\n[Link]\nMTUBytes={mtu}\n");
    }
    text.push_str("\n[Network]\nIPv6AcceptRA=no\n");
    for net in &nic.addresses {
        let _ = writeln!(text, "Address={net}");
    }
    for route in &nic.routes {
        let Key::Route { dst, gateway, table, .. } = route else { continue };
        let _ = write!(text, "\n[Route]\nDestination={dst}\n");
        let _ = match gateway {
            Some(gateway) => writeln!(text, "Gateway={gateway}"),
            None => writeln!(text, "Scope=link"),
        };
        let _ = writeln!(text, "Table={table}");
    }
    for rule in &nic.rules {
        let Key::Rule { priority, from, not_to, table } = rule else { continue };
        let _ = write!(text, "\n[RoutingPolicyRule]\nPriority={priority}\nTable={table}\n");
        let _ = match (from, not_to) {
            (Some(from), _) => writeln!(text, "From={from}"),
            (None, Some(to)) => writeln!(text, "To={to}\nInvertRule=yes"),
            (None, None) => Ok(()),
        };
    }
    text
}

/// nm-settings-keyfile(5)
fn connection(name: &str, nic: &Nic<'_>) -> String {
    let mut text = format!(
        "{HEAD}[connection]\nid=railcni-{name}\ntype=ethernet\ninterface-name={name}\nautoconnect-priority=100\n"
    );
    if let Some(mtu) = nic.mtu {
        let _ = write!(text, "\n[ethernet]\nmtu={mtu}\n");
    }
    for (section, v6) in [("ipv4", false), ("ipv6", true)] {
        text.push_str(&family(section, v6, nic));
    }
    text
}

fn family(section: &str, v6: bool, nic: &Nic<'_>) -> String {
    let is_of = |net: &IpNet| net.addr().is_ipv6() == v6;
    let addresses: Vec<_> = nic.addresses.iter().filter(|net| is_of(net)).collect();
    let method = match (addresses.is_empty(), v6) {
        (false, _) => "manual",
        (true, false) => "disabled",
        (true, true) => "link-local",
    };
    let mut text = format!("\n[{section}]\nmethod={method}\nnever-default=true\n");
    for (place, net) in (1..).zip(addresses) {
        let _ = writeln!(text, "address{place}={net}");
    }
    let routes = nic.routes.iter().filter(|route| matches!(route, Key::Route { dst, .. } if is_of(dst)));
    for (place, route) in (1..).zip(routes) {
        let Key::Route { dst, gateway, table, .. } = route else { continue };
        let via = gateway.map(|gateway| format!(",{gateway}")).unwrap_or_default();
        let _ = write!(text, "route{place}={dst}{via}\nroute{place}_options=table={table}\n");
    }
    let rules = nic.rules.iter().filter(|rule| {
        matches!(rule, Key::Rule { from, not_to, .. } if from.as_ref().or(not_to.as_ref()).is_some_and(is_of))
    });
    for (place, rule) in (1..).zip(rules) {
        let Key::Rule { priority, from, not_to, table } = rule else { continue };
        let who = match (from, not_to) {
            (Some(from), _) => format!("from {from}"),
            (None, Some(to)) => format!("not to {to}"),
            (None, None) => continue,
        };
        let _ = writeln!(text, "routing-rule{place}=priority {priority} {who} table {table}");
    }
    text
}

/// netplan(5), which knows no `not` in a rule: the unit makes that one.
fn netplan(nics: &BTreeMap<&str, Nic<'_>>) -> String {
    let mut text = format!("{HEAD}network:\n  version: 2\n  ethernets:\n");
    for (name, nic) in nics {
        let _ = writeln!(text, "    {name}:");
        if let Some(mtu) = nic.mtu {
            let _ = writeln!(text, "      mtu: {mtu}");
        }
        text.push_str("      accept-ra: false\n");
        let addresses: Vec<String> = nic.addresses.iter().map(|net| format!("\"{net}\"")).collect();
        let _ = writeln!(text, "      addresses: [{}]", addresses.join(", "));
        let routes: Vec<String> = nic.routes.iter().filter_map(|route| planned_route(route)).collect();
        let rules: Vec<String> = nic.rules.iter().filter_map(|rule| planned_rule(rule)).collect();
        for (key, lines) in [("routes", routes), ("routing-policy", rules)] {
            if !lines.is_empty() {
                let _ = writeln!(text, "      {key}:\n{}", lines.join("\n"));
            }
        }
    }
    text
}

fn planned_route(route: &Key) -> Option<String> {
    let Key::Route { dst, gateway, table, .. } = route else { return None };
    let way = gateway.map_or_else(|| "scope: link".to_owned(), |gateway| format!("via: \"{gateway}\""));
    Some(format!("      - {{to: \"{dst}\", {way}, table: {table}}}"))
}

fn planned_rule(rule: &Key) -> Option<String> {
    let Key::Rule { priority, from, table, .. } = rule else { return None };
    let from = from.as_ref()?;
    Some(format!("      - {{from: \"{from}\", table: {table}, priority: {priority}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
rdmaSubnets: [172.16.0.0/16]
nics:
- {name: rail0, addresses: [172.16.0.10/24], gateways: [172.16.0.1], mtu: 4200, table: 152, vfs: 8}
- {name: rail1, addresses: ['fd00:1::a/64'], gateways: ['fd00:1::1'], table: 153}";

    fn texts(via: Via) -> Vec<(String, String)> {
        let wants = wants(via, &crate::parse(FILE).unwrap());
        wants
            .into_iter()
            .map(|want| match (want.key, want.value) {
                (Key::File { path }, Value::Text(text)) => {
                    (path.display().to_string(), text.strip_prefix(HEAD).unwrap().to_owned())
                }
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn networkd_has_a_file_for_each_nic() {
        let [first, second] = &texts(Via::Networkd)[..] else { panic!("two NICs") };
        assert_eq!(first.0, "etc/systemd/network/10-railcni-rail0.network");
        let expected = "[Match]\nName=rail0\n\n[Link]\nMTUBytes=4200\n\n[Network]\nIPv6AcceptRA=no\nAddress=172.16.0.10/24\n\
            \n[Route]\nDestination=172.16.0.0/24\nScope=link\nTable=152\n\
            \n[Route]\nDestination=0.0.0.0/0\nGateway=172.16.0.1\nTable=152\n\
            \n[RoutingPolicyRule]\nPriority=32763\nTable=152\nFrom=172.16.0.10/32\n\
            \n[RoutingPolicyRule]\nPriority=32762\nTable=254\nTo=172.16.0.0/16\nInvertRule=yes\n";
        assert_eq!(first.1, expected);
        assert!(second.1.contains("Destination=::/0\nGateway=fd00:1::1\nTable=153\n"), "{}", second.1);
    }

    #[test]
    fn network_manager_has_a_connection_for_each_nic() {
        let [first, second] = &texts(Via::NetworkManager)[..] else { panic!("two NICs") };
        assert_eq!(first.0, "etc/NetworkManager/system-connections/railcni-rail0.nmconnection");
        let expected = "[connection]\nid=railcni-rail0\ntype=ethernet\ninterface-name=rail0\nautoconnect-priority=100\n\
            \n[ethernet]\nmtu=4200\n\
            \n[ipv4]\nmethod=manual\nnever-default=true\naddress1=172.16.0.10/24\n\
            route1=172.16.0.0/24\nroute1_options=table=152\nroute2=0.0.0.0/0,172.16.0.1\nroute2_options=table=152\n\
            routing-rule1=priority 32763 from 172.16.0.10/32 table 152\n\
            routing-rule2=priority 32762 not to 172.16.0.0/16 table 254\n\
            \n[ipv6]\nmethod=link-local\nnever-default=true\n";
        assert_eq!(first.1, expected);
        assert!(second.1.contains("[ipv4]\nmethod=disabled\n"), "{}", second.1);
        assert!(
            second.1.contains("routing-rule1=priority 32763 from fd00:1::a/128 table 153\n"),
            "{}",
            second.1
        );
    }

    #[test]
    fn netplan_has_one_file_that_is_yaml() {
        let [(path, text)] = &texts(Via::Netplan)[..] else { panic!("one file") };
        assert_eq!(path, "etc/netplan/90-railcni.yaml");
        let documents = yaml::documents(text).unwrap();
        let nics = &documents[0]["network"]["ethernets"];
        let routes = serde_json::json!([
            { "to": "172.16.0.0/24", "scope": "link", "table": 152 },
            { "to": "0.0.0.0/0", "via": "172.16.0.1", "table": 152 },
        ]);
        assert_eq!((&nics["rail0"]["mtu"], &nics["rail0"]["routes"]), (&4200.into(), &routes));
        let rules = serde_json::json!([{ "from": "fd00:1::a/128", "table": 153, "priority": 32763 }]);
        assert_eq!(nics["rail1"]["routing-policy"], rules);
        assert_eq!(nics["rail1"]["addresses"], serde_json::json!(["fd00:1::a/64"]));
    }

    #[test]
    fn systemd_alone_has_none() {
        assert!(wants(Via::Systemd, &crate::parse(FILE).unwrap()).is_empty());
    }
}
