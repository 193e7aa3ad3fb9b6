//! The checks around a handler, in one process; what only a real process shows is in `tests/process.rs`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;

use super::*;
use crate::code;

/// Remembers which handlers ran.
#[derive(Default)]
struct Recorder {
    calls: RefCell<Vec<&'static str>>,
    versions: Option<&'static [Version]>,
    failure: Option<Error>,
}

impl Recorder {
    fn called(&self, handler: &'static str) -> Result<(), Error> {
        self.calls.borrow_mut().push(handler);
        self.failure.clone().map_or(Ok(()), Err)
    }
}

impl Plugin for Recorder {
    fn about(&self) -> &'static str {
        "recorder"
    }

    fn add(&self, _: &Request) -> Result<CniResult, Error> {
        self.called("add").map(|()| CniResult::default())
    }

    fn del(&self, _: &Request) -> Result<(), Error> {
        self.called("del")
    }

    fn check(&self, _: &Request) -> Result<(), Error> {
        self.called("check")
    }

    fn gc(&self, _: &Request, _: &ValidAttachments) -> Result<(), Error> {
        self.called("gc")
    }

    fn status(&self, _: &Request) -> Result<(), Error> {
        self.called("status")
    }

    fn versions(&self) -> &'static [Version] {
        self.versions.unwrap_or(&Version::ALL)
    }
}

const CONF: &str =
    r#"{"cniVersion":"1.1.0","name":"rail1","type":"recorder","cni.dev/valid-attachments":[]}"#;

/// One call with all variables, except for what a test changes.
struct Scene {
    variables: HashMap<&'static str, String>,
    stdin: String,
}

impl Scene {
    fn new(verb: &str) -> Self {
        let variables = [
            ("CNI_COMMAND", verb),
            ("CNI_CONTAINERID", "some-container.id_1"),
            ("CNI_NETNS", "/nowhere/netns/pod"),
            ("CNI_IFNAME", "net1"),
            ("CNI_ARGS", "IgnoreUnknown=1"),
            ("CNI_PATH", "/opt/cni/bin:/usr/lib/cni"),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        Self { variables, stdin: CONF.to_owned() }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.insert(name, value.to_owned());
        self
    }

    fn without(mut self, names: &[&str]) -> Self {
        self.variables.retain(|name, _| !names.contains(name));
        self
    }

    fn stdin(mut self, stdin: &str) -> Self {
        stdin.clone_into(&mut self.stdin);
        self
    }

    fn serve(&self, plugin: &dyn Plugin) -> Result<Option<Value>, Error> {
        let (mut stdin, mut writer) = io::pipe().unwrap();
        writer.write_all(self.stdin.as_bytes()).unwrap();
        drop(writer);
        let variable = |name: &str| self.variables.get(name).map(OsString::from);
        Call { variable: &variable, stdin: &mut stdin }.serve(plugin)
    }

    /// The code and message of the refusal; no handler may have run.
    fn refused(&self) -> (u32, String) {
        let plugin = Recorder::default();
        let error = self.serve(&plugin).unwrap_err();
        assert!(plugin.calls.borrow().is_empty(), "{:?} after {error}", plugin.calls);
        (error.code, error.msg)
    }

    fn serves(&self, handler: &str) {
        let plugin = Recorder::default();
        self.serve(&plugin).unwrap();
        assert_eq!(*plugin.calls.borrow(), [handler]);
    }
}

const VERBS: [(&str, &str); 5] =
    [("ADD", "add"), ("CHECK", "check"), ("DEL", "del"), ("GC", "gc"), ("STATUS", "status")];

#[test]
fn each_verb_reaches_its_handler() {
    for (verb, handler) in VERBS {
        Scene::new(verb).serves(handler);
    }
}

#[test]
fn handler_sees_environment_and_stdin() {
    struct Looks;
    impl Plugin for Looks {
        fn about(&self) -> &'static str {
            ""
        }
        fn add(&self, request: &Request) -> Result<CniResult, Error> {
            assert_eq!(request.env.command, Command::Add);
            assert_eq!(request.env.container_id, "some-container.id_1");
            assert_eq!(request.env.netns.as_deref(), Some("/nowhere/netns/pod".as_ref()));
            assert_eq!(request.env.ifname, "net1");
            assert_eq!(request.env.args.get("IgnoreUnknown"), Some("1"));
            assert_eq!(request.env.path, ["/opt/cni/bin", "/usr/lib/cni"].map(std::path::PathBuf::from));
            assert_eq!(request.config.stdin(), CONF.as_bytes());
            assert_eq!(
                (request.config.name.as_str(), request.config.plugin_type.as_str()),
                ("rail1", "recorder")
            );
            Ok(CniResult::default())
        }
        fn del(&self, _: &Request) -> Result<(), Error> {
            unreachable!()
        }
        fn check(&self, _: &Request) -> Result<(), Error> {
            unreachable!()
        }
        fn gc(&self, _: &Request, _: &ValidAttachments) -> Result<(), Error> {
            unreachable!()
        }
        fn status(&self, _: &Request) -> Result<(), Error> {
            unreachable!()
        }
    }
    assert_eq!(Scene::new("ADD").serve(&Looks).unwrap(), Some(json!({ "cniVersion": "1.1.0" })));
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
fn unknown_command_is_refused_after_the_config() {
    assert_eq!(Scene::new("add").refused(), (code::INVALID_ENV, "unknown CNI_COMMAND: add".into()));
    assert_eq!(Scene::new("NOPE").stdin("{").refused().0, code::DECODE);
    assert_eq!(
        Scene::new("NOPE").stdin("{}").refused(),
        (code::INVALID_CONFIG, "missing network name".into())
    );
}

#[test]
fn broken_json_is_located() {
    let (code, msg) = Scene::new("ADD").stdin("{\n  \"name\": \"rail1\",\n  \"mtu\" 9000\n}").refused();
    assert_eq!(code, code::DECODE);
    assert!(msg.contains("line 3 column 9"), "{msg}");
    for stdin in [
        "",
        "[]",
        "null",
        "\"name\"",
        r#"{"name":"rail1"} {}"#,
        r#"{"name":5}"#,
        r#"{"name":"a","cniVersion":1}"#,
    ] {
        assert_eq!(Scene::new("ADD").stdin(stdin).refused().0, code::DECODE, "{stdin}");
    }
}

#[test]
fn unreadable_stdin_is_an_io_error() {
    let scene = Scene::new("ADD");
    let variable = |name: &str| scene.variables.get(name).map(OsString::from);
    // Reading a directory fails with EISDIR.
    let mut stdin = File::open("/").unwrap();
    let error = Call { variable: &variable, stdin: &mut stdin }.serve(&Recorder::default()).unwrap_err();
    assert_eq!(error.code, code::IO);
    assert!(error.msg.starts_with("error reading from stdin: "), "{error}");
}

#[test]
fn network_name_is_checked() {
    for name in [r#""name":"""#, r#""name":null"#, r#""Type":"x""#] {
        let expected = (code::INVALID_CONFIG, "missing network name".to_owned());
        assert_eq!(Scene::new("ADD").stdin(&format!("{{{name}}}")).refused(), expected);
    }
    let (code, msg) = Scene::new("ADD").stdin(r#"{"name":"rail 1"}"#).refused();
    assert_eq!((code, msg.as_str()), (code::INVALID_CONFIG, "invalid characters found in network name"));
    Scene::new("DEL").stdin(r#"{"NAME":"rail1"}"#).serves("del");
}

#[test]
fn versions_are_exact() {
    for version in Version::ALL {
        Scene::new("DEL").stdin(&format!(r#"{{"name":"rail1","cniVersion":"{version}"}}"#)).serves("del");
    }
    for version in ["1.0", "1.1", "0.3", "1.2.0", "v1.0.0", "1.0.0 ", "bogus"] {
        let scene = Scene::new("ADD").stdin(&format!(r#"{{"name":"rail1","cniVersion":"{version}"}}"#));
        assert_eq!(
            scene.refused(),
            (code::INCOMPATIBLE_VERSION, "incompatible CNI versions".into()),
            "{version}"
        );
    }
}

#[test]
fn missing_version_is_0_1_0() {
    for version in ["", r#","cniVersion":"""#, r#","cniVersion":null"#] {
        let scene = Scene::new("DEL").stdin(&format!(r#"{{"name":"rail1"{version}}}"#));
        scene.serves("del");
        let newer = Recorder { versions: Some(&Version::ALL[1..3]), ..Recorder::default() };
        let error = scene.serve(&newer).unwrap_err();
        assert_eq!(error.code, code::INCOMPATIBLE_VERSION);
        assert_eq!(error.details, r#"config is "0.1.0", plugin supports ["0.2.0" "0.3.0"]"#);
    }
}

#[test]
fn verbs_need_their_version() {
    let message = |verb: &str, version: &str| {
        Scene::new(verb).stdin(&format!(r#"{{"name":"rail1","cniVersion":"{version}"}}"#)).refused()
    };
    let refused = |text: &str| (code::INCOMPATIBLE_VERSION, text.to_owned());
    for version in ["", "0.1.0", "0.3.1", "0.3"] {
        assert_eq!(message("CHECK", version), refused("config version does not allow CHECK"), "{version}");
    }
    for verb in ["GC", "STATUS"] {
        for version in ["", "0.4.0", "1.0.0", "1"] {
            assert_eq!(
                message(verb, version),
                refused(&format!("config version does not allow {verb}")),
                "{version}"
            );
        }
        assert_eq!(message(verb, "9.0.0"), refused(&format!("plugin version does not allow {verb}")));
        assert_eq!(message(verb, "bogus").0, code::DECODE);
        assert_eq!(message(verb, "1.1.0.0").0, code::DECODE);
    }
    assert_eq!(message("CHECK", "0.4"), refused("incompatible CNI versions"));
}

#[test]
fn plugin_of_an_older_version_has_no_newer_verbs() {
    let older = Recorder { versions: Some(&Version::ALL[..6]), ..Recorder::default() };
    for verb in ["GC", "STATUS"] {
        let error = Scene::new(verb).serve(&older).unwrap_err();
        assert_eq!(
            (error.code, error.msg),
            (code::INCOMPATIBLE_VERSION, format!("plugin version does not allow {verb}"))
        );
    }
}

#[test]
fn version_answers_without_environment_or_valid_stdin() {
    let bare = Scene::new("VERSION").without(&[
        "CNI_CONTAINERID",
        "CNI_NETNS",
        "CNI_IFNAME",
        "CNI_ARGS",
        "CNI_PATH",
    ]);
    let supported = json!(["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]);
    let cases = [
        (r#"{"cniVersion":"1.1.0"}"#, "1.1.0"),
        (r#"{"cniVersion":"0.4.0"}"#, "0.4.0"),
        (r#"{"cniVersion":"1.2.0"}"#, "1.2.0"),
        (r#"{"cniVersion":"bogus"}"#, "1.1.0"),
        (r#"{"cniVersion":7}"#, "1.1.0"),
        ("{}", "1.1.0"),
        ("garbage", "1.1.0"),
        ("", "1.1.0"),
    ];
    let mut scene = bare;
    for (stdin, version) in cases {
        scene = scene.stdin(stdin);
        let answer = scene.serve(&Recorder::default()).unwrap().unwrap();
        assert_eq!(answer, json!({ "cniVersion": version, "supportedVersions": supported }), "{stdin}");
    }
}

#[test]
fn own_namespace_is_refused_before_the_handler() {
    for verb in ["ADD", "DEL"] {
        let own = Scene::new(verb).with("CNI_NETNS", "/proc/self/ns/net");
        let expected = "plugin's netns and netns from CNI_NETNS should not be the same";
        assert_eq!(own.refused(), (code::INVALID_NETNS, expected.into()));
    }
    Scene::new("CHECK").with("CNI_NETNS", "/proc/self/ns/net").serves("check");
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

#[test]
fn typed_error_is_returned_as_it_is() {
    let failure = Error::new(137, "pool rail1 is exhausted").with_details("254 of 254 leased");
    for (verb, _) in VERBS {
        let plugin = Recorder { failure: Some(failure.clone()), ..Recorder::default() };
        assert_eq!(Scene::new(verb).serve(&plugin), Err(failure.clone()));
    }
}

#[test]
fn result_that_the_version_cannot_say_is_undone() {
    let plugin = Recorder::default();
    let scene = Scene::new("ADD").stdin(r#"{"name":"rail1","cniVersion":"0.2.0"}"#);
    let error = scene.serve(&plugin).unwrap_err();
    assert_eq!(error.code, code::INTERNAL);
    assert!(error.msg.starts_with("cannot convert: no valid IP addresses"), "{error}");
    assert_eq!(*plugin.calls.borrow(), ["add", "del"]);
}

#[test]
fn gc_without_a_list_runs_no_handler() {
    let scene = Scene::new("GC").stdin(r#"{"name":"rail1","cniVersion":"1.1.0"}"#);
    assert_eq!(scene.refused().0, code::INVALID_CONFIG);
}
