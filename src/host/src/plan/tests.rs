use proptest::prelude::*;

use super::*;

fn mtu(link: &str) -> Key {
    Key::Mtu { link: link.to_owned() }
}

fn want(link: &str, number: u64) -> Want {
    Want { key: mtu(link), value: Value::Number(number) }
}

fn entry(link: &str, before: u64, ours: &[u64]) -> Entry {
    Entry {
        what: mtu(link),
        before: Value::Number(before),
        ours: ours.iter().map(|number| Value::Number(*number)).collect(),
        index: None,
    }
}

fn picture(links: &[(&str, Option<u64>)]) -> Picture {
    Picture(links.iter().map(|(link, number)| (mtu(link), number.map(Value::Number))).collect())
}

#[test]
fn only_what_differs_is_changed() {
    let plan = plan(
        vec![want("a", 9000), want("b", 9000)],
        &picture(&[("a", Some(9000)), ("b", Some(1500))]),
        &Record::default(),
    );
    let lines: Vec<_> = plan.changes.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["~ b: mtu: 1500 -> 9000  (RTM_SETLINK)"]);
    assert_eq!(plan.changes[0].difference(), "b: mtu is 1500, wanted is 9000");
}

#[test]
fn what_is_no_longer_wanted_goes_back_last_things_first() {
    let record = Record(vec![entry("a", 1500, &[9000]), entry("b", 1600, &[9000])]);
    let plan = plan(vec![], &picture(&[("a", Some(9000)), ("b", Some(9000))]), &record);
    let back: Vec<_> = plan.changes.iter().map(|change| (change.key.clone(), change.to.clone())).collect();
    assert_eq!(back, [(mtu("b"), Value::Number(1600)), (mtu("a"), Value::Number(1500))]);
}

#[test]
fn what_somebody_else_has_set_since_stays_and_is_told() {
    let record = Record(vec![entry("a", 1500, &[9000])]);
    let plan = plan(vec![], &picture(&[("a", Some(4000))]), &record);
    assert_eq!(plan.changes, []);
    assert_eq!(plan.foreign, ["a: mtu is 4000, not the 9000 that was set here: it stays"]);
}

#[test]
fn what_somebody_else_has_made_anew_stays_and_is_told() {
    let what = Key::Address { link: "a".to_owned(), net: "172.16.0.10/24".parse().unwrap() };
    let entry = Entry { what: what.clone(), before: Value::Absent, ours: vec![Value::Present], index: None };
    let plan = plan(vec![], &Picture(vec![(what, Some(Value::Others))]), &Record(vec![entry]));
    assert_eq!(plan.changes, []);
    assert_eq!(plan.foreign, ["a: address 172.16.0.10/24 has been made anew by somebody else: it stays"]);
}

#[test]
fn what_went_with_its_link_needs_no_undo() {
    let record = Record(vec![entry("a", 1500, &[9000])]);
    assert_eq!(plan(vec![], &picture(&[("a", None)]), &record), Plan::default());
    assert_eq!(plan(vec![], &picture(&[]), &record), Plan::default());
}

#[test]
fn a_change_that_was_begun_and_killed_is_undone_whichever_value_it_has() {
    let first = Record::default().before(&plan(
        vec![want("a", 9000)],
        &picture(&[("a", Some(1500))]),
        &Record::default(),
    ));
    let second = first.before(&plan(vec![want("a", 4000)], &picture(&[("a", Some(9000))]), &first));
    for now in [9000, 4000] {
        let undo = plan(vec![], &picture(&[("a", Some(now))]), &second);
        assert_eq!(undo.changes[0].to, Value::Number(1500), "{now}");
    }
    assert_eq!(plan(vec![], &picture(&[("a", Some(1500))]), &second).changes, []);
}

proptest! {
    /// A node as a map, applied to any wishes one after the other, each run cut anywhere and any of them repeated.
    #[test]
    fn an_undo_restores_whatever_was_applied_and_wherever_it_was_cut(
        before in proptest::collection::vec(0_u64..3, 4),
        runs in proptest::collection::vec((proptest::collection::vec(proptest::option::of(0_u64..3), 4), 0_usize..9), 1..6),
    ) {
        let links = ["a", "b", "c", "d"];
        let mut node: Vec<u64> = before.clone();
        let mut record = Record::default();
        let seen = |node: &[u64]| Picture(links.iter().zip(node).map(|(link, number)| (mtu(link), Some(Value::Number(*number)))).collect());
        let mut run = |wishes: &[Option<u64>], cut: usize, node: &mut Vec<u64>| {
            let wanted = links.iter().zip(wishes).filter_map(|(link, number)| Some(want(link, (*number)?))).collect();
            let plan = plan(wanted, &seen(node), &record);
            prop_assert!(plan.foreign.is_empty(), "{:?}", plan.foreign);
            record = record.before(&plan);
            for change in plan.changes.iter().take(cut) {
                let at = links.iter().position(|link| mtu(link) == change.key).unwrap();
                let Value::Number(number) = change.to else { panic!("{change:?}") };
                node[at] = number;
            }
            if cut >= plan.changes.len() {
                record = record.after(&plan);
            }
            Ok(())
        };
        for (wishes, cut) in &runs {
            run(wishes, *cut, &mut node)?;
        }
        run(&[None; 4], usize::MAX, &mut node)?;
        prop_assert_eq!(&node, &before);
        prop_assert_eq!(record, Record::default());
    }
}

#[test]
fn what_goes_has_the_message_by_which_it_goes() {
    let said = |key: Key| Change { key, from: Value::Present, to: Value::Absent }.to_string();
    let net = "172.16.0.10/24".parse().unwrap();
    assert_eq!(
        said(Key::Address { link: "a".to_owned(), net }),
        "- a: address 172.16.0.10/24  (RTM_DELADDR)"
    );
    let rule = Key::Rule { priority: 32762, from: None, not_to: None, table: 152 };
    assert_eq!(said(rule), "- rule 32762: from all lookup 152  (RTM_DELRULE)");
    let dst = "0.0.0.0/0".parse().unwrap();
    let route = Key::Route { link: "a".to_owned(), dst, gateway: None, table: 152 };
    assert_eq!(said(route), "- a: route default table 152  (RTM_DELROUTE)");
    assert!(said(Key::File { path: "etc/x".into() }).ends_with("(unlink)"));
    assert!(said(Key::Up { link: "a".to_owned() }).ends_with("(RTM_SETLINK)"));
}
