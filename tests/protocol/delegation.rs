//! A plugin and its IPAM, as two processes.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::process::Output;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::stage::{answer, call, conf, finish, script};

/// A plugin directory with an IPAM in it that notes its calls.
fn ipam(body: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let notes = dir.path().join("calls");
    File::create(&notes).unwrap();
    script(dir.path(), "ipam", &format!("echo $CNI_COMMAND >> {}\n{body}", notes.display()));
    dir
}

fn run(verb: &str, dir: &Path, keys: &str) -> Output {
    finish(call(verb, dir), &conf(&format!(r#","ipam":{{"type":"ipam"}}{keys}"#)))
}

fn calls(dir: &TempDir) -> String {
    fs::read_to_string(dir.path().join("calls")).unwrap().trim().replace('\n', " ")
}

#[test]
fn result_of_the_delegate_is_read_by_its_version() {
    let results = [
        r#"{"cniVersion":"1.0.0","ips":[{"address":"10.1.2.3/24"}]}"#,
        r#"{"cniVersion":"0.4.0","ips":[{"version":"4","address":"10.1.2.3/24"}],"dns":{}}"#,
        r#"{"cniVersion":"0.2.0","ip4":{"ip":"10.1.2.3/24"},"dns":{}}"#,
        r#"{"cniVersion":"","ips":[{"address":"10.1.2.3/24"}]}"#,
        r#"{"ips":[{"address":"10.1.2.3/24"}]}"#,
    ];
    for result in results {
        let dir = ipam(&format!("echo '{result}'"));
        let output = run("ADD", dir.path(), "");
        assert_eq!(answer(&output)["ips"], json!([{ "address": "10.1.2.3/24" }]), "{result}");
        assert_eq!(calls(&dir), "ADD");
    }
}

#[test]
fn delegate_gets_our_stdin_and_environment() {
    let dir = ipam(r#"cat > "$CNI_PATH/stdin"; env | sort > "$CNI_PATH/env"; echo null"#);
    let keys = "  ,\"Unknown\": 1.50,\"cni.dev/valid-attachments\": [ ]";
    let mut command = call("GC", dir.path());
    command.env("TRACEPARENT", "00-1-2-03").env("CNI_ARGS", "IP=10.0.0.1;IgnoreUnknown=1");
    let stdin = conf(&format!(r#","ipam":{{"type":"ipam"}}{keys}"#));
    assert_eq!(finish(command, &stdin).status.code(), Some(0));
    assert_eq!(fs::read_to_string(dir.path().join("stdin")).unwrap(), stdin);
    let env = fs::read_to_string(dir.path().join("env")).unwrap();
    let path = format!("CNI_PATH={}", dir.path().display());
    for line in [
        "CNI_COMMAND=GC",
        "CNI_ARGS=IP=10.0.0.1;IgnoreUnknown=1",
        "CNI_IFNAME=net1",
        "TRACEPARENT=00-1-2-03",
        &path,
    ] {
        assert!(env.lines().any(|l| l == line), "{line} in\n{env}");
    }
}

#[test]
fn every_verb_is_forwarded() {
    for verb in ["ADD", "CHECK", "DEL", "GC", "STATUS"] {
        let dir = ipam("[ $CNI_COMMAND = ADD ] && echo '{}'; exit 0");
        let output = run(verb, dir.path(), r#","cni.dev/valid-attachments":[]"#);
        assert_eq!((output.status.code(), calls(&dir).as_str()), (Some(0), verb));
    }
}

#[test]
fn failed_add_is_followed_by_del_and_keeps_its_typed_error() {
    let dir = ipam(r#"echo '{"code":11,"msg":"pool is busy","details":"try later"}'; exit 3"#);
    let output = run("ADD", dir.path(), "");
    let expected =
        json!({ "cniVersion": "1.1.0", "code": 11, "msg": "pool is busy", "details": "try later" });
    assert_eq!((answer(&output), output.status.code()), (expected, Some(1)));
    assert_eq!(calls(&dir), "ADD DEL");
}

#[test]
fn stderr_of_the_delegate_is_forwarded() {
    for code in [0, 1] {
        let dir = ipam(&format!("echo from the ipam >&2; echo '{{}}'; exit {code}"));
        let output = run("DEL", dir.path(), "");
        assert!(String::from_utf8_lossy(&output.stderr).contains("from the ipam\n"), "{output:?}");
        assert_eq!(output.status.code(), Some(code));
    }
}

#[test]
fn garbage_is_named_with_its_beginning() {
    for garbage in ["I am no JSON", r#"["a list"]"#, r#"{"ips":[{"address":"nowhere"}]}"#] {
        let dir = ipam(&format!("echo '{garbage}'"));
        let error = answer(&run("ADD", dir.path(), ""));
        let msg = error["msg"].as_str().unwrap();
        assert!(msg.contains(dir.path().join("ipam").to_str().unwrap()), "{msg}");
        assert!(msg.contains(&garbage.replace('"', "\\\"")), "{msg}");
        assert_eq!((&error["code"], calls(&dir).as_str()), (&json!(6), "ADD DEL"));
    }
}

#[test]
fn crash_is_described() {
    let cases = [
        ("kill -9 $$", "was killed by signal 9"),
        ("exit 2", "exited with 2"),
        ("echo goroutine 1 >&2; exit 2", r#"it said "goroutine 1""#),
        ("echo half an an; exit 1", r#"it said "half an an\n""#),
        ("echo '{}'; exit 1", "without an error object"),
    ];
    for (body, description) in cases {
        let dir = ipam(body);
        let error = answer(&run("ADD", dir.path(), ""));
        assert!(error["msg"].as_str().unwrap().contains(description), "{error}");
        assert_eq!((&error["code"], calls(&dir).as_str()), (&json!(999), "ADD DEL"));
    }
}

#[test]
fn missing_delegate_is_named_with_the_path() {
    let dir = tempfile::tempdir().unwrap();
    for verb in ["ADD", "DEL", "CHECK"] {
        let error = answer(&run(verb, dir.path(), ""));
        let msg = error["msg"].as_str().unwrap();
        assert_eq!(msg, format!(r#"failed to find plugin "ipam" in path [{:?}]"#, dir.path()));
        assert_eq!(error["code"], 999);
    }
    assert_eq!(answer(&run("STATUS", dir.path(), ""))["code"], 50);
}

#[test]
fn delegate_name_is_a_file_name() {
    for name in ["../ipam", "/bin/sh", "a/b", ".."] {
        let output =
            finish(call("ADD", Path::new("/bin")), &conf(&format!(r#","ipam":{{"type":"{name}"}}"#)));
        assert!(answer(&output)["msg"].as_str().unwrap().starts_with("invalid plugin name"), "{output:?}");
    }
}

#[test]
fn first_directory_with_the_file_counts_and_links_are_followed() {
    let (empty, target, first) =
        (tempfile::tempdir().unwrap(), ipam("echo '{}'"), tempfile::tempdir().unwrap());
    fs::create_dir(empty.path().join("ipam")).unwrap();
    std::os::unix::fs::symlink(target.path().join("ipam"), first.path().join("ipam")).unwrap();
    let path =
        [empty.path(), Path::new("/nowhere"), first.path(), Path::new("/bin")].map(|p| p.to_str().unwrap());
    let output = run("ADD", Path::new(&path.join(":")), "");
    assert_eq!((output.status.code(), calls(&target).as_str()), (Some(0), "ADD"));
}

#[test]
fn large_streams_do_not_block_either_side() {
    let dir = ipam(
        "head -c 300000 /dev/zero | tr '\\0' e >&2; head -c 300000 /dev/zero | tr '\\0' ' '; cat >&2; echo '{}'",
    );
    let padding = "x".repeat(300_000);
    let output = run("ADD", dir.path(), &format!(r#","padding":"{padding}""#));
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.len() > 600_000, "{}", output.stderr.len());
}

#[test]
fn delegate_that_does_not_read_is_no_failure() {
    let dir = ipam("exec <&-; echo '{}'");
    let output = run("ADD", dir.path(), &format!(r#","padding":"{}""#, "x".repeat(300_000)));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn binary_that_is_being_written_is_waited_for() {
    let dir = ipam("echo '{}'");
    let writer = OpenOptions::new().append(true).open(dir.path().join("ipam")).unwrap();
    let (done, wait) = mpsc::channel::<()>();
    let closer = thread::spawn(move || {
        // Nobody sends: this is the time that the upgrade takes.
        let _ = wait.recv_timeout(Duration::from_millis(300));
        drop(writer);
    });
    let start = Instant::now();
    let output = run("ADD", dir.path(), "");
    assert_eq!((output.status.code(), calls(&dir).as_str()), (Some(0), "ADD"), "{output:?}");
    assert!(start.elapsed() >= Duration::from_millis(200), "the kernel did not refuse a busy file");
    drop(done);
    closer.join().unwrap();
}
