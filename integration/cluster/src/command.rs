//! Running a program to its end, with what it said in the error.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// Runs `command` and returns its standard output; a failure carries what it wrote.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let result = command.stdin(Stdio::null()).output().with_context(|| format!("run {shown}"))?;
    judged(&shown, &result)
}

/// As [`output`], with `input` on standard input.
pub(crate) fn fed(command: &mut Command, input: &str) -> Result<String> {
    let shown = shown(command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("run {shown}"))?;
    let mut stdin = child.stdin.take().context("no pipe to write to")?;
    // Both at once: a program may say much before it has read all.
    let (written, result) = std::thread::scope(|scope| {
        let writer = scope.spawn(move || stdin.write_all(input.as_bytes()));
        let result = child.wait_with_output();
        (writer.join(), result)
    });
    let text = judged(&shown, &result.with_context(|| format!("wait for {shown}"))?)?;
    if let Ok(written) = written {
        written.with_context(|| format!("write to {shown}"))?;
    }
    Ok(text)
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
