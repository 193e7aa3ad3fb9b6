use super::*;

fn catalog(pools: &str) -> Catalog {
    let mut catalog = Catalog::default();
    for pool in yaml::documents(pools).unwrap().remove(0).as_array().unwrap() {
        catalog.add_inline("test", pool);
    }
    catalog
}

struct Case<'a> {
    ipv4: &'a [&'a str],
    ipv6: &'a [&'a str],
    namespace: Namespace<'a>,
    master: Option<&'a str>,
}

const DEFAULT: Case<'_> = Case { ipv4: &[], ipv6: &[], namespace: Namespace::Unknown, master: None };

fn choose(pools: &str, case: &Case<'_>) -> Result<String, String> {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let wanted = PoolNames { ipv4: names(case.ipv4), ipv6: names(case.ipv6) };
    let addresses = || Ok(vec![case.master.unwrap().parse().unwrap()]);
    let master: Option<&dyn Fn() -> _> = if case.master.is_some() { Some(&addresses) } else { None };
    let site = Site { node: &["n1".to_owned()], namespace: case.namespace, network: "rail1", master };
    let catalog = catalog(pools);
    let sets = select(&catalog, &wanted, &site).map_err(|error| error.to_string())?;
    let set = |pools: &Vec<&Pool>| pools.iter().map(|pool| pool.name.as_str()).collect::<Vec<_>>().join(" ");
    Ok(sets.iter().map(set).collect::<Vec<_>>().join(" | "))
}

fn four(ipv4: &[&str], pools: &str) -> Result<String, String> {
    choose(pools, &Case { ipv4, ..DEFAULT })
}

const THREE: &str =
    "[{name: r1, subnet: 10.1.0.0/24}, {name: r2, subnet: 10.2.0.0/24}, {name: s1, subnet: 'fd00::/64'}]";

#[test]
fn in_the_written_order_with_wildcards_and_each_pool_once() {
    assert_eq!(four(&["r2", "r1"], THREE).unwrap(), "r2 r1");
    assert_eq!(four(&["r2", "*"], THREE).unwrap(), "r2 r1");
    assert_eq!(choose(THREE, &Case { ipv4: &["r[12]"], ipv6: &["s?"], ..DEFAULT }).unwrap(), "r1 r2 | s1");
}

#[test]
fn a_name_that_no_pool_has() {
    assert_eq!(four(&["r3"], THREE).unwrap_err(), r#"pool "r3" is not defined; known are r1, r2, s1"#);
    assert_eq!(four(&["r3"], "[]").unwrap_err(), r#"pool "r3" is not defined, nor is any other"#);
    assert_eq!(four(&["s1"], THREE).unwrap_err(), r#"pool "s1" is IPv6, but listed for IPv4"#);
    assert_eq!(
        four(&["q*"], THREE).unwrap_err(),
        "no IPv4 pool is left for q*: none of this family is called so"
    );
}

#[test]
fn a_refused_pool_fails_those_who_select_it_and_nobody_else() {
    let pools = "[{name: r1, subnet: 10.1.0.0/24}, {name: r2, subnet: 10.2.0.0/99}]";
    assert_eq!(four(&["r1"], pools).unwrap(), "r1");
    let message =
        r#"pool "r2": subnet "10.2.0.0/99": is no subnet; write ADDRESS/LENGTH such as 172.16.1.0/24"#;
    assert_eq!(four(&["r2"], pools).unwrap_err(), message);
    assert_eq!(four(&["r*"], pools).unwrap_err(), message);
}

#[test]
fn default_pools_and_the_more_specific_first() {
    let pools = "[{name: a, subnet: 10.1.0.0/24, default: true}, {name: b, subnet: 10.2.0.0/24}, \
                 {name: c, subnet: 10.3.0.0/24, default: true, nodeName: [n1]}, {name: d, subnet: 'fd00::/64', default: true}]";
    assert_eq!(choose(pools, &DEFAULT).unwrap(), "c a | d");
    assert_eq!(
        choose(THREE, &DEFAULT).unwrap_err(),
        "the config names no pool, and none that is defined has default: true; name one in ipam.ippools (known are r1, r2, s1)"
    );
    assert_eq!(choose("[]", &DEFAULT).unwrap_err(), "the config names no pool, and none is defined");
    let elsewhere = "[{name: a, subnet: 10.1.0.0/24, default: true, nodeName: [n2]}]";
    assert_eq!(
        choose(elsewhere, &DEFAULT).unwrap_err(),
        "no IPv4 or IPv6 pool is left for the default pools: a: nodeName is n2, and this node is n1"
    );
    let one_family = "[{name: a, subnet: 10.1.0.0/24, default: true}, {name: d, subnet: 'fd00::/64', default: true, disable: true}]";
    assert_eq!(choose(one_family, &DEFAULT).unwrap(), "a");
}

#[test]
fn why_a_pool_is_not_used() {
    let why = |spec: &str| four(&["a"], &format!("[{{name: a, subnet: 10.1.0.0/24, {spec}}}]")).unwrap_err();
    let cases = [
        ("disable: true", "it is disabled"),
        ("nodeName: [n2, n3]", "nodeName is n2, n3, and this node is n1"),
        ("namespaceName: [ml]", "namespaceName is ml, and CNI_ARGS has no K8S_POD_NAMESPACE"),
        ("multusName: [kube-system/rail2]", "multusName is kube-system/rail2, and the network is \"rail1\""),
        (
            "nodeAffinity: {matchLabels: {zone: a}}",
            "nodeAffinity needs the Kubernetes API, which is not asked here; use nodeName",
        ),
        (
            "podAffinity: {matchLabels: {app: a}}",
            "podAffinity needs the Kubernetes API, which is not asked here; use namespaceName, or name the pool in the network's config",
        ),
    ];
    for (spec, reason) in cases {
        assert_eq!(why(spec), format!("no IPv4 pool is left for a: a: {reason}"));
    }
}

#[test]
fn selectors_that_fit() {
    let pools = "[{name: a, subnet: 10.1.0.0/24, nodeName: [n0, n1], namespaceName: [ml], multusName: [kube-system/rail1]}]";
    let case = |namespace| choose(pools, &Case { ipv4: &["a"], namespace, ..DEFAULT });
    assert_eq!(case(Namespace::Named("ml")).unwrap(), "a");
    assert_eq!(case(Namespace::Any).unwrap(), "a");
    let other = "no IPv4 pool is left for a: a: namespaceName is ml, and the pod is in \"web\"";
    assert_eq!(case(Namespace::Named("web")).unwrap_err(), other);
}

/// Hazard 5: with the peer, a pool that names the network passes whatever its subnet is.
#[test]
fn a_pool_of_the_network_has_to_be_of_the_masters_subnet_all_the_same() {
    let pools = "[{name: r1, subnet: 10.1.0.0/24, multusName: [kube-system/rail1]}, \
                 {name: r2, subnet: 10.2.0.0/24, multusName: [kube-system/rail1]}]";
    let case = |master| choose(pools, &Case { ipv4: &["r*"], master: Some(master), ..DEFAULT });
    assert_eq!(case("10.2.0.77").unwrap(), "r2");
    assert!(
        case("10.9.0.1").unwrap_err().contains("r1: its subnet 10.1.0.0/24 holds no address of the master")
    );
}

#[test]
fn the_pools_of_the_masters_subnets() {
    let case = |master| choose(THREE, &Case { ipv4: &["r*"], master: Some(master), ..DEFAULT });
    assert_eq!(case("10.2.0.77").unwrap(), "r2");
    assert_eq!(
        case("10.9.0.1").unwrap_err(),
        "no IPv4 pool is left for r*: r1: its subnet 10.1.0.0/24 holds no address of the master, which has 10.9.0.1; \
         r2: its subnet 10.2.0.0/24 holds no address of the master, which has 10.9.0.1"
    );
}
