use std::fmt::{Debug, Write as _};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::SystemTime;

use state::file;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::clock;
use crate::node::{self, Named};
use crate::{Env, Error};

/// Where lines go.
pub(super) enum Sink {
    Stderr,
    File(File),
}

impl Sink {
    /// The file, made with its directories if need be; or stderr, and why it is not the file.
    pub(super) fn open(path: Option<&str>) -> (Self, Option<String>) {
        let Some(path) = path else { return (Self::Stderr, None) };
        match open(path) {
            Ok(file) => (Self::File(file), None),
            Err(error) => (Self::Stderr, Some(format!("cannot open the log file: {error}"))),
        }
    }

    /// One write per line, so that processes that share the file do not mix theirs. What cannot be logged is lost.
    fn write(&self, line: &str) {
        let _ = match self {
            Self::Stderr => io::stderr().write_all(line.as_bytes()),
            Self::File(file) => (&*file).write_all(line.as_bytes()),
        };
    }
}

/// Whoever writes the config names it.
fn open(path: &str) -> Result<File, Error> {
    let path = node::allowed(Named::LogFile, "logFile", Path::new(path))?;
    file::open_to_append(&path).map_err(|error| Error::io(error.to_string()))
}

/// A subscriber for one process that serves one call: no spans, the same tokens in each line.
pub(super) struct Log {
    sink: Sink,
    level: LevelFilter,
    tokens: String,
}

impl Log {
    pub(super) fn new(sink: Sink, level: LevelFilter, tokens: String) -> Self {
        Self { sink, level, tokens }
    }
}

/// What each line says about the call.
pub(super) fn tokens(name: &str, env: &Env) -> String {
    let mut tokens = String::new();
    let pairs = [
        ("func", env.command.func()),
        ("cniName", name),
        ("containerID", &env.container_id),
        ("netns", env.netns.as_ref().and_then(|path| path.to_str()).unwrap_or_default()),
        ("ifname", &env.ifname),
    ];
    for (key, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
        push(&mut tokens, key, &value);
    }
    tokens
}

/// What is in quotes can neither end the line nor, should a shell come to read it, be a command.
pub(super) fn push(line: &mut String, key: &str, value: &dyn Debug) {
    // Writing to a String cannot fail.
    let _ = write!(line, " {key}={}", harmless(&format!("{value:?}")));
}

fn harmless(quoted: &str) -> String {
    quoted.replace('$', "\\u{24}").replace('`', "'")
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = format!("time=\"{}\"", clock::rfc3339(SystemTime::now()));
        push(&mut line, "level", &level_name(*event.metadata().level()));
        push(&mut line, "msg", &fields.message);
        line.push_str(&self.tokens);
        line.push_str(&fields.others);
        line.push('\n');
        self.sink.write(&line);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The names that operators' tools know.
fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "verbose",
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            push(&mut self.others, field.name(), &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
