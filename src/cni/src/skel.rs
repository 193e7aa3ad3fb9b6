//! The process edge: from environment and stdin to one JSON object on stdout.

mod called;
mod gate;
mod input;
mod output;
mod shallow;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use crate::config::Document;
use crate::delegate::{self, Linked};
use crate::env::RawEnv;
use crate::{CniResult, Command, Config, Env, Error, ValidAttachments, Version, log};
use input::Input;

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
    output::answer_panics();
    if ::version::is_asked() {
        return tell_version(plugin);
    }
    let variable = |name: &str| env::var_os(name);
    let Some(command) = variable("CNI_COMMAND").filter(|command| !command.is_empty()) else {
        return introduce(plugin);
    };
    called::begin(plugin, &command.to_string_lossy());
    let (stdin, answer) = (&mut io::stdin().lock(), &mut output::print);
    let call = Call { variable: &variable, stdin, patience: input::PATIENCE, answer };
    match call.serve(plugin) {
        Ok(()) => {
            called::end(None);
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!("{error}");
            output::print_error(&error);
            called::end(Some(error.code));
            ExitCode::FAILURE
        }
    }
}

/// As [`run`], with a delegate inside.
pub fn run_with(plugin: &dyn Plugin, linked: Linked) -> ExitCode {
    delegate::link(linked);
    run(plugin)
}

/// `railcni macvlan 0.1.0 (...)`: a runtime passes no argument, so a person asks.
fn tell_version(plugin: &dyn Plugin) -> ExitCode {
    let name = plugin.about().split(':').next().unwrap_or_default();
    let told = writeln!(io::stdout(), "{name} {}", ::version::text());
    told.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

/// By convention a binary that is run by hand says what it is, and that is no failure.
fn introduce(plugin: &dyn Plugin) -> ExitCode {
    let versions: Vec<_> = plugin.versions().iter().map(|v| v.as_str()).collect();
    let text = format!("{}\nCNI protocol versions supported: {}\n", plugin.about(), versions.join(", "));
    // Without a stderr there is nobody to tell.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// Where a call comes from, and where its answer goes.
struct Call<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    stdin: &'a mut dyn Input,
    /// How long stdin may stay open.
    patience: Duration,
    answer: &'a mut dyn FnMut(&Value) -> io::Result<()>,
}

impl Call<'_> {
    /// The checks come in the order of the reference, so that the first error is the same.
    fn serve(self, plugin: &dyn Plugin) -> Result<(), Error> {
        let raw_env = RawEnv::read(self.variable);
        raw_env.validate()?;
        if raw_env.command == Command::Version.as_str() {
            return (self.answer)(&version_answer(plugin, self.stdin)).map_err(|error| unheard(&error));
        }
        let stdin = input::read_all(self.stdin, input::longest(&raw_env.command), self.patience)?;
        let document = Document::parse(shallow::without_depths(&raw_env.command, stdin))?;
        let command: Command = raw_env.command.parse()?;
        let own_netns_allowed = raw_env.own_netns_allowed;
        let env = raw_env.into_env(command);
        log::init(document.raw(), plugin.log_name(), &env);
        gate::check_version(plugin, command, &document.version_text()?)?;
        output::speak(document.version()?);
        if gate::is_of_nothing(command, &document.name)? {
            return Ok(());
        }
        // The process ends with the answer. To give memory back piece by piece would only hold that up.
        let mut request = ManuallyDrop::new(Request { env, config: document.into_config(command)? });
        if !own_netns_allowed {
            gate::refuse_own_netns(&mut request.env)?;
        }
        tracing::debug!("function called");
        match command {
            Command::Add => add(plugin, &mut request, self.answer),
            Command::Check => plugin.check(&request),
            Command::Del => plugin.del(&request),
            Command::Gc => gc(plugin, &request),
            Command::Status => plugin.status(&request),
            Command::Version => Ok(()),
        }
    }
}

fn gc(plugin: &dyn Plugin, request: &Request) -> Result<(), Error> {
    ValidAttachments::or_warn(&request.config)?.map_or(Ok(()), |valid| plugin.gc(request, &valid))
}

/// A result that the config's version cannot say, or that nobody hears, is a failed ADD, and must not leave anything
/// behind: a runtime without an answer knows of no attachment.
fn add(
    plugin: &dyn Plugin,
    request: &mut Request,
    answer: &mut dyn FnMut(&Value) -> io::Result<()>,
) -> Result<(), Error> {
    let result = plugin.add(request)?;
    let value = result.to_value(request.config.cni_version).map_err(|e| Error::internal(e.to_string()));
    let told = value.and_then(|value| {
        require_return(&value, &request.config)?;
        answer(&value).map_err(|error| unheard(&error))
    });
    told.map_err(|error| {
        request.env.command = Command::Del;
        let undone = plugin.del(request);
        let details = undone.err().map(|e| format!("and the rollback failed: {e}"));
        error.with_details(details.unwrap_or_default())
    })
}

/// DEL gets the result back, together with the config, and perhaps with what later plugins of the chain add.
fn require_return(result: &Value, config: &Config) -> Result<(), Error> {
    let longest = input::LONGEST_WITH_RESULT / 2;
    let length = result.to_string().len() + config.stdin().len();
    if length <= longest {
        return Ok(());
    }
    Err(Error::invalid_config(format!(
        "the network config and its result are {length} bytes long together, and DEL may get {longest} of them: give the network fewer routes"
    )))
}

fn unheard(error: &io::Error) -> Error {
    Error::io(format!("cannot write the answer to stdout: {error}"))
}

/// The asked version is echoed, as the specification says; the reference answers its own.
fn version_answer(plugin: &dyn Plugin, stdin: &mut dyn Input) -> Value {
    let asked = input::asked_version(stdin).unwrap_or_else(|| Version::LATEST.to_string());
    json!({ "cniVersion": asked, "supportedVersions": plugin.versions() })
}

#[cfg(test)]
mod tests;
