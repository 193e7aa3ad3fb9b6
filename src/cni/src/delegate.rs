//! Calling another plugin with our own input, such as an IPAM: same environment, same stdin, other binary. One that is
//! linked in is called without starting a process, which would take longer than its work.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use crate::exec::{self, ExecError, Invocation, Output};
use crate::{CniResult, Command, Error, Plugin, Request, ValidAttachments, code};

/// A plugin that this binary has inside, too.
#[derive(Clone, Copy)]
pub struct Linked {
    /// Its CNI type.
    pub plugin_type: &'static str,
    /// What the binary of that name would do.
    pub plugin: &'static (dyn Plugin + Sync),
}

/// How long a delegate may take, a lock of ours being held meanwhile: one that asks a whole cluster needs seconds, and a
/// runtime gives up on the pod after minutes.
const PATIENCE: Duration = Duration::from_secs(60);

static LINKED: OnceLock<Linked> = OnceLock::new();

/// Called once, before any delegate is.
pub(crate) fn link(linked: Linked) {
    // Only the first call counts, and there is one call per process.
    let _ = LINKED.set(linked);
}

/// The plugin inside, where `CNI_PATH` leads to a file beside our own: both came with one installation. What lies elsewhere
/// under that name is somebody else's choice, and is run.
fn linked(request: &Request, plugin_type: &str) -> Option<&'static dyn Plugin> {
    let Linked { plugin, .. } = *LINKED.get().filter(|linked| linked.plugin_type == plugin_type)?;
    let found = exec::find(plugin_type, &request.env.path).ok()?;
    let own = std::env::current_exe().ok()?;
    (found.parent() == own.parent()).then_some(plugin as &dyn Plugin)
}

/// Whether the delegate can be run at all, to find out before anything is changed.
pub fn require(request: &Request, plugin_type: &str) -> Result<(), Error> {
    Ok(find(request, plugin_type).map(drop)?)
}

fn find(request: &Request, plugin_type: &str) -> Result<PathBuf, ExecError> {
    if is_this(plugin_type) {
        return Err(ExecError::Itself(plugin_type.to_owned()));
    }
    exec::find(plugin_type, &request.env.path)
}

/// Our own name, as we were called or as we are installed. All that are in a circle have the same config, so it closes at the one
/// that calls itself.
fn is_this(plugin_type: &str) -> bool {
    let called = std::env::args_os().next().map(PathBuf::from);
    let own = [called, std::env::current_exe().ok()];
    own.iter().flatten().filter_map(|path| path.file_name()).any(|name| name == plugin_type)
}

/// Runs the delegate's ADD. After a failure its DEL runs, too, before the failure is returned.
pub fn add(request: &Request, plugin_type: &str) -> Result<CniResult, Error> {
    if let Some(plugin) = linked(request, plugin_type) {
        return plugin.add(request);
    }
    let result =
        call(request, plugin_type, Command::Add).and_then(|output| output.result(request.config.cni_version));
    result.map_err(|error| {
        if was_run(&error) {
            undo(request, plugin_type);
        }
        error.into()
    })
}

/// Runs the delegate's DEL.
pub fn del(request: &Request, plugin_type: &str) -> Result<(), Error> {
    if let Some(plugin) = linked(request, plugin_type) {
        return plugin.del(request);
    }
    if is_this(plugin_type) {
        warn_of_nothing(plugin_type);
        return Ok(());
    }
    silent(request, plugin_type, Command::Del)
}

/// Runs the delegate's CHECK.
pub fn check(request: &Request, plugin_type: &str) -> Result<(), Error> {
    if let Some(plugin) = linked(request, plugin_type) {
        return plugin.check(request);
    }
    silent(request, plugin_type, Command::Check)
}

/// Runs the delegate's GC.
pub fn gc(request: &Request, plugin_type: &str) -> Result<(), Error> {
    if let Some(plugin) = linked(request, plugin_type) {
        let valid = ValidAttachments::from_config(&request.config)?;
        return valid.map_or(Ok(()), |valid| plugin.gc(request, &valid));
    }
    if is_this(plugin_type) {
        warn_of_nothing(plugin_type);
        return Ok(());
    }
    silent(request, plugin_type, Command::Gc)
}

/// Runs the delegate's STATUS; a delegate that is not installed is code 50.
pub fn status(request: &Request, plugin_type: &str) -> Result<(), Error> {
    if let Some(plugin) = linked(request, plugin_type) {
        return plugin.status(request);
    }
    match call(request, plugin_type, Command::Status) {
        Err(error) if !was_run(&error) => Err(Error::new(code::NOT_AVAILABLE, error.to_string())),
        other => Ok(other.map(drop)?),
    }
}

/// No ADD can have had anything from it.
fn warn_of_nothing(plugin_type: &str) {
    tracing::warn!("{}: nothing to give back", ExecError::Itself(plugin_type.to_owned()));
}

fn silent(request: &Request, plugin_type: &str, command: Command) -> Result<(), Error> {
    Ok(call(request, plugin_type, command).map(drop)?)
}

fn call(request: &Request, plugin_type: &str, command: Command) -> Result<Output, ExecError> {
    tracing::debug!(delegate = plugin_type, verb = command.as_str(), "calling delegate");
    let invocation = Invocation {
        binary: find(request, plugin_type)?,
        env: request.env.variables(command),
        stdin: request.config.stdin().into_owned(),
        timeout: PATIENCE,
    };
    let output = invocation.run();
    exec::forward(output.as_ref().map_or_else(ExecError::stderr, |output| &output.stderr));
    output
}

/// Whether the delegate can have done anything.
fn was_run(error: &ExecError) -> bool {
    !matches!(
        error,
        ExecError::Missing { .. }
            | ExecError::Name(_)
            | ExecError::NoName
            | ExecError::Itself(_)
            | ExecError::Start { .. }
    )
}

/// The first failure is the one to report: this one may only follow from it.
fn undo(request: &Request, plugin_type: &str) {
    if let Err(error) = del(request, plugin_type) {
        tracing::warn!(delegate = plugin_type, "DEL after the failed ADD failed, too: {error}");
    }
}
