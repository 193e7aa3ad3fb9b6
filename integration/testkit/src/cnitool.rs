//! The reference's own driver, as a client that we did not write.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

const SOURCE: &str = "github.com/containernetworking/cni/cnitool@v1.3.0";

/// The path of cnitool, built from the Go module proxy once per `folder`, which is a `CARGO_TARGET_TMPDIR`.
///
/// # Panics
/// When Go is missing or the module cannot be built.
#[must_use]
pub fn cnitool(folder: &str) -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _alone = BUILDING.lock();
    let program = Path::new(folder).join("cnitool-1.3.0/cnitool");
    if !program.exists() {
        install(Path::new(folder), &program);
    }
    program
}

/// Puts the program in place by one rename: two test binaries may build it at once.
fn install(folder: &Path, program: &Path) {
    let temporary = folder.join(format!("cnitool-{}", std::process::id()));
    let mut command = Command::new("nsenter");
    // The calling thread may be in a namespace of its own, without a network; the process's first thread never is.
    command.arg(format!("--net=/proc/{}/ns/net", std::process::id()));
    command.args(["go", "install", SOURCE]).env("GOBIN", &temporary);
    let built = command.output().unwrap_or_else(|error| {
        panic!("start Go through nsenter (package util-linux) to build cnitool: {error}")
    });
    let text = String::from_utf8_lossy(&built.stderr);
    assert!(
        built.status.success(),
        "go install {SOURCE}, which needs Go as `make setup` gives it, and network: {text}"
    );
    let place = program.parent().unwrap_or(folder);
    let moved = std::fs::create_dir_all(place)
        .and_then(|()| std::fs::rename(temporary.join("cnitool"), program))
        .and_then(|()| std::fs::remove_dir(&temporary));
    moved.unwrap_or_else(|error| panic!("move cnitool to {}: {error}", program.display()));
}
