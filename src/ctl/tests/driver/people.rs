//! What a person may ask for: several networks, the wrong ones, and what is in the way.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::fake::{Fake, NETNS, fails, result, succeeds};

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
    assert!(
        error.contains("there is no network namespace ") && error.contains("give the path of one"),
        "{error}"
    );
    let error = fails(&fake.railctl(&["attach", "one", "nopod"]));
    assert!(
        error.contains("no network namespace /run/netns/nopod") && error.contains("`ip netns add nopod`"),
        "{error}"
    );
    let page = fake.write("README.md", "").display().to_string();
    for word in [page.as_str(), "README.md"] {
        let mut command = fake.command(Path::new(env!("CARGO_BIN_EXE_railctl")));
        let output = command.current_dir(fake.path("")).args(["attach", word, NETNS]).output().unwrap();
        assert!(fails(&output).contains("conflist"), "{word}: {}", fails(&output));
    }
    assert!(fake.calls().is_empty());
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
        assert!(error.contains("as root"), "{words:?}: {error}");
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
