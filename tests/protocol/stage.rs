//! Calls the example plugin as a runtime does.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The plugin under test; cargo builds the examples before it runs these tests.
pub(crate) fn probe() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("examples/probe");
    assert!(binary.exists(), "{} is not built: run cargo build --examples first", binary.display());
    binary
}

/// A call of the probe with everything that any verb needs.
pub(crate) fn call(verb: &str, path: &Path) -> Command {
    let mut command = Command::new(probe());
    command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("CNI_COMMAND", verb).env("CNI_CONTAINERID", "pod-1").env("CNI_NETNS", "/nowhere/netns/pod");
    command.env("CNI_IFNAME", "net1").env("CNI_ARGS", "IgnoreUnknown=1").env("CNI_PATH", path);
    // What a shell script, standing for a delegate, runs.
    command.env("PATH", "/usr/bin:/bin");
    command
}

/// Runs it to its end.
pub(crate) fn finish(mut command: Command, stdin: &str) -> Output {
    let mut child = command.spawn().unwrap();
    // A plugin that answers without reading closes the pipe, and may do so before this.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

/// The one JSON object on stdout.
pub(crate) fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

/// A config of the probe with more keys.
pub(crate) fn conf(keys: &str) -> String {
    format!(r#"{{"cniVersion":"1.1.0","name":"rail1","type":"probe"{keys}}}"#)
}

/// Puts an executable shell script into a directory.
pub(crate) fn script(dir: &Path, name: &str, body: &str) -> PathBuf {
    let path = dir.join(name);
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(format!("#!/bin/sh\n{body}\n").as_bytes()).unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}
