//! What a driver needs beyond delegation: a limit of time. The rest is in `tests/delegation.rs`.

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn shell(script: &str, timeout: Duration) -> Invocation {
    let env = vec![("CNI_COMMAND".to_owned(), OsString::from("ADD"))];
    // The shell reads its script from stdin, so no file has to be made.
    Invocation { binary: "/bin/sh".into(), env, stdin: script.as_bytes().to_vec(), timeout }
}

#[test]
fn output_and_log_are_returned() {
    let output = shell("echo log >&2; echo '{\"ips\":[]}'; echo $CNI_COMMAND >&2", LONG).run().unwrap();
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
    let error = shell("exec tail -f /dev/null", limit).run().unwrap_err();
    assert!(matches!(error, ExecError::Timeout { timeout, .. } if timeout == limit), "{error}");
    assert!(start.elapsed() >= limit && start.elapsed() < limit * 50);
    assert_eq!(Error::from(error).code, crate::code::TRY_AGAIN);
}

#[test]
fn plugin_within_its_limit_is_not_disturbed() {
    assert_eq!(shell("echo null", LONG).run().unwrap().stdout, b"null\n");
}

#[test]
fn failure_keeps_object_and_log() {
    let error = shell("echo log >&2; echo '{\"code\":7,\"msg\":\"no\"}'; exit 1", LONG).run().unwrap_err();
    assert_eq!(error.stderr(), b"log\n");
    assert_eq!(Error::from(error), Error::new(7, "no"));
}

#[test]
fn file_that_cannot_run_is_named() {
    let invocation = Invocation { binary: "/etc/hostname".into(), ..shell("", LONG) };
    let error = invocation.run().unwrap_err();
    assert!(matches!(error, ExecError::Start { .. }), "{error}");
    assert!(error.to_string().starts_with("cannot run plugin /etc/hostname: "), "{error}");
}

#[test]
fn empty_name_is_no_plugin() {
    assert!(matches!(find("", &["/bin".into()]), Err(ExecError::NoName)));
}

/// A daemon that a plugin leaves behind has its stdout, and never ends.
#[test]
fn what_a_plugin_leaves_behind_keeps_nobody_waiting() {
    for left in ["tail -f /dev/null &", "(while :; do echo more >&2; done) &"] {
        let script = format!("{left} echo $! >&2; echo null; exit 0");
        let output = shell(&script, LONG).run().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        let pid = log.lines().find(|line| line.parse::<u32>().is_ok()).unwrap();
        std::process::Command::new("sh").args(["-c", &format!("kill -9 {pid}")]).status().unwrap();
        assert_eq!(output.stdout, b"null\n", "{left}");
    }
}

#[test]
fn plugin_that_closes_its_pipes_and_goes_on_is_killed() {
    let error = shell("exec >&- 2>&-; exec sleep 60", Duration::from_millis(100)).run().unwrap_err();
    assert!(matches!(error, ExecError::Timeout { .. }), "{error}");
}

#[test]
fn plugin_that_prints_without_an_end_is_killed() {
    let error = shell("exec cat /dev/zero", LONG).run().unwrap_err();
    assert!(matches!(error, ExecError::Endless { .. }), "{error}");
    assert!(error.to_string().contains("/bin/sh printed more than 4 MiB"), "{error}");
    assert_eq!(Error::from(error).code, crate::code::DECODE);
}

#[test]
fn log_without_an_end_is_cut_and_the_result_is_heard() {
    let output = shell("head -c 9000000 /dev/zero >&2; echo null", LONG).run().unwrap();
    assert_eq!((output.stdout.as_slice(), output.stderr.len()), (&b"null\n"[..], 1 << 20));
}
