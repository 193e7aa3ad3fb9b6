use std::fmt::{Debug, Write as _};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use state::file;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::clock;
use crate::lenient::cut;
use crate::node::{self, Named};
use crate::{Env, Error};

/// Bytes that one call writes, and characters of one value in them: whoever writes a network's config has part in what is said.
const MOST: usize = 128 << 10;
const LONGEST: usize = 4 << 10;

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
    written: Mutex<Written>,
}

/// What one call has written by now.
#[derive(Default)]
pub(super) struct Written {
    bytes: usize,
    warnings: Vec<String>,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Written,
    /// There is no room for it, which is said once.
    First,
    Dropped,
}

impl Written {
    /// Each rail of a network has the same to say of what they have in common: a warning is written once.
    pub(super) fn fate(&mut self, is_warning: bool, said: &str, bytes: usize) -> Fate {
        if self.bytes > MOST || is_warning && self.warnings.iter().any(|warning| warning == said) {
            return Fate::Dropped;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MOST {
            return Fate::First;
        }
        if is_warning {
            self.warnings.push(said.to_owned());
        }
        Fate::Written
    }
}

impl Log {
    pub(super) fn new(sink: Sink, level: LevelFilter, tokens: String) -> Self {
        Self { sink, level, tokens, written: Mutex::default() }
    }
}

fn line_of(level: Level, said: &str) -> String {
    let mut line = format!("time=\"{}\"", clock::rfc3339(SystemTime::now()));
    push(&mut line, "level", &level_name(level));
    line.push_str(said);
    line.push('\n');
    line
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
        let mut said = String::new();
        push(&mut said, "msg", &fields.message);
        said.push_str(&self.tokens);
        said.push_str(&fields.others);
        let level = *event.metadata().level();
        let line = line_of(level, &said);
        // Held while it is written, so that the order is that in which it was decided.
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        match written.fate(level == Level::WARN, &said, line.len()) {
            Fate::Written => self.sink.write(&line),
            Fate::First => {
                let mut said = String::new();
                push(&mut said, "msg", &format!("one call logs {MOST} bytes at most: the rest is left out"));
                said.push_str(&self.tokens);
                self.sink.write(&line_of(Level::WARN, &said));
            }
            Fate::Dropped => (),
        }
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
        let value = cut(value, LONGEST);
        if field.name() == "message" {
            self.message = value.into_owned();
        } else {
            push(&mut self.others, field.name(), &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
