use super::*;
use crate::code;

#[test]
fn each_verb_reaches_its_handler() {
    for (verb, handler) in VERBS {
        Scene::new(verb).serves(handler);
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
            (error.code, error.msg.clone()),
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
fn an_add_whose_answer_nobody_hears_is_undone() {
    for kind in [io::ErrorKind::BrokenPipe, io::ErrorKind::StorageFull] {
        let plugin = Recorder::default();
        let scene = Scene { unheard: Some(kind), ..Scene::new("ADD") };
        let error = scene.serve(&plugin).unwrap_err();
        assert!(error.msg.starts_with("cannot write the answer to stdout: "), "{error}");
        assert_eq!((error.code, &*plugin.calls.borrow()), (code::IO, &vec!["add", "del"]));
    }
}

#[test]
fn gc_without_a_list_runs_no_handler_and_is_no_failure() {
    let plugin = Recorder::default();
    Scene::new("GC").stdin(r#"{"name":"rail1","cniVersion":"1.1.0"}"#).serve(&plugin).unwrap();
    assert!(plugin.calls.borrow().is_empty());
}
