//! railctl behaves as its users expect of kubectl and ip: formats, exit codes, one error, nothing done on a dry run.
#![allow(clippy::unwrap_used, reason = "a test that cannot do its work panics")]

mod fake;

use std::process::{Command, Output};

use fake::{Fake, NETNS, fails, succeeds};
use serde_json::{Value, json};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn version_names_release_commit_and_target() {
    let fake = Fake::new();
    let build = json(&succeeds(&fake.railctl(&["version", "-o", "json"])));
    assert_eq!(build["release"], env!("CARGO_PKG_VERSION"));
    assert_eq!(build["cniVersions"][6], "1.1.0");
    let target = build["target"].as_str().unwrap();
    let line = format!(
        "railctl {} (commit {}, {target})\n",
        env!("CARGO_PKG_VERSION"),
        build["commit"].as_str().unwrap()
    );
    for words in [&["version"][..], &["--version"]] {
        assert_eq!(succeeds(&fake.railctl(words)), line);
    }
}

#[test]
fn a_dry_run_says_what_would_be_called_and_calls_nobody() {
    let fake = Fake::new();
    fake.network("one", "1.1.0", &["a", "b"]);
    fake.network("two", "1.1.0", &["c"]);
    let words = ["attach", "one", "two", NETNS, "--container-id", "pod", "--dry-run"];
    let planned = json(&succeeds(&fake.railctl(&words)));
    let plugin = |name: &str| fake.path("bin").join(name).display().to_string();
    assert_eq!(
        planned[0],
        json!({ "network": "one", "ifname": "net1", "containerId": "pod", "netns": NETNS, "plugins": [plugin("a"), plugin("b")] })
    );
    assert_eq!((&planned[1]["ifname"], &planned[1]["plugins"]), (&json!("net2"), &json!([plugin("c")])));
    assert!(fake.calls().is_empty() && fake.cached().is_empty());
    // What an attach would refuse is refused.
    fails(&fake.railctl(&["attach", "one", NETNS, "-i", "lo", "--dry-run"]));
    fake.network("three", "1.1.0", &["missing"]);
    assert!(fails(&fake.railctl(&["attach", "three", NETNS, "--dry-run"])).contains("missing"));
}

#[test]
fn outcomes_come_as_json_and_yaml_too() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a"]);
    succeeds(&fake.railctl(&["attach", "net", NETNS]));
    let expected = |verb: &str, outcome: &str| {
        let told = json(&succeeds(&fake.railctl(&[verb, "net", NETNS, "-o", "json"])));
        assert_eq!(told, json!([{ "name": "net (net1)", "ok": true, "outcome": outcome }]));
    };
    expected("check", "is as it was made");
    expected("detach", "detached");
    assert_eq!(
        succeeds(&fake.railctl(&["status", "net", "-o", "yaml"])),
        "- name: net\n  ok: true\n  outcome: \"is ready\"\n"
    );
    // What was not looked at is no success.
    fake.network("old", "1.0.0", &["a"]);
    let said = succeeds(&fake.railctl(&["status", "old"]));
    assert!(said.starts_with("! old has a cniVersion before 1.1.0"), "{said}");
    assert_eq!(json(&succeeds(&fake.railctl(&["status", "old", "-o", "json"])))[0]["skipped"], true);
    fake.fail("GC", "a");
    let failed = fake.railctl(&["gc", "net", "-o", "json"]);
    assert_eq!(failed.status.code(), Some(1));
    let told = json(&String::from_utf8_lossy(&failed.stdout));
    assert!(
        told[0]["ok"] == false && told[0]["error"].as_str().unwrap().contains("GC of a failed"),
        "{told}"
    );
}

#[test]
fn a_difference_is_exit_code_3_for_who_asks_for_it() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a"]);
    let check = |more: &[&str]| fake.railctl(&[&["check", "net", NETNS], more].concat());
    // Nothing to compare with.
    assert_eq!(check(&["--exit-code"]).status.code(), Some(1));
    succeeds(&fake.railctl(&["attach", "net", NETNS]));
    assert_eq!(check(&["--exit-code"]).status.code(), Some(0));
    fake.fail("CHECK", "a");
    assert_eq!(check(&[]).status.code(), Some(1));
    let differs = check(&["--exit-code"]);
    assert_eq!(differs.status.code(), Some(3));
    assert_eq!(said(&differs).matches("CHECK of a failed").count(), 1, "{}", said(&differs));
    assert_eq!(fake.railctl(&["chek"]).status.code(), Some(2));
}

#[test]
fn each_difference_that_check_found_is_a_line() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a"]);
    succeeds(&fake.railctl(&["attach", "net", NETNS]));
    let found = ["net3: rule 10103: from 172.16.13.1 lookup 103 is missing", "net5: it is down"];
    let msg = format!("net1 is not as ADD left it, in 2 ways: {}", found.join("; "));
    fake.write("fail-CHECK-a", &json!({ "code": 999, "msg": msg }).to_string());
    for more in [&[][..], &["--exit-code"]] {
        let text = said(&fake.railctl(&[&["check", "net", NETNS], more].concat()));
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[0].ends_with("CHECK of plugin \"a\": net1 is not as ADD left it, in 2 ways:"),
            "{text}"
        );
        assert_eq!(lines[1..], found.map(|line| format!("  {line}")), "{text}");
    }
    let output = fake.railctl(&["check", "net", NETNS, "-o", "json"]);
    let told = json(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(told[0]["differences"], json!(found));
    assert!(told[0]["error"].as_str().unwrap().contains("in 2 ways: net3: rule"), "{told}");
}

/// The cure that an exhausted pool names, typed without its option.
#[test]
fn gc_of_nothing_says_what_there_is_to_say() {
    let gc = Fake::new().railctl(&["gc"]);
    assert_eq!(gc.status.code(), Some(2));
    for words in ["name a network", "--dry-run", "--apply"] {
        assert!(said(&gc).contains(words), "{}", said(&gc));
    }
}

/// A plugin logs its error and prints it; people read it once.
#[test]
fn an_error_is_told_once_and_the_log_with_v() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a"]);
    let log =
        |level: &str, text: &str| format!("echo 'time=\"2026\" level=\"{level}\" msg=\"{text}\"' >&2\n");
    let fails_loudly = format!(
        "#!/bin/sh\n{}{}{}echo '{{\"code\":7,\"msg\":\"no such NIC\"}}'\nexit 1\n",
        log("info", "noted"),
        log("warning", "beware"),
        log("error", "no such NIC")
    );
    fake.write("bin/a", &fails_loudly);
    let quiet = fails(&fake.railctl(&["status", "net"]));
    assert_eq!(quiet.matches("no such NIC").count(), 1, "{quiet}");
    assert!(quiet.contains("beware") && !quiet.contains("noted"), "{quiet}");
    let loud = fails(&fake.railctl(&["status", "net", "-v"]));
    assert_eq!(loud.matches("no such NIC").count(), 2, "{loud}");
    assert!(loud.contains("beware") && loud.contains("noted"), "{loud}");
}

#[test]
fn a_plugin_beside_railctl_is_found_and_a_missing_one_tells_its_cure() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["macvlan"]);
    let railctl = fake.path("railctl");
    std::fs::copy(env!("CARGO_BIN_EXE_railctl"), &railctl).unwrap();
    let status = || fake.command(&railctl).args(["status", "net"]).output().unwrap();
    let missing = fails(&status());
    assert!(missing.contains("\"macvlan\"") && missing.contains("make install"), "{missing}");
    std::fs::copy(fake.path("bin/a"), fake.path("macvlan")).unwrap();
    succeeds(&status());
    assert_eq!(fake.order(), ["STATUS macvlan"]);
}

#[test]
fn tables_come_without_headings_and_wider() {
    let fake = Fake::new();
    fake.write("pools.yaml", "");
    let config = fake.path("config");
    std::fs::create_dir_all(config.join("pools.d")).unwrap();
    fake.write(
        "config/pools.d/p.yaml",
        "apiVersion: spiderpool.spidernet.io/v2beta1\nkind: SpiderIPPool\nmetadata: {name: rail}\nspec: {subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.4]}\n",
    );
    let pools = |more: &[&str]| {
        let mut command: Command = fake.command(std::path::Path::new(env!("CARGO_BIN_EXE_railctl")));
        command.arg("pools").args(more).env("RAILCNI_CONFIG_DIR", &config);
        succeeds(&command.output().unwrap())
    };
    assert!(pools(&[]).starts_with("POOL"));
    assert!(pools(&["-o", "wide"]).starts_with("POOL"));
    let line = pools(&["--no-headers"]);
    assert_eq!(line.split_whitespace().take(3).collect::<Vec<_>>(), ["rail", "10.0.0.0/24", "3"]);
    assert_eq!(line.lines().count(), 1);
}

#[test]
fn pools_that_no_attach_here_gets_an_address_of_say_so() {
    let fake = Fake::new();
    let config = fake.path("config");
    std::fs::create_dir_all(config.join("pools.d")).unwrap();
    let pools = |text: &str| {
        fake.write("config/pools.d/p.yaml", text);
        let mut command: Command = fake.command(std::path::Path::new(env!("CARGO_BIN_EXE_railctl")));
        command
            .arg("pools")
            .env("RAILCNI_CONFIG_DIR", &config)
            .env("RAILCNI_DURABLE_DIR", fake.path("durable"));
        command.env("NODE_NAME", "here").output().unwrap()
    };
    let pool = |name: &str, spec: &str| {
        format!(
            "apiVersion: spiderpool.spidernet.io/v2beta1\nkind: SpiderIPPool\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n---\n"
        )
    };
    let ips = "subnet: 10.0.0.0/24, ips: [10.0.0.2-10.0.0.4]";
    let all = [
        pool("own", &format!("{ips}, nodeName: [here]")),
        pool("other", "subnet: 10.1.0.0/24, ips: [10.1.0.2], nodeName: [node1]"),
        pool("bare", "subnet: 10.2.0.0/24"),
    ];
    let output = pools(&all.concat());
    let (table, warned) = (succeeds(&output), said(&output));
    let row = |name: &str| {
        table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {table}{warned}"))
    };
    assert!(row("other").ends_with("not of this node: of node1"), "{table}");
    assert!(
        row("bare").ends_with("it lists no ips")
            && warned.contains("bare offers no address: it lists no ips"),
        "{table}{warned}"
    );
    assert!(row("own").ends_with('0'), "{table}");

    let refused = pools(&pool("own", "subnet: 10.0.0.0/99"));
    assert!(succeeds(&refused).contains("can be used: 1 are refused"), "{}", succeeds(&refused));
}

#[test]
fn gc_tells_programs_too_what_it_judged() {
    let fake = Fake::new();
    let said = succeeds(&fake.railctl(&["gc", "--dry-run", "--whole-node", "-o", "json"]));
    let told = json(&said);
    assert_eq!(
        (&told["judged"], &told["leftOver"], &told["applied"]),
        (&json!([]), &json!(0), &json!(false)),
        "{told}"
    );
}

#[test]
fn every_command_has_a_manual_page() {
    let fake = Fake::new();
    let pages = tempfile::tempdir().unwrap();
    succeeds(&fake.railctl(&["man", &pages.path().display().to_string()]));
    let page = |name: &str| std::fs::read_to_string(pages.path().join(name)).unwrap();
    assert!(page("railctl.8").contains("railctl\\-attach(8)"));
    assert!(page("railctl-attach.8").contains("\\-\\-dry\\-run"));
    assert!(page("railctl-node-init.8").contains("\\-\\-root"));
    assert!(page("railctl.8").contains("railctl\\-man(8)"));
}

/// One that its runtime has attached, as libcni keeps it.
fn cached(fake: &Fake, network: &str, pod: &str) {
    let (namespace, name) = pod.split_once('/').unwrap();
    let config = json!({ "cniVersion": "1.1.0", "name": network, "plugins": [{ "type": "a" }] }).to_string();
    std::fs::create_dir_all(fake.path("peers/results")).unwrap();
    let entry = json!({
        "kind": "cniCacheV1", "containerId": "sandbox", "config": base64(&config), "ifName": "net7",
        "networkName": network, "netns": NETNS, "result": fake::result("1.1.0", 1),
        "cniArgs": [["K8S_POD_NAMESPACE", namespace], ["K8S_POD_NAME", name]],
    });
    fake.write(&format!("peers/results/{network}-sandbox-net7"), &entry.to_string());
}

fn base64(text: &str) -> String {
    let output =
        Command::new("sh").args(["-c", &format!("printf %s '{text}' | base64 -w 0")]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn on_node(fake: &Fake, args: &[&str]) -> Command {
    let mut command = fake.command(std::path::Path::new(env!("CARGO_BIN_EXE_railctl")));
    command.args(args).env("RAILCNI_PEER_DIR", fake.path("peers"));
    command
}

#[test]
fn a_pod_is_called_as_kubernetes_calls_it() {
    let fake = Fake::new();
    cached(&fake, "rail1", "rails/train-0");
    // The config is that of the attach: Multus has it from the API server, and no file does.
    let checked = on_node(&fake, &["check", "rail1", "rails/train-0"]).output().unwrap();
    assert_eq!(succeeds(&checked), "✓ rail1 (net7) is as it was made\n");
    let calls = fake.take_calls();
    let [call] = &calls[..] else { panic!("{calls:?}") };
    assert!(
        call.env.contains(&"CNI_CONTAINERID=sandbox".to_owned())
            && call.env.contains(&"CNI_IFNAME=net7".to_owned())
    );
    assert_eq!(call.stdin["prevResult"]["ips"][0]["address"], "10.0.0.1/24");
    let unknown = on_node(&fake, &["check", "rail1", "rails/train-1"]).output().unwrap();
    assert!(fails(&unknown).contains("no pod is at"), "{}", said(&unknown));
}

/// What each shell asks railctl, and has from it, when the cursor is behind these words and a blank.
const SHELLS: [(&str, &str); 3] = [
    (
        "bash",
        "source <(railctl completion bash); COMP_WORDS=(\"$@\" ''); COMP_CWORD=$#; COMP_TYPE=9\n\
         _clap_complete_railctl railctl '' \"${!#}\"; printf '%s\\n' \"${COMPREPLY[@]}\"",
    ),
    (
        "zsh",
        "compdef() { : }; _describe() { print -l -- \"${(@P)3}\" }; source <(railctl completion zsh)\n\
         words=(\"$@\" ''); CURRENT=$#words; _clap_dynamic_completer_railctl",
    ),
    ("fish", "railctl completion fish | source; complete -C \"$argv \""),
];

#[test]
fn a_shell_is_offered_networks_and_pods() {
    let fake = Fake::new();
    fake.network("rail1", "1.1.0", &["a"]);
    fake.network("rail2", "1.1.0", &["a"]);
    cached(&fake, "rail1", "rails/train-0");
    let railctl = std::path::Path::new(env!("CARGO_BIN_EXE_railctl"));
    let path = format!("{}:{}", railctl.parent().unwrap().display(), std::env::var("PATH").unwrap());
    for (shell, script) in SHELLS {
        let offered = |words: &[&str]| {
            let mut command = fake.command(std::path::Path::new(shell));
            command.env("PATH", &path).env("RAILCNI_PEER_DIR", fake.path("peers")).args(["-c", script]);
            // fish has its arguments from the first one on.
            let name = if shell == "fish" { None } else { Some(shell) };
            let output = command.args(name).args(words).output();
            let output = output.unwrap_or_else(|error| panic!("{shell}: {error}: make setup installs it"));
            let said = succeeds(&output);
            // zsh and fish show what each is for.
            let names =
                said.lines().map(|line| line.split(['\t', ':']).next().unwrap_or_default().to_owned());
            names.collect::<Vec<_>>()
        };
        let has = |words: &[&str], name: &str| offered(words).iter().any(|one| one == name);
        let networks = offered(&["railctl", "attach"]);
        let has_both = networks.contains(&"rail1".into()) && networks.contains(&"rail2".into());
        assert!(has_both, "{shell}: {networks:?}");
        assert!(!has(&["railctl", "explain"], "rails/train-0"), "{shell}: that is no network");
        let pods = offered(&["railctl", "check", "rail1"]);
        assert!(pods.contains(&"rails/train-0".into()), "{shell}: {pods:?}");
        assert!(has(&["railctl", "show"], "rails/train-0"), "{shell}");
        assert!(has(&["railctl"], "attach") && has(&["railctl", "explain"], "rail2"), "{shell}");
    }
}

#[test]
fn a_chain_is_explained_with_what_this_machine_has_of_it() {
    let fake = Fake::new();
    fake.write(
        "net.d/chain.conflist",
        r#"{"cniVersion":"1.1.0","name":"chain","plugins":[{"type":"macvlan","master":"no-such-nic"},{"type":"coordinator"}]}"#,
    );
    let text = succeeds(&fake.railctl(&["explain", "chain"]));
    for line in [
        "1. macvlan\n",
        "2. coordinator\n",
        "on this machine, now\n  net1: an ADD would fail: master \"no-such-nic\"",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    let told = json(&succeeds(&fake.railctl(&["explain", "chain", "-o", "json"])));
    assert_eq!((&told[0]["network"], &told[0]["steps"][0]["title"]), (&json!("chain"), &json!("1. macvlan")));
}

/// As long as anybody reads.
#[test]
fn show_goes_on_until_nobody_reads() {
    use std::io::{BufRead as _, BufReader};
    let fake = Fake::new();
    let mut child =
        on_node(&fake, &["show", "--watch"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "no attachment is on record");
    assert!(child.try_wait().unwrap().is_none(), "it ended though it is to watch");
    drop(lines);
    let ended = testkit::eventually(std::time::Duration::from_secs(30), || child.try_wait().unwrap());
    assert!(ended.expect("it ends").success());
}
