//! `railctl man`: manual pages of all commands, for packages.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::cli::Cli;

/// Administration commands.
const SECTION: &str = "8";

pub(crate) fn run(directory: &Path) -> Result<()> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    write(&command, directory)
}

/// The page of a command, and those of what is below it.
fn write(command: &Command, directory: &Path) -> Result<()> {
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .try_for_each(|below| write(below, directory))?;
    let page = Man::new(command.clone()).section(SECTION).source(format!("railcni {}", version::RELEASE));
    let path = directory.join(page.get_filename());
    let written = File::create(&path).and_then(|mut file| page.render(&mut file));
    written.with_context(|| format!("write {}", path.display()))
}
