//! Killed, and made to fail, at every call that changes something.

use serde_json::Value;
use testkit::{CHANGES, Call, Scope, Snapshot, assert_same};

use crate::node::{GUIDE, Node, TWO_FAMILIES};

/// Points of `verb` on a node as `prepare` leaves it.
fn points(node: &Node, verb: &str, file: &str, prepare: impl Fn()) -> Vec<Call> {
    prepare();
    let trace = node.subject(file).trace(verb, &Value::Null, CHANGES, Scope::Plugin);
    assert!(trace.outcome.status.success(), "{verb}: {}", trace.outcome);
    let points: Vec<Call> = trace.points().into_iter().filter(|call| !call.reads).collect();
    assert!(points.len() > 10, "{verb}: only {} points: is strace counting?", points.len());
    points
}

/// The state directory keeps the file of the lock.
fn clean(node: &Node) -> Snapshot {
    node.apply(TWO_FAMILIES);
    node.undo();
    node.snapshot()
}

#[test]
fn apply_killed_anywhere_is_undone_or_finished() {
    let node = Node::new();
    let before = clean(&node);
    let points = points(&node, "apply", TWO_FAMILIES, || ());
    node.undo();
    for (number, point) in points.iter().enumerate() {
        node.subject(TWO_FAMILIES).kill_at("apply", &Value::Null, Scope::Plugin, point);
        if number % 2 == 0 {
            node.apply(TWO_FAMILIES);
            assert!(node.railctl(&["check"], TWO_FAMILIES).success(), "killed at {point}, then apply");
        }
        node.undo();
        same(&before, &node, &format!("apply killed at {point}"));
    }
}

#[test]
fn undo_killed_anywhere_is_finished_by_the_next() {
    let node = Node::new();
    let before = clean(&node);
    let points = points(&node, "undo", TWO_FAMILIES, || drop(node.apply(TWO_FAMILIES)));
    for point in &points {
        node.apply(TWO_FAMILIES);
        node.subject(TWO_FAMILIES).kill_at("undo", &Value::Null, Scope::Plugin, point);
        node.undo();
        same(&before, &node, &format!("undo killed at {point}"));
    }
}

#[test]
fn a_change_from_one_file_to_another_killed_anywhere_is_undone() {
    let node = Node::new();
    let before = clean(&node);
    let points = points(&node, "apply", GUIDE, || drop(node.apply(TWO_FAMILIES)));
    node.undo();
    for point in &points {
        node.apply(TWO_FAMILIES);
        node.subject(GUIDE).kill_at("apply", &Value::Null, Scope::Plugin, point);
        node.undo();
        same(&before, &node, &format!("apply of the other file killed at {point}"));
    }
}

#[test]
fn apply_that_fails_anywhere_says_so_and_can_be_undone() {
    let node = Node::new();
    let before = clean(&node);
    let points = points(&node, "apply", TWO_FAMILIES, || ());
    node.undo();
    for (point, errno) in points.iter().zip(["ENOSPC", "EIO", "EBUSY", "ENODEV", "EPERM"].into_iter().cycle())
    {
        let trace = node.subject(TWO_FAMILIES).fail_at("apply", &Value::Null, Scope::Plugin, point, errno);
        if trace.outcome.status.success() {
            assert!(
                node.railctl(&["check"], TWO_FAMILIES).success(),
                "{point} {errno}: said that all is well"
            );
        } else {
            assert!(!trace.outcome.stderr.contains("panicked"), "{point} {errno}: {}", trace.outcome);
        }
        node.undo();
        same(&before, &node, &format!("{point} failed with {errno}"));
    }
}

fn same(before: &Snapshot, node: &Node, after: &str) {
    let now = node.snapshot();
    let diff = before.diff(&now);
    assert!(diff.is_empty(), "{after}: the world changed (- before, + after):\n{diff}");
    assert_same(before, &now);
}
