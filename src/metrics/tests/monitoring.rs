//! Dashboards and rules ask for what there is.

#![expect(clippy::unwrap_used, reason = "the functions between the tests are tests too")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;

fn monitoring() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/chart/railcni/files/monitoring")
}

/// As they are queried, of a histogram all three, and which labels each has; `instance` and `job` are Prometheus's own.
fn told() -> BTreeMap<String, BTreeSet<String>> {
    let golden = [include_str!("agent.prom"), include_str!("controller.prom")].concat();
    let samples = golden.lines().filter(|line| !line.starts_with('#'));
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for sample in samples {
        let name = sample.split(['{', ' ']).next().unwrap();
        let labels = sample.split_once('{').map_or("", |(_, rest)| rest.rsplit_once('}').unwrap().0);
        let of = told.entry(name.to_owned()).or_default();
        of.extend(["instance", "job"].map(str::to_owned));
        of.extend(matched(labels).map(str::to_owned));
    }
    told
}

/// The labels in `a="x",b=~"y"`. No value in our files has a comma.
fn matched(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter_map(|part| Some(part.split_once(['=', '!'])?.0.trim()))
}

/// Each metric of ours in an expression, with the labels that are asked of it.
fn selectors(expression: &str) -> Vec<(&str, Vec<&str>)> {
    let mut found = Vec::new();
    for word in words(expression) {
        let rest = &expression[word.as_ptr() as usize - expression.as_ptr() as usize + word.len()..];
        let braces = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        found.push((word, braces.map_or_else(Vec::new, |(inside, _)| matched(inside).collect())));
    }
    found
}

/// What stands in the brackets behind a word such as `by`.
fn lists<'e>(expression: &'e str, word: &str) -> Vec<&'e str> {
    let opened = format!("{word} (");
    let behind = expression.split(opened.as_str()).skip(1);
    behind.flat_map(|rest| rest.split(')').next().unwrap().split(',')).map(str::trim).collect()
}

/// The labels of what an expression comes to: those that it is summed up by, or all.
fn labels(expression: &str, told: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let by = lists(expression, " by");
    if by.is_empty() {
        return selectors(expression).iter().flat_map(|(name, _)| told[*name].clone()).collect();
    }
    by.into_iter().map(str::to_owned).collect()
}

static KNOWN: LazyLock<BTreeMap<String, BTreeSet<String>>> = LazyLock::new(known);

/// What is told, and what rules record of it.
fn known() -> BTreeMap<String, BTreeSet<String>> {
    let mut known = told();
    for rule in rules() {
        if let Some(name) = rule["record"].as_str() {
            let labels = labels(text(&rule, "expr"), &known);
            known.insert(name.to_owned(), labels);
        }
    }
    known
}

/// What a legend or a sentence names: `{{pool}}`, `{{ $labels.pool }}`.
fn named(text: &str) -> Vec<&str> {
    let inside = text.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap().trim());
    inside.map(|word| word.trim_start_matches("$labels.")).collect()
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

/// Every metric is there, has the labels that are asked of it, and leaves those that `said` names.
#[track_caller]
fn assert_known(of: &str, expression: &str, said: &[&str]) {
    let known = &*KNOWN;
    let mut all = BTreeSet::new();
    for (word, labels) in selectors(expression) {
        let has = known
            .get(word)
            .unwrap_or_else(|| panic!("{of} asks for {word}, which nobody tells: {expression}"));
        let unknown: Vec<_> = labels.iter().filter(|label| !has.contains(**label)).collect();
        assert!(unknown.is_empty(), "{of} asks for {unknown:?} of {word}, which has {has:?}: {expression}");
        all.extend(has.iter().map(String::as_str));
    }
    for label in [" by", " on", " ignoring", " without"].iter().flat_map(|word| lists(expression, word)) {
        assert!(all.contains(label), "{of} sums up by {label:?}, which nothing has: {expression}");
    }
    let left = labels(expression, known);
    for label in said.iter().flat_map(|text| named(text)) {
        assert!(left.contains(label), "{of} names {label:?}, which is not left of {expression}");
    }
}

/// Each query of a dashboard, and its legend.
fn targets(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            if let Some(query) = members.get("expr").and_then(Value::as_str) {
                let legend = members.get("legendFormat").and_then(Value::as_str).unwrap_or_default();
                found.push((query.to_owned(), legend.to_owned()));
            }
            members.values().for_each(|member| targets(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| targets(item, found)),
        _ => {}
    }
}

/// What a dashboard asks before all: `label_values(METRIC, LABEL)`.
#[track_caller]
fn assert_variable(of: &str, query: &str) {
    let inside = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    let (metric, label) =
        inside.and_then(|inside| inside.rsplit_once(',')).unwrap_or_else(|| panic!("{query}"));
    assert_known(of, metric, &[&format!("{{{{{}}}}}", label.trim())]);
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
        targets(&board, &mut found);
        assert!(found.len() > 5, "{name} asks for nothing");
        for (expression, legend) in &found {
            assert!(!words(expression).is_empty(), "{expression}");
            assert_known(&name, expression, &[legend]);
        }
        for variable in board["templating"]["list"].as_array().unwrap() {
            if variable["type"] == "query" {
                assert_variable(&name, text(&variable["query"], "query"));
            }
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
        if rule["record"].is_null() {
            let said = ["summary", "description"].map(|key| text(&rule["annotations"], key));
            assert_known(text(rule, "alert"), expression, &said);
            let name = text(rule, "alert");
            assert!(name.starts_with("Railcni"), "{name}");
            assert!(["critical", "warning", "info"].contains(&text(&rule["labels"], "severity")), "{name}");
            assert!(said.iter().all(|sentence| !sentence.is_empty()));
        } else {
            assert_known(text(rule, "record"), expression, &[]);
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
