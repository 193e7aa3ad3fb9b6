//! The log of one call: `key="value"` lines on stderr, or appended to the file that the config names.

mod clock;
mod options;
mod subscriber;

pub use clock::rfc3339_of;

use serde_json::Value;

use crate::Env;

/// Starts the log of this process. Keys of the config: `logLevel` or `log_level` (panic, fatal, error, warning, info,
/// debug, verbose or trace; anything else is info), `logFile` or `log_file_path`, both also in `logOptions`.
/// A file that cannot be opened is a warning on stderr. `name` is `cniName` in each line, or the `type` if empty.
pub fn init(config: &Value, name: &str, env: &Env) {
    let options = options::read(config);
    let name = if name.is_empty() { options.plugin_type } else { name };
    let (sink, failure) = subscriber::Sink::open(options.file);
    let log = subscriber::Log::new(sink, options.level, subscriber::tokens(name, env));
    // A second call in one process keeps the first log.
    let _ = tracing::subscriber::set_global_default(log);
    if let Some(failure) = failure {
        tracing::warn!("logging to stderr: {failure}");
    }
}

#[cfg(test)]
mod tests;
