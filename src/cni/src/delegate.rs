//! Calling another plugin with our own input, such as an IPAM: same environment, same stdin, other binary.

use crate::exec::{self, ExecError, Invocation, Output};
use crate::{CniResult, Command, Error, Request, code};

/// Whether the delegate can be run at all, to find out before anything is changed.
pub fn require(request: &Request, plugin_type: &str) -> Result<(), Error> {
    Ok(exec::find(plugin_type, &request.env.path).map(drop)?)
}

/// Runs the delegate's ADD. After a failure its DEL runs, too, before the failure is returned.
pub fn add(request: &Request, plugin_type: &str) -> Result<CniResult, Error> {
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
    silent(request, plugin_type, Command::Del)
}

/// Runs the delegate's CHECK.
pub fn check(request: &Request, plugin_type: &str) -> Result<(), Error> {
    silent(request, plugin_type, Command::Check)
}

/// Runs the delegate's GC.
pub fn gc(request: &Request, plugin_type: &str) -> Result<(), Error> {
    silent(request, plugin_type, Command::Gc)
}

/// Runs the delegate's STATUS; a delegate that is not installed is code 50.
pub fn status(request: &Request, plugin_type: &str) -> Result<(), Error> {
    match call(request, plugin_type, Command::Status) {
        Err(error) if !was_run(&error) => Err(Error::new(code::NOT_AVAILABLE, error.to_string())),
        other => Ok(other.map(drop)?),
    }
}

fn silent(request: &Request, plugin_type: &str, command: Command) -> Result<(), Error> {
    Ok(call(request, plugin_type, command).map(drop)?)
}

fn call(request: &Request, plugin_type: &str, command: Command) -> Result<Output, ExecError> {
    tracing::debug!(delegate = plugin_type, verb = command.as_str(), "calling delegate");
    let invocation = Invocation {
        binary: exec::find(plugin_type, &request.env.path)?,
        env: request.env.variables(command),
        stdin: request.config.stdin().to_vec(),
        timeout: None,
    };
    let output = invocation.run();
    exec::forward(output.as_ref().map_or_else(ExecError::stderr, |output| &output.stderr));
    output
}

/// Whether the delegate can have done anything.
fn was_run(error: &ExecError) -> bool {
    !matches!(
        error,
        ExecError::Missing { .. } | ExecError::Name(_) | ExecError::NoName | ExecError::Start { .. }
    )
}

/// The first failure is the one to report: this one may only follow from it.
fn undo(request: &Request, plugin_type: &str) {
    if let Err(error) = del(request, plugin_type) {
        tracing::warn!(delegate = plugin_type, "DEL after the failed ADD failed, too: {error}");
    }
}
