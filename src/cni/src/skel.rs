//! The process edge: from environment and stdin to one JSON object on stdout.

use std::process::ExitCode;

use crate::{CniResult, Config, Env, Error, ValidAttachments, Version};

/// One call, validated as far as the protocol goes.
#[derive(Clone, Debug)]
pub struct Request {
    /// The environment.
    pub env: Env,
    /// What stdin held.
    pub config: Config,
}

/// What a plugin does for each verb. An untyped failure is [`Error::internal`].
pub trait Plugin {
    /// One line for people who run the binary without `CNI_COMMAND`.
    fn about(&self) -> &'static str;

    /// Makes the attachment and says what it is.
    fn add(&self, request: &Request) -> Result<CniResult, Error>;

    /// Undoes it. Called again and after failures: what is gone already is a success.
    fn del(&self, request: &Request) -> Result<(), Error>;

    /// Compares what is with what ADD made.
    fn check(&self, request: &Request) -> Result<(), Error>;

    /// Undoes every attachment of this network that is not valid any more.
    fn gc(&self, request: &Request, valid: &ValidAttachments) -> Result<(), Error>;

    /// Whether ADD could be served now.
    fn status(&self, request: &Request) -> Result<(), Error>;

    /// What the plugin can speak.
    fn versions(&self) -> &'static [Version] {
        &Version::ALL
    }

    /// `cniName` in the log; the config's `type` when it is empty.
    fn log_name(&self) -> &'static str {
        ""
    }
}

/// Serves the one call that this process was started for. The exit code is 0 or 1.
pub fn run(plugin: &dyn Plugin) -> ExitCode {
    let _ = plugin;
    ExitCode::FAILURE
}
