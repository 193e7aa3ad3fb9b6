//! railctl as a runtime: which plugin is called when, and with what.

mod fake;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fake::{Fake, NETNS, fails, result, succeeds};
use serde_json::{Value, json};

#[test]
fn add_goes_forward_with_results_and_del_goes_back_with_the_last() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "b", "c"]);
    let printed = succeeds(&fake.railctl(&["attach", "net", NETNS]));
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), result("1.1.0", 3));

    let calls = fake.take_calls();
    assert_eq!(calls.iter().map(|call| call.what.as_str()).collect::<Vec<_>>(), ["ADD a", "ADD b", "ADD c"]);
    let previous: Vec<_> = calls.iter().map(|call| call.stdin.get("prevResult").cloned()).collect();
    assert_eq!(previous, [None, Some(result("1.1.0", 1)), Some(result("1.1.0", 2))]);
    assert!(calls.iter().all(|call| call.stdin["name"] == "net" && call.stdin["cniVersion"] == "1.1.0"));

    succeeds(&fake.railctl(&["check", "net", NETNS]));
    let checks = fake.take_calls();
    assert!(checks.iter().all(|call| call.stdin["prevResult"] == result("1.1.0", 3)));
    assert_eq!(
        checks.iter().map(|call| call.what.as_str()).collect::<Vec<_>>(),
        ["CHECK a", "CHECK b", "CHECK c"]
    );

    succeeds(&fake.railctl(&["detach", "net", NETNS]));
    let deletions = fake.take_calls();
    assert_eq!(
        deletions.iter().map(|call| call.what.as_str()).collect::<Vec<_>>(),
        ["DEL c", "DEL b", "DEL a"]
    );
    assert!(deletions.iter().all(|call| call.stdin["prevResult"] == result("1.1.0", 3)));
    assert!(fake.cached().is_empty());
}

#[test]
fn all_six_variables_are_set_even_when_empty() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a"]);
    succeeds(&fake.railctl(&[
        "attach",
        "net",
        NETNS,
        "--container-id",
        "pod",
        "-i",
        "eth7",
        "--args",
        "K=V;L=W",
    ]));
    succeeds(&fake.railctl(&["status", "net"]));
    let calls = fake.calls();
    let path = format!("CNI_PATH={}", fake.path("bin").display());
    let netns = format!("CNI_NETNS={NETNS}");
    let add =
        ["CNI_ARGS=K=V;L=W", "CNI_COMMAND=ADD", "CNI_CONTAINERID=pod", "CNI_IFNAME=eth7", &netns, &path];
    assert_eq!(calls[0].env, add);
    let status = ["CNI_ARGS=", "CNI_COMMAND=STATUS", "CNI_CONTAINERID=", "CNI_IFNAME=", "CNI_NETNS=", &path];
    assert_eq!(calls[1].env, status);
}

#[test]
fn the_cache_has_the_shape_of_libcni() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a"]);
    let capabilities = r#"{"mac":"c2:00:00:00:00:01"}"#;
    succeeds(&fake.railctl(&[
        "attach",
        "net",
        NETNS,
        "--container-id",
        "pod",
        "--cap-args",
        capabilities,
        "--args",
        "K=V",
    ]));
    assert_eq!(fake.cached(), ["net-pod-net1"]);
    let bytes = fs::read(fake.path("state/railctl/results/net-pod-net1")).unwrap();
    let mut cached: Value = serde_json::from_slice(&bytes).unwrap();
    let config = cached["config"].take();
    let expected = json!({
        "kind": "cniCacheV1", "containerId": "pod", "config": null, "ifName": "net1", "networkName": "net",
        "netns": NETNS, "cniArgs": [["K", "V"]], "capabilityArgs": {"mac": "c2:00:00:00:00:01"},
        "result": result("1.1.0", 1),
    });
    assert_eq!(cached, expected);
    assert!(config.as_str().unwrap().starts_with("ey"), "base64 of a JSON object: {config}");
}

#[test]
fn capability_arguments_go_to_plugins_that_ask() {
    let fake = Fake::new();
    let list = json!({ "cniVersion": "1.1.0", "name": "net", "plugins": [
        { "type": "a", "capabilities": { "mac": true, "ips": false } }, { "type": "b" },
    ]});
    fake.write("net.d/net.conflist", &list.to_string());
    let capabilities = r#"{"mac":"c2:00:00:00:00:01","ips":["10.0.0.9"]}"#;
    succeeds(&fake.railctl(&["attach", "net", NETNS, "--cap-args", capabilities]));
    // DEL gets what ADD got, from the command line as well as from a runtime's memory.
    succeeds(&fake.railctl(&["detach", "net", NETNS, "--cap-args", capabilities]));
    for call in fake.calls() {
        let expected = call.what.ends_with('a').then(|| json!({ "mac": "c2:00:00:00:00:01" }));
        assert_eq!(call.stdin.get("runtimeConfig").cloned(), expected, "{}", call.what);
    }
}

#[test]
fn a_failure_at_the_second_of_three_is_undone_by_del() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "b", "c"]);
    fake.fail("ADD", "b");
    let error = fails(&fake.railctl(&["attach", "net", NETNS]));
    assert!(error.contains("ADD of b failed as the test wants it"), "{error}");
    assert!(error.contains("is not attached; what had been done was undone by DEL"), "{error}");
    let calls = fake.take_calls();
    let order: Vec<_> = calls.iter().map(|call| call.what.as_str()).collect();
    assert_eq!(order, ["ADD a", "ADD b", "DEL c", "DEL b", "DEL a"]);
    assert!(calls[2..].iter().all(|call| call.stdin.get("prevResult").is_none()));
    assert!(fake.cached().is_empty());
}

#[test]
fn a_failure_of_both_names_both() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "b"]);
    fake.fail("ADD", "b");
    fake.fail("DEL", "b");
    let error = fails(&fake.railctl(&["attach", "net", NETNS]));
    assert!(error.contains("ADD of b failed") && error.contains("DEL of b failed"), "{error}");
}

#[test]
fn several_networks_are_named_in_order_and_taken_back_together() {
    let fake = Fake::new();
    fake.network("one", "1.1.0", &["a"]);
    fake.network("two", "1.1.0", &["b"]);
    fake.network("three", "1.1.0", &["c"]);
    let networks = ["attach", "one", "two", "three", NETNS];
    let printed = succeeds(&fake.railctl(&networks));
    let results: Vec<Value> = serde_json::from_str(&printed).unwrap();
    assert_eq!(results, [1, 2, 3].map(|host| result("1.1.0", host)));
    let ifnames: Vec<_> = fake.take_calls().iter().map(|call| call.env[3].clone()).collect();
    assert_eq!(ifnames, ["CNI_IFNAME=net1", "CNI_IFNAME=net2", "CNI_IFNAME=net3"]);

    succeeds(&fake.railctl(&["detach", "one", "two", "three", NETNS]));
    assert_eq!(fake.order(), ["DEL c", "DEL b", "DEL a"]);

    fake.fail("ADD", "c");
    let error = fails(&fake.railctl(&networks));
    assert!(error.contains("nothing is attached: the 2 before were detached again"), "{error}");
    assert_eq!(fake.order(), ["ADD a", "ADD b", "ADD c", "DEL c", "DEL b", "DEL a"]);
    assert!(fake.cached().is_empty());
}

#[test]
fn a_config_error_in_one_network_attaches_none() {
    let fake = Fake::new();
    fake.network("one", "1.1.0", &["a"]);
    let error = fails(&fake.railctl(&["attach", "one", "missing", NETNS]));
    assert!(error.contains("no network \"missing\" is configured in"), "{error}");
    let error = fails(&fake.railctl(&["attach", "one", "one", NETNS, "-i", "net1"]));
    assert!(error.contains("2 networks and 1 interface names"), "{error}");
    let error = fails(&fake.railctl(&["attach", "one", "./not-a-namespace"]));
    assert!(error.contains("no network namespace to attach to"), "{error}");
    assert!(fake.calls().is_empty());
}

#[test]
fn a_failing_del_stops_and_keeps_the_cache() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "b", "c"]);
    succeeds(&fake.railctl(&["attach", "net", NETNS]));
    fake.take_calls();
    fake.fail("DEL", "b");
    let error = fails(&fake.railctl(&["detach", "net", NETNS]));
    assert!(error.contains("DEL of b failed"), "{error}");
    assert_eq!(fake.order(), ["DEL c", "DEL b"]);
    fs::remove_file(fake.path("fail-DEL-b")).unwrap();
    succeeds(&fake.railctl(&["detach", "net", NETNS]));
    assert!(fake.calls().iter().all(|call| call.stdin["prevResult"] == result("1.1.0", 3)));
}

#[test]
fn a_damaged_cache_does_not_hold_a_container_back() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a"]);
    succeeds(&fake.railctl(&["attach", "net", NETNS, "--container-id", "pod"]));
    fake.write("state/railctl/results/net-pod-net1", "");
    fake.take_calls();
    fails(&fake.railctl(&["check", "net", NETNS, "--container-id", "pod"]));
    assert!(fake.calls().is_empty());
    succeeds(&fake.railctl(&["detach", "net", NETNS, "--container-id", "pod"]));
    assert!(fake.take_calls()[0].stdin.get("prevResult").is_none());
    assert!(fake.cached().is_empty());
}

#[test]
fn a_network_whose_config_is_gone_is_detached_from_memory() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "b"]);
    succeeds(&fake.railctl(&["attach", "net", NETNS]));
    fs::remove_file(fake.path("net.d/net.conflist")).unwrap();
    fake.take_calls();
    succeeds(&fake.railctl(&["detach", "net", NETNS]));
    assert_eq!(fake.order(), ["DEL b", "DEL a"]);
    fails(&fake.railctl(&["detach", "net", NETNS]));
}

#[test]
fn versions_decide_which_verbs_there_are() {
    let fake = Fake::new();
    for version in ["0.3.1", "1.0.0"] {
        fake.network("net", version, &["a"]);
        fake.answer_in(version);
        succeeds(&fake.railctl(&["attach", "net", NETNS]));
        fake.take_calls();
        let text = succeeds(&fake.railctl(&["status", "net"]));
        assert!(text.contains("has no STATUS"), "{text}");
        let checked = fake.railctl(&["check", "net", NETNS]);
        if version == "0.3.1" {
            fails(&checked)
        } else {
            succeeds(&checked)
        };
        succeeds(&fake.railctl(&["detach", "net", NETNS]));
        let with_result = fake.take_calls().last().unwrap().stdin.get("prevResult").is_some();
        assert_eq!(with_result, version == "1.0.0");
    }
}

#[test]
fn disabled_verbs_call_nobody() {
    let fake = Fake::new();
    let list = json!({ "cniVersion": "1.1.0", "name": "net", "disableCheck": true, "disableGC": true,
                       "plugins": [{ "type": "a" }] });
    fake.write("net.d/net.conflist", &list.to_string());
    succeeds(&fake.railctl(&["check", "net", NETNS]));
    succeeds(&fake.railctl(&["gc", "net"]));
    succeeds(&fake.railctl(&["gc", "net", "--all"]));
    assert!(fake.calls().is_empty());
}

#[test]
fn gc_keeps_living_namespaces_and_releases_the_rest() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "b"]);
    succeeds(&fake.railctl(&["attach", "net", NETNS, "--container-id", "living"]));
    succeeds(&fake.railctl(&["attach", "net", NETNS, "--container-id", "dead"]));
    let path = fake.path("state/railctl/results/net-dead-net1");
    let text = fs::read_to_string(&path).unwrap().replace(NETNS, "/run/netns/gone");
    fake.write("state/railctl/results/net-dead-net1", &text);
    fake.take_calls();

    succeeds(&fake.railctl(&["gc", "net"]));
    let calls = fake.take_calls();
    assert_eq!(
        calls.iter().map(|call| call.what.as_str()).collect::<Vec<_>>(),
        ["DEL b", "DEL a", "GC a", "GC b"]
    );
    assert!(calls[..2].iter().all(|call| call.env.contains(&"CNI_CONTAINERID=dead".to_owned())));
    let valid = json!([{ "containerID": "living", "ifname": "net1" }]);
    for call in &calls[2..] {
        assert_eq!(
            (&call.stdin["cni.dev/valid-attachments"], &call.stdin["cni.dev/attachments"]),
            (&valid, &valid)
        );
    }
    assert_eq!(fake.cached(), ["net-living-net1"]);

    succeeds(&fake.railctl(&["gc", "net", "--all"]));
    let calls = fake.take_calls();
    assert_eq!(
        calls.iter().map(|call| call.what.as_str()).collect::<Vec<_>>(),
        ["DEL b", "DEL a", "GC a", "GC b"]
    );
    assert_eq!(calls[2].stdin["cni.dev/valid-attachments"], json!([]));
    assert!(fake.cached().is_empty());
}

/// The list of the beginning lacks what any runtime attaches while DELs run.
#[test]
fn gc_keeps_what_is_attached_while_it_works() {
    for all in [false, true] {
        let fake = Fake::new();
        fake.network("net", "1.1.0", &["a"]);
        succeeds(&fake.railctl(&["attach", "net", NETNS, "--container-id", "dead"]));
        let path = fake.path("state/railctl/results/net-dead-net1");
        let text = fs::read_to_string(&path).unwrap().replace(NETNS, "/run/netns/gone");
        fake.write("state/railctl/results/net-dead-net1", &text);
        // As its record lies there when another runtime's ADD has ended.
        fake.write("bin/b", "");
        fs::rename(fake.path("bin/a"), fake.path("bin/b")).unwrap();
        let folder = fake.path("state/attachments/net");
        let meanwhile = format!(
            "#!/bin/sh\nset -e\n[ \"$CNI_COMMAND\" != DEL ] || {{ mkdir -p {0}; echo >{0}/new,macvlan,net1; }}\nexec ${{0%/*}}/b\n",
            folder.display()
        );
        let plugin = fake.write("bin/a", &meanwhile);
        fs::set_permissions(plugin, fs::Permissions::from_mode(0o755)).unwrap();
        fake.take_calls();
        let args = ["gc", "net", "--all"];
        succeeds(&fake.railctl(&args[..if all { 3 } else { 2 }]));
        let calls = fake.take_calls();
        let gc = calls.last().unwrap();
        assert!(gc.what.starts_with("GC"), "{}", gc.what);
        assert_eq!(
            gc.stdin["cni.dev/valid-attachments"],
            json!([{ "containerID": "new", "ifname": "net1" }])
        );
    }
}

#[test]
fn gc_goes_on_after_a_failure_and_tells_all() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "b"]);
    fake.fail("GC", "a");
    fake.fail("GC", "b");
    let error = fails(&fake.railctl(&["gc", "net"]));
    assert!(error.contains("GC of a failed") && error.contains("GC of b failed"), "{error}");
}

#[test]
fn status_stops_at_the_first_that_is_not_ready() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "b"]);
    fake.fail("STATUS", "a");
    fails(&fake.railctl(&["status", "net"]));
    assert_eq!(fake.order(), ["STATUS a"]);
}

#[test]
fn a_plugin_that_is_not_installed_is_named() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a", "missing"]);
    let error = fails(&fake.railctl(&["attach", "net", NETNS]));
    assert!(error.contains("missing"), "{error}");
}

/// A DEL after the second ADD would have taken away what the first had made.
#[test]
fn what_is_attached_is_not_attached_again_and_stays() {
    let fake = Fake::new();
    fake.network("one", "1.1.0", &["a"]);
    fake.network("two", "1.1.0", &["b"]);
    succeeds(&fake.railctl(&["attach", "one", NETNS]));
    fake.take_calls();
    for networks in [["attach", "one", NETNS].as_slice(), &["attach", "two", "one", NETNS, "-i", "net2,net1"]]
    {
        let error = fails(&fake.railctl(networks));
        assert!(
            error.contains("\"one\" is attached to cnitool-") && error.contains("nothing was changed"),
            "{error}"
        );
        assert!(!error.contains("undone"), "{error}");
    }
    let error = fails(&fake.railctl(&["attach", "two", NETNS, "-i", "lo"]));
    assert!(error.contains("has an interface lo already"), "{error}");
    assert!(fake.calls().is_empty());
    assert_eq!(fake.cached().len(), 1);
}

#[test]
fn detach_and_check_take_the_interface_that_the_network_has() {
    let fake = Fake::new();
    fake.network("one", "1.1.0", &["a"]);
    fake.network("two", "1.1.0", &["b"]);
    succeeds(&fake.railctl(&["attach", "one", "two", NETNS]));
    fake.take_calls();
    succeeds(&fake.railctl(&["check", "two", NETNS]));
    succeeds(&fake.railctl(&["detach", "two", NETNS]));
    for call in fake.take_calls() {
        assert!(call.env.contains(&"CNI_IFNAME=net2".to_owned()), "{}: {:?}", call.what, call.env);
    }
    assert!(fake.cached()[0].starts_with("one-"), "{:?}", fake.cached());
    succeeds(&fake.railctl(&["attach", "one", NETNS, "-i", "net7"]));
    let error = fails(&fake.railctl(&["detach", "one", NETNS]));
    assert!(error.contains("net1 and net7") && error.contains("-i"), "{error}");
    succeeds(&fake.railctl(&["detach", "one", NETNS, "-i", "net7"]));
    succeeds(&fake.railctl(&["detach", "one", NETNS]));
    assert!(fake.cached().is_empty());
}

#[test]
fn what_is_not_attached_is_said_and_called_by_nobody() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a"]);
    assert!(succeeds(&fake.railctl(&["detach", "net", NETNS])).contains("net (net1) was not attached"));
    let error = fails(&fake.railctl(&["check", "net", NETNS]));
    assert!(error.contains("is not attached to cnitool-"), "{error}");
    let gone = fake.railctl(&["detach", "net", "/run/netns/no-such-pod"]);
    succeeds(&gone);
    let said = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(said.contains("no pod is at /run/netns/no-such-pod"), "{said}");
    assert!(fake.calls().is_empty());
    // Who names the interface may clear up after another runtime.
    succeeds(&fake.railctl(&["detach", "net", NETNS, "-i", "net1"]));
    assert_eq!(fake.order(), ["DEL a"]);
}

#[test]
fn what_was_asked_for_in_vain_is_said() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a"]);
    for (option, value, expected) in [
        ("--cap-args", r#"{"ips":["10.0.0.9/24"]}"#, "no plugin of the network has the capability \"ips\""),
        (
            "--cap-args",
            r#"{"ips":["10.0.0.9/24"]}"#,
            "--cap-args ips asks for 10.0.0.9, and the network gave 10.0.0.1",
        ),
        (
            "--args",
            "IgnoreUnknown=1;IP=10.0.0.9",
            "--args IP asks for 10.0.0.9, and the network gave 10.0.0.1",
        ),
    ] {
        let attached = fake.railctl(&["attach", "net", NETNS, option, value]);
        succeeds(&attached);
        let said = String::from_utf8_lossy(&attached.stderr).into_owned();
        assert!(said.contains(expected), "{said}");
        succeeds(&fake.railctl(&["detach", "net", NETNS]));
    }
    let attached = fake.railctl(&["attach", "net", NETNS, "--args", "IgnoreUnknown=1;IP=10.0.0.1"]);
    succeeds(&attached);
    assert_eq!(String::from_utf8_lossy(&attached.stderr), "");
}

/// Who may not read something is told so, and never that it is damaged.
#[test]
fn what_may_not_be_read_is_not_called_damaged() {
    let fake = Fake::new();
    fs::create_dir_all(fake.path("state/attachments")).unwrap();
    // Others can come to the program, and not to the state.
    fs::set_permissions(fake.path("state"), fs::Permissions::from_mode(0o700)).unwrap();
    let public = tempfile::tempdir().unwrap();
    fs::set_permissions(public.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let railctl = public.path().join("railctl");
    fs::copy(env!("CARGO_BIN_EXE_railctl"), &railctl).unwrap();
    for words in [["show"].as_slice(), &["pools"], &["quarantine"], &["gc", "--dry-run"]] {
        let mut command = fake.command(Path::new("setpriv"));
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&railctl).args(words);
        let error = fails(&command.output().unwrap());
        assert!(error.contains("EACCES") || error.contains("as root"), "{words:?}: {error}");
        assert!(!error.contains("damaged") && !error.contains("aside"), "{words:?}: {error}");
    }
}

/// Whatever a plugin says, it does not tell the terminal what to do.
#[test]
fn what_plugins_say_is_escaped() {
    let fake = Fake::new();
    fake.network("net", "1.1.0", &["a"]);
    fake.write("fail-ADD-a", "{\"code\":7,\"msg\":\"\\u001b[2J\\u009b1m\u{202e}\\u007f\"}");
    let error = fails(&fake.railctl(&["attach", "net", NETNS]));
    assert!(error.contains("\\u001b[2J\\u009b1m\\u202e\\u007f"), "{error:?}");
    assert!(!error.contains(|c: char| c != '\n' && c.is_control()), "{error:?}");
}
