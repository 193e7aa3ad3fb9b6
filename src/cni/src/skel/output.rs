//! The one object on stdout.

use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::called;
use crate::{Error, Version};

static SPOKEN: OnceLock<Version> = OnceLock::new();
static ANSWERED: AtomicBool = AtomicBool::new(false);

/// Errors from here on carry this version.
pub(super) fn speak(version: Version) {
    // Only the first call counts, and there is one call per process.
    let _ = SPOKEN.set(version);
}

/// Nothing follows an answer, not even one that came only half through.
pub(super) fn print(answer: &Value) -> io::Result<()> {
    if ANSWERED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    write_line(answer)
}

pub(super) fn print_error(error: &Error) {
    let version = SPOKEN.get().copied().unwrap_or(Version::LATEST);
    // Whoever does not hear the error finds it in the log.
    let _ = print(&error.to_value(version.as_str()));
}

fn write_line(answer: &Value) -> io::Result<()> {
    let mut line = answer.to_string().into_bytes();
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()
}

/// Lets a panic end like any other failure: a runtime that finds no JSON on stdout can say nothing but "exit status".
pub(super) fn answer_panics() {
    panic::set_hook(Box::new(|info| {
        let error = Error::internal(format!("internal error: {}", message(info))).with_details(place(info));
        let _ = writeln!(io::stderr(), "{error}");
        print_error(&error);
        called::end(Some(error.code));
        process::exit(1);
    }));
}

fn message<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic without a message")
}

fn place(info: &PanicHookInfo<'_>) -> String {
    let binary = std::env::args().next().unwrap_or_default();
    info.location().map_or_else(|| binary.clone(), |at| format!("{binary} panicked at {at}"))
}
