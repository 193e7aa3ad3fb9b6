//! Running a program to its end, with what it said in the error.

use std::io::{Seek, Write};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Runs `command` and returns its standard output; a failure carries the end of both streams.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let result = command.output().with_context(|| format!("run {shown}"))?;
    let stdout = String::from_utf8_lossy(&result.stdout).into_owned();
    if result.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&result.stderr);
    bail!("{shown}: {}\n{}{}", result.status, tail(&stdout, 15), tail(&stderr, 15))
}

/// As [`output`], with `input` on standard input.
pub(crate) fn fed(command: &mut Command, input: &str) -> Result<String> {
    let mut file = tempfile::tempfile()?;
    file.write_all(input.as_bytes())?;
    file.rewind()?;
    output(command.stdin(file))
}

/// The last `count` lines of `text`.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n") + "\n"
}
