//! What a runtime sees of the process: stdout, stderr, exit code.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Output, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;

use crate::stage::{answer, call, conf, finish};

fn run(verb: &str, stdin: &str) -> Output {
    finish(call(verb, Path::new("/opt/cni/bin")), stdin)
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn add_prints_its_result_and_nothing_else() {
    let output = run("ADD", &conf(""));
    assert_eq!(output.status.code(), Some(0));
    let interface = json!({ "name": "net1", "sandbox": "/nowhere/netns/pod" });
    assert_eq!(answer(&output), json!({ "cniVersion": "1.1.0", "interfaces": [interface] }));
    assert_eq!(stderr(&output), "");
}

#[test]
fn other_verbs_succeed_in_silence() {
    for verb in ["DEL", "CHECK", "GC", "STATUS"] {
        let output = run(verb, &conf(r#","cni.dev/valid-attachments":null"#));
        assert_eq!((output.status.code(), output.stdout.len(), stderr(&output)), (Some(0), 0, ""), "{verb}");
    }
}

#[test]
fn failure_is_an_object_on_stdout_and_exit_1() {
    let output = run("DEL", &conf(r#","fail":{"code":11,"msg":"store is locked","details":"by pid 7"}"#));
    assert_eq!(output.status.code(), Some(1));
    let expected =
        json!({ "cniVersion": "1.1.0", "code": 11, "msg": "store is locked", "details": "by pid 7" });
    assert_eq!(answer(&output), expected);
    assert!(stderr(&output).contains(r#"level="error" msg="store is locked; by pid 7" func="cmdDel""#));
}

#[test]
fn failure_speaks_the_version_of_the_config() {
    let output = run("ADD", r#"{"cniVersion":"0.4.0","name":"rail1","fail":{"code":7,"msg":"no"}}"#);
    assert_eq!(answer(&output), json!({ "cniVersion": "0.4.0", "code": 7, "msg": "no" }));
    let output = run("ADD", r#"{"cniVersion":"7.0.0","name":"rail1"}"#);
    assert_eq!((&answer(&output)["cniVersion"], &answer(&output)["code"]), (&json!("1.1.0"), &json!(1)));
}

#[test]
fn missing_variables_are_one_error() {
    let mut command = call("ADD", Path::new(""));
    command.env_remove("CNI_NETNS").env_remove("CNI_IFNAME");
    let output = finish(command, &conf(""));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(answer(&output)["msg"], "required env variables [CNI_NETNS,CNI_IFNAME,CNI_PATH] missing");
}

#[test]
fn blank_command_introduces_itself_on_stderr() {
    let mut unset = call("", Path::new(""));
    unset.env_remove("CNI_COMMAND");
    for command in [call("", Path::new("")), unset] {
        let output = finish(command, "");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
        let expected = "probe: a plugin for tests\n\
                        CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n";
        assert_eq!(stderr(&output), expected);
    }
}

#[test]
fn version_does_not_wait_for_a_stdin_that_nobody_writes() {
    let mut child = call("VERSION", Path::new("")).spawn().unwrap();
    let open = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(open);
    assert_eq!(answer(&output)["cniVersion"], "1.1.0");
    assert_eq!(answer(&output)["supportedVersions"].as_array().unwrap().len(), 7);
}

#[test]
fn version_echoes_the_version_on_stdin() {
    let output = run("VERSION", r#"{"cniVersion":"0.3.1"}"#);
    assert_eq!((output.status.code(), &answer(&output)["cniVersion"]), (Some(0), &json!("0.3.1")));
}

#[test]
fn panic_is_an_error_object() {
    let output = run("ADD", &conf(r#","panic":"index out of range""#));
    assert_eq!(output.status.code(), Some(1));
    let error = answer(&output);
    assert_eq!((&error["code"], &error["msg"]), (&json!(999), &json!("internal error: index out of range")));
    assert!(error["details"].as_str().unwrap().contains("probe.rs:"), "{error}");
    assert!(stderr(&output).contains("index out of range"));
}

#[test]
fn closed_stdout_and_stderr_are_no_panic() {
    for stdin in [conf(""), conf(r#","fail":{"code":7,"msg":"no"}"#), conf(r#","panic":"x""#)] {
        let mut command = call("ADD", Path::new("/opt/cni/bin"));
        command.stdout(Stdio::from(closed())).stderr(Stdio::from(closed()));
        assert_eq!(finish(command, &stdin).status.code(), Some(1), "{stdin}");
    }
}

/// The writing end of a pipe that nobody reads.
fn closed() -> std::io::PipeWriter {
    std::io::pipe().unwrap().1
}

#[test]
fn debug_log_has_the_tokens_that_operators_look_for() {
    let output = run("ADD", &conf(r#","logLevel":"debug""#));
    let log = stderr(&output);
    let tokens = r#"level="debug" msg="function called" func="cmdAdd" cniName="probe-cni" containerID="pod-1" netns="/nowhere/netns/pod" ifname="net1""#;
    assert!(log.starts_with("time=\"20") && log.contains(tokens), "{log}");
}

#[test]
fn log_fields_follow_the_call() {
    let output = run("STATUS", &conf(r#","warn":"a \"quoted\"\nline""#));
    let log = stderr(&output);
    assert!(log.contains(r#"level="warning" msg="a \"quoted\"\nline" func="cmdStatus""#), "{log}");
    assert!(log.ends_with("mtu=\"9000\" gateway=\"10.0.0.1\"\n"), "{log}");
}

/// A node whose configs may log below `logs` alone.
fn node() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("paths:\n  logFile: ['{}/logs']\n", dir.path().display());
    let mut file = fs::File::create(dir.path().join("node.yaml")).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    dir
}

/// A call that logs a warning to a file.
fn log_to(node: &Path, verb: &str, file: &Path) -> Output {
    let mut command = call(verb, Path::new("/opt/cni/bin"));
    command.env("RAILCNI_CONFIG_DIR", node);
    finish(
        command,
        &conf(&format!(
            r#","logFile":"{}","warn":"careful $(id)","cni.dev/valid-attachments":[]"#,
            file.display()
        )),
    )
}

#[test]
fn log_file_is_appended_to_for_nobody_else_to_read_and_stderr_stays_empty() {
    let node = node();
    let file = node.path().join("logs/deep/er/probe.log");
    for _ in 0..2 {
        assert_eq!(stderr(&log_to(node.path(), "DEL", &file)), "");
    }
    let log = fs::read_to_string(&file).unwrap();
    assert_eq!(log.matches(r#"msg="careful \u{24}(id)""#).count(), 2, "{log}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
}

/// The log is never worth the call, and never where the node does not have it.
#[test]
fn log_file_that_may_not_be_is_a_warning_and_not_made() {
    let node = node();
    let logs = node.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let (secret, fifo, link) = (node.path().join("secret"), logs.join("fifo"), logs.join("link"));
    fs::File::create(&secret).unwrap();
    symlink(&secret, &link).unwrap();
    symlink(node.path(), logs.join("up")).unwrap();
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let outside = node.path().join("outside");
    let paths = [
        &outside,
        &fifo,
        &link,
        &logs,
        &logs.join("up/new"),
        &logs.join("../new"),
        Path::new("rel"),
        Path::new("/dev/full"),
    ];
    for path in paths {
        for verb in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
            let output = log_to(node.path(), verb, path);
            assert_eq!(output.status.code(), Some(0), "{verb} {}", path.display());
            let said = stderr(&output);
            assert!(
                said.contains(r#"level="warning" msg="logging to stderr: cannot open the log file"#),
                "{said}"
            );
            assert!(said.contains("careful"), "{said}");
        }
    }
    assert_eq!(fs::metadata(secret).unwrap().len(), 0);
    assert!(!outside.exists() && !node.path().join("new").exists());
}

#[test]
fn del_goes_on_without_what_it_does_not_need() {
    let output = run("DEL", &conf(r#","prevResult":7,"dns":[],"ipam":"x""#));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
    assert!(stderr(&output).contains("prevResult"), "{}", stderr(&output));
}

#[test]
fn unknown_keys_are_warned_of() {
    let output = run("ADD", &conf(r#","Crash":"x","faill":1"#));
    assert_eq!(output.status.code(), Some(0));
    for (key, meant) in [("Crash", "panic"), ("faill", "fail")] {
        let warning =
            format!(r#"key \"{key}\" means nothing here and is ignored; did you mean \"{meant}\"?"#);
        assert!(stderr(&output).contains(&warning), "{}", stderr(&output));
    }
}
