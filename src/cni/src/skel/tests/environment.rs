use super::*;
use crate::code;

#[test]
fn handler_sees_environment_and_stdin() {
    let plugin = Recorder::default();
    assert_eq!(Scene::new("ADD").serve(&plugin).unwrap(), Some(json!({ "cniVersion": "1.1.0" })));
    let request = plugin.request.take().unwrap();
    assert_eq!(request.env.command, Command::Add);
    assert_eq!(request.env.container_id, "some-container.id_1");
    assert_eq!(request.env.netns.as_deref(), Some("/nowhere/netns/pod".as_ref()));
    assert_eq!(request.env.ifname, "net1");
    assert_eq!(request.env.args.get("IgnoreUnknown"), Some("1"));
    assert_eq!(request.env.path, ["/opt/cni/bin", "/usr/lib/cni"].map(std::path::PathBuf::from));
    assert_eq!(request.config.stdin().as_ref(), CONF.as_bytes());
    assert_eq!((request.config.name.as_str(), request.config.plugin_type.as_str()), ("rail1", "recorder"));
}

#[test]
fn required_variables_differ_by_verb() {
    let table: [(&str, &[&str]); 6] = [
        ("ADD", &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]),
        ("CHECK", &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]),
        ("DEL", &["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"]),
        ("GC", &["CNI_PATH"]),
        ("STATUS", &["CNI_PATH"]),
        ("VERSION", &[]),
    ];
    let all = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH"];
    for (verb, required) in table {
        for name in all {
            let served = Scene::new(verb).without(&[name]).serve(&Recorder::default());
            assert_eq!(served.is_err(), required.contains(&name), "{verb} without {name}");
            let blank = Scene::new(verb).with(name, "").serve(&Recorder::default());
            assert_eq!(blank, served, "{verb} with a blank {name}");
        }
    }
}

#[test]
fn all_missing_variables_are_reported_together() {
    let bare = Scene::new("ADD").without(&["CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]);
    let expected = "required env variables [CNI_NETNS,CNI_IFNAME,CNI_PATH] missing";
    assert_eq!(bare.refused(), (code::INVALID_ENV, expected.into()));
}

#[test]
fn invalid_value_is_reported_before_what_is_missing() {
    let scene =
        Scene::new("ADD").with("CNI_CONTAINERID", "some%%container[").without(&["CNI_NETNS", "CNI_PATH"]);
    assert_eq!(scene.refused(), (code::INVALID_ENV, "invalid characters in containerID".into()));
}

#[test]
fn container_id_is_checked_where_it_is_needed() {
    for id in ["_leading", "sp ace", "a/b", "ü", "-a", "..", "a\n"] {
        for verb in ["ADD", "CHECK", "DEL"] {
            assert_eq!(Scene::new(verb).with("CNI_CONTAINERID", id).refused().0, code::INVALID_ENV, "{id:?}");
        }
        Scene::new("GC").with("CNI_CONTAINERID", id).serves("gc");
        Scene::new("STATUS").with("CNI_CONTAINERID", id).serves("status");
    }
}

#[test]
fn ifname_is_one_that_the_kernel_takes() {
    let too_long = "interface name is too long";
    let characters = "interface name contains / or : or whitespace characters";
    let cases = [
        ("sixteen-bytes-16", too_long),
        ("ünïcödé-ünï", too_long),
        (".", "interface name is . or .."),
        ("..", "interface name is . or .."),
        ("a/b", characters),
        ("a:b", characters),
        ("a b", characters),
        ("a\tb", characters),
        ("a\u{2003}b", characters),
        ("net%d", "interface name contains %, which the kernel takes for a pattern"),
        ("a%", "interface name contains %, which the kernel takes for a pattern"),
    ];
    for (ifname, message) in cases {
        assert_eq!(
            Scene::new("ADD").with("CNI_IFNAME", ifname).refused(),
            (code::INVALID_ENV, message.into())
        );
    }
    Scene::new("ADD").with("CNI_IFNAME", "fifteen-bytes15").serves("add");
    Scene::new("STATUS").with("CNI_IFNAME", "a/b").serves("status");
}

#[test]
fn own_namespace_is_refused_before_the_handler() {
    let own = Scene::new("ADD").with("CNI_NETNS", "/proc/self/ns/net");
    let expected = "plugin's netns and netns from CNI_NETNS should not be the same";
    assert_eq!(own.refused(), (code::INVALID_NETNS, expected.into()));
    Scene::new("CHECK").with("CNI_NETNS", "/proc/self/ns/net").serves("check");
}

/// A PID of the pod's may be a host process' by now.
#[test]
fn a_path_that_leads_to_the_host_by_now_does_not_keep_del_from_the_record() {
    let plugin = Recorder::default();
    Scene::new("DEL").with("CNI_NETNS", "/proc/self/ns/net").serve(&plugin).unwrap();
    assert_eq!(*plugin.calls.borrow(), ["del"]);
    assert_eq!(plugin.request.take().unwrap().env.netns, None, "nothing is deleted there");
}

#[test]
fn own_namespace_is_allowed_on_request() {
    let own = |allowed: &str| {
        Scene::new("ADD").with("CNI_NETNS", "/proc/self/ns/net").with("CNI_NETNS_OVERRIDE", allowed)
    };
    for yes in ["1", "true", "TRUE", "True"] {
        own(yes).serves("add");
    }
    for no in ["", "0", "yes", "2"] {
        assert_eq!(own(no).refused().0, code::INVALID_NETNS);
    }
}

#[test]
fn path_that_is_no_namespace_is_left_to_the_handler() {
    for path in ["/nowhere", "/etc/hostname", "/proc/self/ns/mnt", "/"] {
        Scene::new("ADD").with("CNI_NETNS", path).serves("add");
    }
    Scene::new("DEL").without(&["CNI_NETNS"]).serves("del");
}
