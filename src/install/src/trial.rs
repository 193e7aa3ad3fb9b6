//! A new file is run once where it is going to be, before it has its name: another architecture, a file system that
//! runs nothing, or a damaged image is found while the old one still works.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollTimeout, poll};

use crate::Error;

const LIMIT: Duration = Duration::from_secs(10);
/// A plugin's versions are a line.
const LONGEST: u64 = 64 * 1024;
/// The one program of the image that is no plugin.
const TOOL: &str = "railctl";

/// Asks the file, which is to be called `name`, for its version.
pub(crate) fn run(path: &Path, name: &str) -> Result<(), Error> {
    let failed = |why: String| Error::Trial { path: path.to_owned(), why };
    let mut command = Command::new(path);
    command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    if name == TOOL {
        command.arg("--version");
    } else {
        command.env("CNI_COMMAND", "VERSION");
    }
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let answer = answer(&mut child).map_err(failed)?;
    if name == TOOL || has_versions(&answer) {
        return Ok(());
    }
    Err(failed(format!("it answered VERSION with {}", String::from_utf8_lossy(&answer).escape_debug())))
}

/// What it printed, if it ended well and in time.
fn answer(child: &mut Child) -> Result<Vec<u8>, String> {
    if let Some(mut stdin) = child.stdin.take() {
        // It may end without reading.
        let _ = stdin.write_all(br#"{"cniVersion":"1.0.0"}"#);
    }
    let stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.and_then(|pipe| pipe.take(LONGEST).read_to_end(&mut bytes).ok());
        bytes
    });
    let deadline = Instant::now() + LIMIT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => break,
            Ok(Some(status)) => return Err(format!("it ended with {status}")),
            Ok(None) if Instant::now() < deadline => pause(),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it did not answer VERSION within {LIMIT:?}"));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(reader.join().unwrap_or_default())
}

fn has_versions(answer: &[u8]) -> bool {
    let answer: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    answer["supportedVersions"].as_array().is_some_and(|versions| !versions.is_empty())
}

/// A moment, for loops that have a deadline.
pub(crate) fn pause() {
    let _ = poll(&mut [], PollTimeout::from(10_u8));
}
