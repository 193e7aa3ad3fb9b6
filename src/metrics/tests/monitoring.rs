//! Dashboards and rules ask for what there is.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn monitoring() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/monitoring")
}

/// As they are queried: of a histogram there are three.
fn told() -> BTreeSet<String> {
    let golden = [include_str!("agent.prom"), include_str!("controller.prom")].concat();
    let types = golden.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let names = types.flat_map(|(name, kind)| {
        let ends: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        ends.iter().map(move |end| format!("{name}{end}"))
    });
    names.collect()
}

fn rules() -> Vec<Value> {
    let text = std::fs::read_to_string(monitoring().join("rules.yaml")).unwrap();
    let documents = yaml::documents(&text).unwrap();
    let groups = documents[0]["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

/// Every word of ours in an expression: a metric, or what a rule records.
fn words(expression: &str) -> Vec<&str> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | ':');
    let words = expression.split(|character| !is_part(character));
    words.filter(|word| word.starts_with("railcni_") || word.starts_with("railcni:")).collect()
}

fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member {
                    Value::String(text) if key == "expr" || key == "query" => found.push(text.clone()),
                    other => expressions(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

#[track_caller]
fn assert_known(of: &str, expression: &str) {
    let (told, rules) = (told(), rules());
    let recorded: BTreeSet<&str> = rules.iter().filter_map(|rule| rule["record"].as_str()).collect();
    for word in words(expression) {
        assert!(
            told.contains(word) || recorded.contains(word),
            "{of} asks for {word}, which nobody tells: {expression}"
        );
    }
}

#[test]
fn every_dashboard_asks_for_what_there_is() {
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(monitoring().join("dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let board: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(text(&board, "uid"), format!("railcni-{name}"));
        let mut found = Vec::new();
        expressions(&board, &mut found);
        assert!(
            found.iter().filter(|expression| !words(expression).is_empty()).count() > 5,
            "{name} asks for nothing"
        );
        for expression in &found {
            assert_known(&name, expression);
        }
        let panels = board["panels"].as_array().unwrap();
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
        assert_eq!(ids.len(), panels.len(), "panels of {name} have numbers of their own");
        seen.insert(name);
    }
    assert_eq!(seen, ["cluster", "fabric", "node", "pod"].map(str::to_owned).into());
}

#[test]
fn every_rule_asks_for_what_there_is_and_says_what_to_do() {
    let rules = rules();
    for rule in &rules {
        let expression = text(rule, "expr");
        assert!(!words(expression).is_empty(), "{rule}");
        assert_known("a rule", expression);
        if rule["record"].is_null() {
            let name = text(rule, "alert");
            assert!(name.starts_with("Railcni"), "{name}");
            assert!(["critical", "warning", "info"].contains(&text(&rule["labels"], "severity")), "{name}");
            assert!(!text(&rule["annotations"], "summary").is_empty());
            assert!(!text(&rule["annotations"], "description").is_empty());
        }
    }
    let names: BTreeSet<_> =
        rules.iter().map(|rule| rule["alert"].as_str().or(rule["record"].as_str())).collect();
    assert_eq!(names.len(), rules.len(), "every rule has a name of its own");
}

/// What the page says is what there is: every name stands on it, and no other.
#[test]
fn the_page_has_every_name_and_no_other() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for page in ["metrics.md", "zh/metrics.md"] {
        let text = std::fs::read_to_string(docs.join(page)).unwrap();
        let said: BTreeSet<&str> = words(&text).into_iter().filter(|word| *word != "railcni_").collect();
        let golden = [include_str!("agent.prom"), include_str!("controller.prom")].concat();
        let types = golden.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let names: BTreeSet<&str> = types.map(|(name, _)| name).collect();
        assert_eq!(said, names, "{page}");
    }
}
