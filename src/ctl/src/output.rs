//! What the commands print: aligned tables for people, JSON and YAML for programs. All of it goes through here, because names
//! and texts that pods and tenants made up must not tell a terminal what to do.

mod escape;

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

pub(crate) use yaml::to_yaml;

use crate::cli::{Format, Manner};

/// Headings.
pub(crate) const STRONG: Style = Style::new().bold();
/// What is only there to be complete.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// What went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What did not.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What may need a look.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();

static VERBOSE: AtomicBool = AtomicBool::new(false);
static NO_HEADERS: AtomicBool = AtomicBool::new(false);

/// How all that follows is printed.
pub(crate) fn set(manner: Manner) {
    VERBOSE.store(manner.verbose, Ordering::Relaxed);
    NO_HEADERS.store(manner.no_headers, Ordering::Relaxed);
}

/// Whether tables come without headings, and without what would be a heading above them.
pub(crate) fn no_headers() -> bool {
    NO_HEADERS.load(Ordering::Relaxed)
}

/// The text in a style; [`anstream`] takes the style off where no terminal is or `NO_COLOR` is set.
pub(crate) fn styled(style: Style, text: &str) -> String {
    let (on, off) = (escape::ours(&style.to_string()), escape::ours(&format!("{style:#}")));
    format!("{on}{text}{off}")
}

/// Prints a value for programs.
pub(crate) fn print<T: Serialize>(value: &T, format: Format) -> Result<()> {
    let value = serde_json::to_value(value)?;
    let text = match format {
        Format::Yaml => to_yaml(&value),
        Format::Json | Format::Table | Format::Wide => format!("{value:#}\n"),
    };
    write(&text)
}

/// Prints for programs: JSON or YAML, where an escaped character means the same.
pub(crate) fn write(text: &str) -> Result<()> {
    Ok(std::io::stdout().lock().write_all(escape::lines(text).as_bytes())?)
}

/// Tells people on stderr what may need a look.
pub(crate) fn warn(problem: &str) {
    complain(&format!("{} {problem}\n", styled(WARN, "!")));
}

/// Prints on stderr, as [`text`] does on stdout. Nobody is left to hear it when stderr is closed.
pub(crate) fn complain(text: &str) {
    let _ = anstream::stderr().lock().write_all(escape::lines(text).as_bytes());
}

/// What a plugin logged: its warnings, all of it with `-v`. Why it failed is told by who called it.
pub(crate) fn log(log: &str, failed: bool) {
    let is_of = |line: &str, level: &str| line.contains(&format!(" level=\"{level}\""));
    let is_noted = |line: &str| ["info", "debug", "verbose"].iter().any(|level| is_of(line, level));
    let is_told =
        |line: &&str| VERBOSE.load(Ordering::Relaxed) || !(is_noted(line) || failed && is_of(line, "error"));
    log.lines().filter(is_told).for_each(|line| complain(&format!("{line}\n")));
}

/// Prints a line for people.
pub(crate) fn line(line: &str) -> Result<()> {
    text(&format!("{}\n", escape::line(line)))
}

/// Prints in place of all that a terminal shows.
pub(crate) fn screen(shown: &str) -> Result<()> {
    // Anstream takes it off where colour is not wanted; it is none.
    std::io::stdout().lock().write_all(b"\x1b[H\x1b[J")?;
    text(shown)
}

/// Prints for people: with colour where there is a terminal that wants it.
pub(crate) fn text(text: &str) -> Result<()> {
    Ok(anstream::stdout().lock().write_all(escape::lines(text).as_bytes())?)
}

/// Rows below headings, every column as wide as its widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(ToString::to_string).collect()] }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| escape::line(&cell)).collect());
    }

    /// The lines, without colour but for the headings.
    pub(crate) fn render(&self) -> String {
        let widths = self.widths();
        let mut text = String::new();
        let skipped = usize::from(no_headers());
        for (number, row) in self.rows.iter().enumerate().skip(skipped) {
            let line = align(row, &widths);
            text.push_str(&if number == 0 { styled(STRONG, &line) } else { line });
            text.push('\n');
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let printed = &self.rows[usize::from(no_headers()).min(self.rows.len())..];
        let width = |column: usize| {
            printed.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        (0..columns).map(|column| width(column).unwrap_or(0)).collect()
    }
}

fn align(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// As it looks where there is no colour.
#[cfg(test)]
pub(crate) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(&escape::lines(text)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["POOL", "FREE"]);
        table.row(["gpu1-net11".into(), "200".into()]);
        table.row(["x".into(), String::new()]);
        assert_eq!(plain(&table.render()), "POOL        FREE\ngpu1-net11  200\nx\n");
    }

    #[test]
    fn a_style_is_ours_alone() {
        let text = format!("{} \u{1b}[32m✓\u{1b}[0m", styled(BAD, "no\u{9b}1m"));
        let printed = escape::lines(&text);
        assert!(printed.starts_with(&format!("{BAD}no\\u009b1m{BAD:#} ")), "{printed:?}");
        assert_eq!(plain(&text), "no\\u009b1m \\u001b[32m✓\\u001b[0m");
    }
}
