use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::thread;

use super::*;
use crate::code;

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
    // Reading a directory fails with EISDIR.
    let error = read_from("ADD", &mut File::open("/").unwrap()).unwrap_err();
    assert_eq!(error.code, code::IO);
    assert!(error.msg.starts_with("error reading from stdin: "), "{error}");
}

/// The answer to a call that reads from there.
fn read_from(verb: &str, stdin: &mut dyn Input) -> Result<(), Error> {
    read_within(Duration::from_secs(60), verb, stdin)
}

fn read_within(patience: Duration, verb: &str, stdin: &mut dyn Input) -> Result<(), Error> {
    let scene = Scene::new(verb);
    let variable = |name: &str| scene.variables.get(name).map(OsString::from);
    Call { variable: &variable, stdin, patience, answer: &mut |_| Ok(()) }.serve(&Recorder::default())
}

#[test]
fn stdin_that_is_never_closed_is_an_error_in_every_verb() {
    for begun in ["", "{\"name\":", CONF] {
        for (verb, _) in VERBS {
            let (mut stdin, mut writer) = io::pipe().unwrap();
            writer.write_all(begun.as_bytes()).unwrap();
            let error = read_within(Duration::from_millis(30), verb, &mut stdin).unwrap_err();
            assert_eq!(error.code, code::IO, "{verb}");
            assert!(
                error.msg.contains(&format!("not closed within 0 s, after {} bytes", begun.len())),
                "{error}"
            );
        }
    }
}

/// A byte now and then keeps nobody waiting longer than silence does.
#[test]
fn stdin_that_drips_is_an_error() {
    let (mut stdin, mut writer) = io::pipe().unwrap();
    let dripping = thread::spawn(move || while writer.write_all(b" ").is_ok() {});
    let error = read_within(Duration::from_millis(30), "ADD", &mut stdin).unwrap_err();
    drop(stdin);
    dripping.join().unwrap();
    assert!([code::IO, code::DECODE].contains(&error.code), "{error}");
}

#[test]
fn stdin_without_an_end_is_an_error() {
    let error = read_from("DEL", &mut File::open("/dev/zero").unwrap()).unwrap_err();
    assert_eq!(error.code, code::DECODE);
    assert_eq!(error.msg, "the network config on stdin is longer than 16 MiB: make it shorter");
}

#[test]
fn longest_config_is_read_whole() {
    for (verb, longest) in [("ADD", input::LONGEST), ("DEL", input::LONGEST_WITH_RESULT)] {
        let padding = " ".repeat(longest - CONF.len());
        let mut file = tempfile::tempfile().unwrap();
        write!(file, "{padding}{CONF}").unwrap();
        file.rewind().unwrap();
        read_from(verb, &mut file).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(b" ").unwrap();
        file.rewind().unwrap();
        assert_eq!(read_from(verb, &mut file).unwrap_err().code, code::DECODE);
    }
}

/// Its DEL gets the config together with the result.
#[test]
fn an_add_whose_result_could_not_come_back_is_undone() {
    let route: Route = serde_json::from_value(json!({ "dst": "2001:db8::/64" })).unwrap();
    let plugin = Recorder { routes: vec![route; 400_000], ..Recorder::default() };
    let error = Scene::new("ADD").serve(&plugin).unwrap_err();
    assert!(error.code == code::INVALID_CONFIG && error.msg.contains("fewer routes"), "{error}");
    assert_eq!(*plugin.calls.borrow(), ["add", "del"]);
}

#[test]
fn a_network_name_that_no_file_can_have_is_refused_and_has_nothing_to_undo() {
    let of = |length: usize| format!(r#"{{"cniVersion":"1.1.0","name":"{}"}}"#, "n".repeat(length));
    for (verb, handler) in VERBS {
        if handler != "gc" {
            Scene::new(verb).stdin(&of(255)).serves(handler);
        }
        let plugin = Recorder::default();
        let answer = Scene::new(verb).stdin(&of(256)).serve(&plugin);
        assert_eq!(answer.is_ok(), ["del", "gc"].contains(&handler), "{verb}");
        assert!(plugin.calls.borrow().is_empty());
    }
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
fn unknown_command_is_refused_after_the_config() {
    assert_eq!(Scene::new("add").refused(), (code::INVALID_ENV, "unknown CNI_COMMAND: add".into()));
    assert_eq!(Scene::new("NOPE").stdin("{").refused().0, code::DECODE);
    assert_eq!(
        Scene::new("NOPE").stdin("{}").refused(),
        (code::INVALID_CONFIG, "missing network name".into())
    );
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
