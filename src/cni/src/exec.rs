//! Running a plugin binary, for delegation and for drivers.

mod pipes;

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollTimeout, poll};
use serde_json::Value;

use crate::{CniResult, Error, Version, lenient};

/// How long a binary that is being written may keep us waiting, as when it is upgraded in place.
const BUSY_PATIENCE: Duration = Duration::from_secs(5);
const BUSY_PAUSE_MS: u16 = 50;

/// One run of a plugin.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The plugin's file, see [`find`].
    pub binary: PathBuf,
    /// Variables on top of our own environment, see [`crate::Env::variables`].
    pub env: Vec<(String, OsString)>,
    /// What the plugin reads.
    pub stdin: Vec<u8>,
    /// When the plugin is killed; it may be at any instruction then.
    pub timeout: Duration,
}

/// What a plugin said before it exited with 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The plugin's file, for messages.
    pub binary: PathBuf,
    /// A result, or nothing.
    pub stdout: Vec<u8>,
    /// Its log.
    pub stderr: Vec<u8>,
}

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// No such plugin in the path.
    #[error("failed to find plugin \"{plugin_type}\" in path {path:?}")]
    Missing {
        /// The name that was searched.
        plugin_type: String,
        /// `CNI_PATH`
        path: Vec<PathBuf>,
    },
    /// The name can be no file of a plugin directory.
    #[error("invalid plugin name \"{0}\": expected the name of a file, without a slash")]
    Name(String),
    /// An empty name.
    #[error("no plugin name provided")]
    NoName,
    /// It would get the config that names it, and run itself again, without an end.
    #[error("ipam.type \"{0}\": that is this plugin itself, and no IPAM; name one, such as rail-ipam")]
    Itself(String),
    /// The kernel does not run it.
    #[error("cannot run plugin {}: {source}", binary.display())]
    Start {
        /// Which file.
        binary: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It runs, but talking to it failed.
    #[error("cannot talk to plugin {}: {source}", binary.display())]
    Talk {
        /// Which file.
        binary: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It took too long and was killed.
    #[error("plugin {} did not end within {timeout:?} and was killed: its log may say what it waits for", binary.display())]
    Timeout {
        /// Which file.
        binary: PathBuf,
        /// The limit.
        timeout: Duration,
    },
    /// It printed without an end and was killed.
    #[error("plugin {} printed more than {} MiB and was killed: that is no CNI result", binary.display(), pipes::LONGEST_RESULT >> 20)]
    Endless {
        /// Which file.
        binary: PathBuf,
    },
    /// It failed, and said why.
    #[error("{error}")]
    Failed {
        /// Which file.
        binary: PathBuf,
        /// Its error object.
        error: Error,
        /// Its log.
        stderr: Vec<u8>,
    },
    /// It failed without an error object.
    #[error("plugin {} {how} without an error object; it said {said:?}", binary.display())]
    Crashed {
        /// Which file.
        binary: PathBuf,
        /// Such as `exited with 2`.
        how: String,
        /// The beginning of its stdout, or else the end of its stderr.
        said: String,
        /// Its log.
        stderr: Vec<u8>,
    },
    /// It succeeded, but what it printed is no result.
    #[error("plugin {} printed no CNI result ({problem}): {said:?}; is it a CNI plugin of a version that the network asks for?", binary.display())]
    Garbage {
        /// Which file.
        binary: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// The beginning of its stdout.
        said: String,
    },
}

impl From<ExecError> for Error {
    /// A plugin's own error passes unchanged; a timeout is worth another try.
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::Failed { error, .. } => error,
            ExecError::Timeout { .. } => Self::try_again(error.to_string()),
            ExecError::Garbage { .. } | ExecError::Endless { .. } => Self::decode(error.to_string()),
            ExecError::Itself(_) => Self::invalid_config(error.to_string()),
            _ => Self::internal(error.to_string()),
        }
    }
}

/// The first regular file of that name in the directories; links are followed, the executable bit is not looked at.
pub fn find(plugin_type: &str, path: &[PathBuf]) -> Result<PathBuf, ExecError> {
    if plugin_type.is_empty() {
        return Err(ExecError::NoName);
    }
    if plugin_type.contains('/') || plugin_type == ".." {
        return Err(ExecError::Name(plugin_type.to_owned()));
    }
    let found = path.iter().map(|dir| dir.join(plugin_type)).find(|file| file.is_file());
    found.ok_or_else(|| ExecError::Missing { plugin_type: plugin_type.to_owned(), path: path.to_vec() })
}

impl Invocation {
    /// Runs the plugin to its end.
    pub fn run(&self) -> Result<Output, ExecError> {
        let deadline = Instant::now() + self.timeout;
        let mut child = self.spawn()?;
        let heard = pipes::converse(&mut child, &self.stdin, deadline)
            .and_then(|heard| Ok((pipes::end(&mut child, deadline)?, heard)));
        let (status, heard) = heard.map_err(|source| self.give_up(&mut child, source))?;
        let (binary, pipes::Heard { stdout, stderr }) = (self.binary.clone(), heard);
        if status.success() {
            Ok(Output { binary, stdout, stderr })
        } else {
            Err(failure(binary, status, &stdout, stderr))
        }
    }

    /// Waits while somebody still writes the binary: the kernel refuses to run it then (ETXTBSY).
    fn spawn(&self) -> Result<Child, ExecError> {
        let deadline = Instant::now() + BUSY_PATIENCE;
        loop {
            match self.process().spawn() {
                Err(e) if e.kind() == io::ErrorKind::ExecutableFileBusy && Instant::now() < deadline => {
                    // An interrupted pause only brings the next try forward.
                    let _ = poll(&mut [], PollTimeout::from(BUSY_PAUSE_MS));
                }
                spawned => {
                    return spawned
                        .map_err(|source| ExecError::Start { binary: self.binary.clone(), source });
                }
            }
        }
    }

    fn process(&self) -> Process {
        let mut process = Process::new(&self.binary);
        process.envs(self.env.iter().map(|(name, value)| (name, value)));
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        process
    }

    fn give_up(&self, child: &mut Child, source: io::Error) -> ExecError {
        // It may have ended by itself; either way it must be reaped.
        let _ = child.kill();
        let _ = child.wait();
        let (binary, timeout) = (self.binary.clone(), self.timeout);
        match source.kind() {
            io::ErrorKind::TimedOut => ExecError::Timeout { binary, timeout },
            io::ErrorKind::FileTooLarge => ExecError::Endless { binary },
            _ => ExecError::Talk { binary, source },
        }
    }
}

impl Output {
    /// The result on stdout; it has the version that it names, or else `default`.
    pub fn result(&self, default: Version) -> Result<CniResult, ExecError> {
        CniResult::from_slice(&self.stdout, default).map_err(|problem| ExecError::Garbage {
            binary: self.binary.clone(),
            problem: problem.to_string(),
            said: beginning(&self.stdout),
        })
    }
}

impl ExecError {
    /// What the plugin logged before it failed.
    pub fn stderr(&self) -> &[u8] {
        match self {
            Self::Failed { stderr, .. } | Self::Crashed { stderr, .. } => stderr,
            _ => &[],
        }
    }
}

/// Passes a plugin's log on to our stderr.
pub(crate) fn forward(stderr: &[u8]) {
    // Without a stderr there is nobody to tell.
    let _ = io::stderr().write_all(stderr);
}

fn failure(binary: PathBuf, status: ExitStatus, stdout: &[u8], stderr: Vec<u8>) -> ExecError {
    if let Some(error) = error_object(stdout) {
        return ExecError::Failed { binary, error, stderr };
    }
    let said = if stdout.trim_ascii().is_empty() { ending(&stderr) } else { beginning(stdout) };
    ExecError::Crashed { binary, how: describe(status), said, stderr }
}

/// An object with a message or a code; plugins that print something else have not said why they failed.
fn error_object(stdout: &[u8]) -> Option<Error> {
    let value: Value = serde_json::from_slice(stdout).ok()?;
    let error: Error = lenient::from_value(&value).ok()?;
    (error.code != 0 || !error.msg.is_empty()).then_some(error)
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => format!("ended with {status}"),
    }
}

const EXCERPT: usize = 200;

fn beginning(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(EXCERPT)]).into_owned()
}

fn ending(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(EXCERPT)..]).trim().to_owned()
}

#[cfg(test)]
mod tests;
