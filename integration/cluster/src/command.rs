//! Running a program to its end, with what it said in the error.

use std::io::{Seek, Write};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// Runs `command` and returns its standard output; a failure carries what it wrote.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let result = command.stdin(Stdio::null()).output().with_context(|| format!("run {shown}"))?;
    judged(&shown, &result)
}

/// As [`output`], with `input` on standard input: by a file, as a thread in the process namespace of others cannot start one
/// that would write to a pipe.
pub(crate) fn fed(command: &mut Command, input: &str) -> Result<String> {
    let mut file = tempfile::tempfile().context("make a temporary file")?;
    file.write_all(input.as_bytes())?;
    file.rewind()?;
    let shown = shown(command);
    let result = command.stdin(file).output().with_context(|| format!("run {shown}"))?;
    judged(&shown, &result)
}

fn judged(shown: &str, result: &Output) -> Result<String> {
    let stdout = String::from_utf8_lossy(&result.stdout).into_owned();
    if result.status.success() {
        return Ok(stdout);
    }
    bail!("{shown}: {}\n{}{}", result.status, tail(&stdout), tail(&String::from_utf8_lossy(&result.stderr)))
}

/// Program and arguments, without the environment.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The last lines of `text`.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n") + "\n"
}
