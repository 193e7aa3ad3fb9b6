//! GC of networks: who is kept, and what becomes of the rest.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::fake::{Fake, NETNS, fails, succeeds};

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
