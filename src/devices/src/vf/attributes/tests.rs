use super::*;

fn now() -> Attributes {
    Attributes {
        mac: Some([0; 6].into()),
        vlan: Some(Vlan { id: 0, qos: 0, protocol: Vlan::DOT1Q }),
        rate: Some(Rate::default()),
        spoofchk: Some(true),
        trust: Some(false),
        link_state: Some(LinkState::Auto),
        ..Attributes::default()
    }
}

#[test]
fn only_what_differs_is_asked_for() {
    let asked = |wanted: Attributes| wanted.change(&now()).to_string();
    assert_eq!(asked(Attributes::default()), "");
    assert_eq!(asked(now()), "");
    let vlan =
        |id, qos, protocol| Attributes { vlan: Some(Vlan { id, qos, protocol }), ..Attributes::default() };
    assert_eq!(asked(vlan(0, 0, Vlan::DOT1AD)), "", "no VLAN is no VLAN");
    assert_eq!(settings(&vlan(100, 0, Vlan::DOT1Q).change(&now())).len(), 1);
    let two = Attributes { trust: Some(true), spoofchk: Some(true), ..Attributes::default() };
    assert_eq!(asked(two), "trust on");
    let blind = Attributes { spoofchk: Some(false), ..Attributes::default() };
    assert_eq!(blind.change(&Attributes::default()).to_string(), "spoofchk off", "unknown is not off");
}

#[test]
fn only_what_takes_something_away_may_be_refused() {
    let setting = |wanted: Attributes| settings(&wanted.change(&Attributes::default()))[0];
    for neutral in [
        Attributes { vlan: Some(Vlan { id: 0, qos: 0, protocol: Vlan::DOT1Q }), ..Attributes::default() },
        Attributes { rate: Some(Rate::default()), ..Attributes::default() },
        Attributes { trust: Some(false), ..Attributes::default() },
        Attributes { link_state: Some(LinkState::Auto), ..Attributes::default() },
    ] {
        assert!(setting(neutral).is_neutral(), "{neutral:?}");
    }
    for real in [
        Attributes { vlan: Some(Vlan { id: 5, qos: 0, protocol: Vlan::DOT1Q }), ..Attributes::default() },
        Attributes { spoofchk: Some(false), ..Attributes::default() },
        Attributes { spoofchk: Some(true), ..Attributes::default() },
        Attributes { link_state: Some(LinkState::Enable), ..Attributes::default() },
    ] {
        assert!(!setting(real).is_neutral(), "{real:?}");
    }
}

#[test]
fn a_difference_names_attribute_and_both_values() {
    let wanted = Attributes { spoofchk: Some(false), rate: Some(Rate { min: 1, max: 9 }), ..now() };
    let lines = wanted.differences(&now());
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("rate") && lines[0].contains("max_tx_rate 9"), "{lines:?}");
    assert_eq!(lines[1], "its spoofchk is on, expected off");
}

#[test]
fn settings_name_themselves_with_their_value() {
    let wanted =
        Attributes { vlan: Some(Vlan { id: 7, qos: 2, protocol: Vlan::DOT1Q }), ..Attributes::default() };
    let said = settings(&wanted.change(&Attributes::default()))[0].to_string();
    assert!(said.starts_with("vlan (7 qos 2"), "{said}");
}
