use super::*;
use crate::plan::{Picture, plan};
use crate::wants::Want;

fn entries() -> Vec<Entry> {
    let mtu = Entry {
        what: Key::Mtu { link: "a".into() },
        before: Value::Number(1500),
        ours: vec![Value::Number(9000)],
        index: Some(7),
    };
    let file = Entry {
        what: Key::File { path: "etc/modprobe.d/x.conf".into() },
        before: Value::Absent,
        ours: vec![Value::Text("options\n".into())],
        index: None,
    };
    vec![file, mtu]
}

#[test]
fn a_boot_takes_along_what_it_has_made_void_and_nothing_else() {
    let base = tempfile::tempdir().unwrap();
    let dirs = Dirs::under(base.path());
    let record = Record(entries());
    record.save(&dirs).unwrap();
    assert_eq!(Record::load(&dirs).unwrap(), record);
    let path = path(&dirs.state).unwrap();
    let stored = Stored { version: VERSION, boot_id: BootId::new("another"), entries: entries() };
    file::replace_json(&path, &stored).unwrap();
    assert_eq!(Record::load(&dirs).unwrap().0, entries()[..1], "the file on disk is still there");
    Record::default().save(&dirs).unwrap();
    assert!(!path.exists());
}

#[test]
fn what_was_set_on_a_link_is_not_of_another_that_got_its_name() {
    let links = |index| Links::from([("a".to_owned(), index)]);
    let record = || Record(entries());
    assert_eq!(record().of_links(&links(7)), (record(), vec![]));
    assert_eq!(record().of_links(&Links::new()), (record(), vec![]), "what is not there may come back");
    let (left, names) = record().of_links(&links(8));
    assert_eq!((&left.0[..], &names[..]), (&entries()[..1], &["a".to_owned()][..]));
    let mut earlier = record();
    earlier.0[1].index = None;
    assert_eq!(
        earlier.clone().of_links(&links(8)).0,
        earlier,
        "a record of an earlier version does not say which"
    );
}

/// VFs go to none before they come to be another number, and a DSCP loses its priority before it gets another.
#[test]
fn what_a_kill_leaves_half_way_is_ours_to_restore() {
    let dscp = Key::Dscp { link: "a".into(), dscp: 26 };
    for (key, before, wanted, half_way) in [
        (Key::Vfs { link: "a".into() }, Value::Number(4), Value::Number(2), Value::Number(0)),
        (dscp, Value::Number(1), Value::Number(3), Value::Absent),
    ] {
        let picture = |value: &Value| Picture(vec![(key.clone(), Some(value.clone()))]);
        let want = vec![Want { key: key.clone(), value: wanted.clone() }];
        let begun = Record::default().before(&plan(want.clone(), &picture(&before), &Record::default()));
        let undone = plan(vec![], &picture(&half_way), &begun);
        assert_eq!(undone.changes.len(), 1, "{key}: {:?}", undone.foreign);
        assert_eq!(undone.changes[0].to, before);
        let settled = begun.after(&plan(want, &picture(&wanted), &begun));
        assert_eq!(settled.0[0].ours, [wanted], "and not before or after");
    }
}

#[test]
fn a_damaged_record_is_refused_and_named() {
    let base = tempfile::tempdir().unwrap();
    let dirs = Dirs::under(base.path());
    Record(entries()).save(&dirs).unwrap();
    let path = path(&dirs.state).unwrap();
    for bad in ["", "{", r#"{"version":1}"#, r#"{"version":9,"bootId":"x","entries":[]}"#, "[]"] {
        file::replace(&path, bad.as_bytes()).unwrap();
        let error = Record::load(&dirs).unwrap_err().to_string();
        assert!(error.contains("record.json cannot be used") && error.contains("Move it aside"), "{error}");
    }
}
