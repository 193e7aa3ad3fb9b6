use std::fs::File;

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
    let scene = Scene::new("ADD");
    let variable = |name: &str| scene.variables.get(name).map(OsString::from);
    // Reading a directory fails with EISDIR.
    let mut stdin = File::open("/").unwrap();
    let error = Call { variable: &variable, stdin: &mut stdin, answer: &mut |_| Ok(()) }
        .serve(&Recorder::default())
        .unwrap_err();
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
