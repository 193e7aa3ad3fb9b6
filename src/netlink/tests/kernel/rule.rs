//! Rules.

use netlink::{Family, Rule, RuleAction};

use crate::world;

#[test]
fn rules_read_back_as_added() {
    let mut route = world::enter();
    let v4 = Rule {
        priority: Some(10_101),
        from: Some("10.1.0.2/32".parse().unwrap()),
        to: Some("10.8.0.0/16".parse().unwrap()),
        fwmark: Some((0x10, 0xf0)),
        iif: Some("lo".into()),
        oif: Some("net1".into()),
        protocol: 211,
        ..Rule::new(Family::V4, 1000)
    };
    let v6 = Rule {
        priority: Some(10_102),
        from: Some("fd00::2/128".parse().unwrap()),
        protocol: 211,
        ..Rule::new(Family::V6, 102)
    };
    for rule in [&v4, &v6] {
        route.add_rule(rule).unwrap();
        assert!(route.rules(rule.family).unwrap().contains(rule));
        assert!(route.add_rule(rule).unwrap_err().is_exists());
    }
    let shown = world::ip("rule show priority 10101");
    let expected =
        "from 10.1.0.2 to 10.8.0.0/16 fwmark 0x10/0xf0 iif lo oif net1 [detached] lookup 1000 proto 211";
    assert_eq!(shown.split_once('\t').unwrap().1.trim_end(), expected);
    for rule in [&v4, &v6] {
        route.delete_rule(rule).unwrap();
        let error = route.delete_rule(rule).unwrap_err();
        assert!(error.is_gone(), "{error}");
        assert!(error.to_string().contains(&rule.to_string()), "{error}");
    }
}

#[test]
fn invert_suppress_and_other_actions() {
    let mut route = world::enter();
    let not_to = Rule {
        priority: Some(2000),
        to: Some("172.16.0.0/16".parse().unwrap()),
        invert: true,
        ..Rule::new(Family::V4, 254)
    };
    let suppress = Rule { priority: Some(2001), suppress_prefix_len: Some(0), ..Rule::new(Family::V4, 254) };
    let hole = Rule { priority: Some(2002), action: RuleAction::Blackhole, ..Rule::new(Family::V4, 0) };
    for rule in [&not_to, &suppress, &hole] {
        route.add_rule(rule).unwrap();
        assert!(route.rules(Family::V4).unwrap().contains(rule), "{rule}");
    }
    let shown = world::ip("rule show");
    for line in [
        "2000:\tnot from all to 172.16.0.0/16 lookup main",
        "lookup main suppress_prefixlength 0",
        "2002:\tfrom all blackhole",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
}

#[test]
fn priority_is_the_kernels_unless_given() {
    let mut route = world::enter();
    let rule = Rule { from: Some("10.1.0.2/32".parse().unwrap()), ..Rule::new(Family::V4, 100) };
    route.add_rule(&rule).unwrap();
    let listed = route.rules(Family::V4).unwrap();
    let priorities: Vec<_> = listed.iter().map(|rule| rule.priority.unwrap()).collect();
    assert_eq!(priorities, [0, 32765, 32766, 32767]);
}

#[test]
fn delete_takes_only_a_rule_that_agrees() {
    let mut route = world::enter();
    let ours = Rule {
        priority: Some(10_101),
        from: Some("10.1.0.2/32".parse().unwrap()),
        protocol: 211,
        ..Rule::new(Family::V4, 101)
    };
    world::ip("rule add from 10.1.0.2 lookup 101 priority 10101 protocol static");
    assert!(route.delete_rule(&ours).unwrap_err().is_gone());
    route.add_rule(&ours).unwrap();
    route.delete_rule(&ours).unwrap();
    assert!(world::ip("rule show").contains("10101:\tfrom 10.1.0.2 lookup 101 proto static"));
}
