use super::*;

fn catalog(text: &str) -> Catalog {
    let mut catalog = Catalog::default();
    catalog.add_text("pools.yaml", text);
    catalog.complete()
}

fn refused(catalog: &Catalog) -> Vec<String> {
    catalog.refused().map(ToString::to_string).collect()
}

fn document(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: spiderpool.spidernet.io/v2beta1\nkind: SpiderIPPool\nmetadata: {{name: {name}}}\nspec: {spec}\n---\n"
    )
}

/// The pool of all guides: the network that `172.16.11.0/16` names is meant.
#[test]
fn the_guides_pool_is_accepted_with_a_warning() {
    let text = "
    apiVersion: spiderpool.spidernet.io/v2beta1
    kind: SpiderIPPool
    metadata:
      name: gpu1-net11
    spec:
      gateway: 172.16.11.254
      subnet: 172.16.11.0/16
      ips:
        - 172.16.11.1-172.16.11.200
    ---
    apiVersion: spiderpool.spidernet.io/v2beta1
    kind: SpiderMultusConfig
    metadata:
      name: gpu1-sriov
      namespace: spiderpool
    spec:
      cniType: sriov
      sriov:
        resourceName: spidernet.io/eno3np2
        enableRdma: true
        ippools:
          ipv4: [\"gpu1-net11\"]
";
    let text =
        text.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect::<Vec<_>>().join("\n");
    let catalog = catalog(&text);
    assert_eq!(refused(&catalog), Vec::<String>::new());
    assert_eq!(
        catalog.warnings(),
        [r#"pool "gpu1-net11": spec.subnet "172.16.11.0/16": has host bits; taken as 172.16.0.0/16"#]
    );
    let pool = catalog.pools().next().unwrap();
    assert_eq!(
        (pool.name.as_str(), pool.subnet.to_string().as_str(), pool.offered.len()),
        ("gpu1-net11", "172.16.0.0/16", 200)
    );
    assert_eq!(pool.gateway.unwrap().to_string(), "172.16.11.254");
}

/// Eight rails with a /16 of 172.16 each are one network with eight separate ranges.
#[test]
fn eight_rails_of_one_written_network() {
    let rail = |n: u8| {
        document(
            &format!("gpu{n}"),
            &format!("{{subnet: 172.16.1{n}.0/16, ips: [172.16.1{n}.1-172.16.1{n}.200]}}"),
        )
    };
    let catalog = catalog(&(1..9).map(rail).collect::<String>());
    assert_eq!(refused(&catalog), Vec::<String>::new());
    assert_eq!(catalog.pools().count(), 8);
}

#[test]
fn rails_that_were_written_as_one_network_are_told_of() {
    let rail = |n: u8, prefix: u8, gateway: u8| {
        document(
            &format!("gpu{n}"),
            &format!(
                "{{subnet: 172.16.1{n}.0/{prefix}, ips: [172.16.1{n}.1], gateway: 172.16.1{gateway}.254}}"
            ),
        )
    };
    let told = |text: String| {
        let catalog = catalog(&text);
        assert_eq!(refused(&catalog), [""; 0]);
        catalog.warnings().iter().filter(|one| !one.contains("host bits")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(
        told(rail(1, 16, 1) + &rail(2, 16, 2)),
        [
            "pool \"gpu2\": spec.subnet \"172.16.0.0/16\": is the subnet of pool \"gpu1\", whose gateway is 172.16.11.254, \
          while that of this one is 172.16.12.254: if they are different rails, give each the prefix of its own network"
        ]
    );
    assert_eq!(told(rail(1, 24, 1) + &rail(2, 24, 2)), [""; 0]);
    assert_eq!(told(rail(1, 16, 1) + &rail(2, 16, 1)), [""; 0], "parts of one network");
}

/// The rail pools of the guides end one address too late, the last of them with one that does not exist.
#[test]
fn the_guides_rail_pools_are_refused_with_the_address_to_write() {
    let rail = |k: u8, start: u16, gateway: u16, from: u16, to: u16| {
        let spec = format!(
            "{{ipVersion: ipv4, subnet: 172.16.1.{start}/27, gateway: 172.16.1.{gateway}, ips: [172.16.1.{from}-172.16.1.{to}]}}"
        );
        document(&format!("eno3np{k}-rail{k}-node1"), &spec)
    };
    let all = (1..=8)
        .map(|k| (k, (u16::from(k) - 1) * 32))
        .map(|(k, start)| rail(k, start, start + 1, start + 2, start + 32));
    let messages = refused(&catalog(&all.collect::<String>()));
    assert_eq!(messages.len(), 8);
    assert_eq!(
        messages[0],
        "pool \"eno3np1-rail1-node1\": spec.ips[0] \"172.16.1.2-172.16.1.32\": \
         leaves the subnet 172.16.1.0/27, whose last address for a host is 172.16.1.30"
    );
    assert_eq!(
        messages[7],
        "pool \"eno3np8-rail8-node1\": spec.ips[0] \"172.16.1.226-172.16.1.256\": \
         \"172.16.1.256\" is not an IP address; write ADDRESS or FIRST-LAST"
    );
    let fixed = (1..=8)
        .map(|k| (k, (u16::from(k) - 1) * 32))
        .map(|(k, start)| rail(k, start, start + 1, start + 2, start + 30));
    assert!(refused(&catalog(&fixed.collect::<String>())).is_empty());
}

#[test]
fn overlaps_are_refused_where_they_are_written_second() {
    let text = document("a", "{subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.20]}")
        + &document("b", "{subnet: 10.0.0.0/24, ips: [10.0.0.20-10.0.0.30]}")
        + &document("c", "{subnet: 10.0.0.0/25, ips: [10.0.0.40]}")
        + &document("d", "{subnet: 10.0.0.0/16}")
        + &document(
            "e",
            "{subnet: 10.0.0.0/24, ips: [10.0.0.10-10.0.0.40], excludeIPs: [10.0.0.10-10.0.0.20]}",
        )
        + &document("a", "{subnet: 10.9.0.0/24}");
    assert_eq!(
        refused(&catalog(&text)),
        [
            r#"pool "b": spec.ips "10.0.0.20-10.0.0.30": overlaps 10.0.0.2-10.0.0.20 of pool "a""#,
            r#"pool "c": spec.subnet "10.0.0.0/25": overlaps 10.0.0.0/24 of pool "a"; give both the same subnet, or separate ones"#,
            r#"pool "d": spec.subnet "10.0.0.0/16": overlaps 10.0.0.0/24 of pool "a"; give both the same subnet, or separate ones"#,
            r#"pool "a": metadata.name "a": is the name of two pools in pools.yaml: keep one of them"#,
        ]
    );
}

#[test]
fn reserved_addresses_are_in_no_pool() {
    let text = document("a", "{subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.9]}")
        + "kind: SpiderReservedIP\nmetadata: {name: r}\nspec: {ipVersion: 4, ips: [10.0.0.4-10.0.0.5, 10.7.0.1]}\n";
    let catalog = catalog(&text);
    let offered =
        catalog.pools().next().unwrap().offered.ranges().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(offered, ["10.0.0.2-10.0.0.3", "10.0.0.6-10.0.0.9"]);
}

#[test]
fn a_wrong_reservation_stops_everything() {
    let text = "kind: SpiderReservedIP\nmetadata: {name: r}\nspec: {ips: [10.0.0.300]}\n";
    let message = r#"reserved IPs "r": spec.ips[0] "10.0.0.300": "10.0.0.300" is not an IP address; write ADDRESS or FIRST-LAST"#;
    assert_eq!(refused(&catalog(text)), [message]);
}

#[test]
fn a_list_as_kubectl_prints_it() {
    let mut catalog = Catalog::default();
    let pool = r#"{"kind":"SpiderIPPool","metadata":{"name":"a"},"spec":{"subnet":"10.0.0.0/24"}}"#;
    catalog.add_text("pools.json", &format!(r#"{{"kind":"List","items":[{pool},{{"kind":"Pod"}}]}}"#));
    assert_eq!(catalog.names(), ["a"]);
}

#[test]
fn an_unreadable_text_is_named_and_costs_only_itself() {
    let mut catalog = Catalog::default();
    catalog.add_text("bad.yaml", "kind: [");
    catalog.add_text("nameless.yaml", "kind: SpiderIPPool\nspec: {subnet: 10.0.0.0/24}\n");
    catalog.add_text("good.yaml", &document("a", "{subnet: 10.0.0.0/24}"));
    assert_eq!(catalog.pools().count(), 1);
    assert!(catalog.unreadable()[0].starts_with("bad.yaml: "));
    assert_eq!(catalog.unreadable()[1], "nameless.yaml: metadata.name of a pool is missing");
}

#[test]
fn a_name_that_every_lease_would_have_to_carry_has_a_limit() {
    for (name, accepted) in
        [("p".repeat(253), true), ("p".repeat(254), false), ("p\u{1b}".repeat(100), false)]
    {
        let mut catalog = Catalog::default();
        catalog.add_inline("pools[0]", &serde_json::json!({ "name": name, "subnet": "10.0.0.0/24" }));
        assert_eq!(catalog.pools().count() == 1, accepted);
        let said = catalog
            .unreadable()
            .iter()
            .any(|message: &String| message.starts_with("pools[0]: name of a pool has 2"));
        assert_eq!(said, !accepted, "{:?}", catalog.unreadable());
    }
}
