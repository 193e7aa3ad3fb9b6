//! What a driver needs beyond delegation: a limit of time. The rest is in `tests/delegation.rs`.

use super::*;

fn shell(script: &str, timeout: Option<Duration>) -> Invocation {
    let env = vec![("CNI_COMMAND".to_owned(), OsString::from("ADD"))];
    // The shell reads its script from stdin, so no file has to be made.
    Invocation { binary: "/bin/sh".into(), env, stdin: script.as_bytes().to_vec(), timeout }
}

#[test]
fn output_and_log_are_returned() {
    let output = shell("echo log >&2; echo '{\"ips\":[]}'; echo $CNI_COMMAND >&2", None).run().unwrap();
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice()),
        (&b"{\"ips\":[]}\n"[..], &b"log\nADD\n"[..])
    );
    assert_eq!(output.result(Version::V1_0_0).unwrap(), CniResult::default());
}

#[test]
fn plugin_that_takes_too_long_is_killed() {
    let limit = Duration::from_millis(100);
    let start = Instant::now();
    let error = shell("exec tail -f /dev/null", Some(limit)).run().unwrap_err();
    assert!(matches!(error, ExecError::Timeout { timeout, .. } if timeout == limit), "{error}");
    assert!(start.elapsed() >= limit && start.elapsed() < limit * 50);
    assert_eq!(Error::from(error).code, crate::code::TRY_AGAIN);
}

#[test]
fn plugin_within_its_limit_is_not_disturbed() {
    assert_eq!(shell("echo null", Some(Duration::from_secs(60))).run().unwrap().stdout, b"null\n");
}

#[test]
fn failure_keeps_object_and_log() {
    let error = shell("echo log >&2; echo '{\"code\":7,\"msg\":\"no\"}'; exit 1", None).run().unwrap_err();
    assert_eq!(error.stderr(), b"log\n");
    assert_eq!(Error::from(error), Error::new(7, "no"));
}

#[test]
fn file_that_cannot_run_is_named() {
    let invocation = Invocation { binary: "/etc/hostname".into(), ..shell("", None) };
    let error = invocation.run().unwrap_err();
    assert!(matches!(error, ExecError::Start { .. }), "{error}");
    assert!(error.to_string().starts_with("cannot run plugin /etc/hostname: "), "{error}");
}

#[test]
fn empty_name_is_no_plugin() {
    assert!(matches!(find("", &["/bin".into()]), Err(ExecError::NoName)));
}
