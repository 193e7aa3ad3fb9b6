//! Dashboards and rules of the chart: Grafana and Prometheus get them as they stand, and Prometheus's own tool takes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{chart, helm, objects};

fn files() -> PathBuf {
    chart().join("files/monitoring")
}

fn boards() -> Vec<(String, Value)> {
    let entries = fs::read_dir(files().join("dashboards")).unwrap();
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
    };
    entries.map(read).collect()
}

fn rendered(metrics: &Value) -> Vec<Value> {
    objects(&helm().template(&["--set-json", &format!("metrics={metrics}")]).unwrap())
}

#[test]
fn each_dashboard_is_a_config_map_as_its_file_says() {
    let all = rendered(&json!({"enabled": true, "dashboards": {"enabled": true}}));
    let boards = boards();
    assert_eq!(boards.len(), 4);
    let mut bytes = 0;
    for (name, board) in boards {
        let wanted = json!(format!("railcni-dashboard-{}", name.trim_end_matches(".json")));
        let map = all.iter().find(|object| object["metadata"]["name"] == wanted).unwrap();
        assert_eq!(map["metadata"]["labels"], json!({"grafana_dashboard": "1"}));
        let text = map["data"][format!("railcni-{name}")].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), board, "{name}");
        bytes += text.len();
    }
    assert!(bytes < 512 << 10, "a release has room for a MiB in all, and they are {bytes} bytes");
}

#[test]
fn the_rules_are_a_prometheus_rule_as_their_file_says() {
    let all = rendered(&json!({"enabled": true, "rules": {"enabled": true}}));
    let rule = all.iter().find(|object| object["kind"] == "PrometheusRule").unwrap();
    let file = &objects(&fs::read_to_string(files().join("rules.yaml")).unwrap())[0];
    assert_eq!(&rule["spec"], file, "what looks like a template in them is Prometheus's");
    assert!(rule["metadata"].get("labels").is_none());
}

/// Else a rail's `namespace` and `pod` would be those of the agent, and its own `exported_`.
#[test]
fn the_labels_of_a_rail_win_over_those_of_the_agent() {
    let all = rendered(&json!({"enabled": true, "serviceMonitor": {"enabled": true}}));
    let monitor = all.iter().find(|object| object["kind"] == "ServiceMonitor").unwrap();
    assert_eq!(monitor["spec"]["endpoints"][0]["honorLabels"], true);
}

/// Debian's, extracted into the VM lab's cache.
fn promtool(dir: &Path, args: &[&str]) {
    let program = vm::promtool().expect("promtool from Debian's package prometheus");
    let output = Command::new(program).args(args).current_dir(dir).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn prometheus_takes_the_rules_and_they_say_what_they_are_to_say() {
    let dir = tempfile::tempdir().unwrap();
    let copy = |from: PathBuf, name: &str| fs::copy(from, dir.path().join(name)).unwrap();
    copy(files().join("rules.yaml"), "rules.yaml");
    copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chart/rules.test.yaml"), "rules.test.yaml");
    promtool(dir.path(), &["check", "rules", "rules.yaml"]);
    promtool(dir.path(), &["test", "rules", "rules.test.yaml"]);
}

/// As Grafana sends them: a rule of its own each.
#[test]
fn prometheus_takes_every_query_of_a_dashboard() {
    let mut rules = Vec::new();
    for (_, board) in boards() {
        for query in queries(&board) {
            let query = query.replace("$__rate_interval", "2m").replace("$__range", "1h");
            rules.push(json!({"record": format!("query:{}", rules.len()), "expr": query}));
        }
    }
    assert!(rules.len() > 50, "{} queries", rules.len());
    let dir = tempfile::tempdir().unwrap();
    // YAML takes JSON.
    let groups = json!({"groups": [{"name": "queries", "rules": rules}]});
    state::file::replace(&dir.path().join("queries.yaml"), groups.to_string().as_bytes()).unwrap();
    promtool(dir.path(), &["check", "rules", "--lint=none", "queries.yaml"]);
}

fn queries(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let own = members.get("expr").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(members.values().flat_map(queries)).collect()
        }
        Value::Array(items) => items.iter().flat_map(queries).collect(),
        _ => Vec::new(),
    }
}
