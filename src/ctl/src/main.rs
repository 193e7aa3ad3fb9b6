//! `railctl`: for people who attach, inspect and try out rails.

mod build;
mod cli;
mod complete;
mod demo;
mod doctor;
mod echo;
mod explain;
mod host;
mod inject;
mod kubectl;
mod man;
mod map;
mod migrate;
mod node;
mod output;
mod plan;
mod pod;
mod pools;
mod quarantine;
mod reconcile;
mod release;
mod render;
mod show;
mod top;
mod verbs;
mod watch;
mod who;

use std::process::ExitCode;

use anyhow::Result;
use cli::{Cli, Command};
use nix::unistd::Uid;
use output::{BAD, styled};

fn main() -> ExitCode {
    complete::answer();
    let cli = Cli::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    output::set(cli.manner);
    match run(cli.command) {
        Ok(code) => code,
        Err(error) if error.is::<Differs>() => ExitCode::from(DIFFERS),
        // `railctl show | head` has got what it wanted.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let text = with_cure(format!("{error:#}"), Uid::effective().is_root());
            output::complain(&format!("{} {text}\n", styled(BAD, "railctl:")));
            ExitCode::FAILURE
        }
    }
}

/// Of `--exit-code`, as `diff` has 1; 2 is a wrong command line.
const DIFFERS: u8 = 3;

/// What was looked at is not as it should be, and all has been said about it.
#[derive(Debug)]
struct Differs;

impl std::fmt::Display for Differs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("there are differences")
    }
}

impl std::error::Error for Differs {}

/// Records and namespaces are root's.
fn with_cure(text: String, is_root: bool) -> String {
    let is_denied = ["EACCES", "EPERM", "Permission denied", "Operation not permitted"];
    let is_denied = is_denied.iter().any(|word| text.contains(word));
    let is_told = ["as root", "root is needed", "needs root"].iter().any(|words| text.contains(words));
    if is_denied && !is_root && !is_told { text + ": run railctl as root" } else { text }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Doctor(args) => return doctor::run(&args),
        Command::Attach(args) => verbs::attach(&args),
        Command::Detach(args) => verbs::detach(&args),
        Command::Check(args) => verbs::check(&args),
        Command::Gc(args) => verbs::gc(&args),
        Command::Status(args) => verbs::status(&args),
        Command::Show(args) => show::run(&args),
        Command::Pools(args) => pools::run(&args),
        Command::Who(args) => who::run(&args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Release(release::Release::Node(args)) => release::node(&args),
        Command::Quarantine(args) => quarantine::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Inject(args) => inject::run(&args),
        Command::Node(command) => node::run(&command),
        Command::Host(command) => host::run(&command),
        Command::Map(args) => map::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Completion { shell } => complete::script(shell),
        Command::Version { output } => build::run(output),
        Command::Man { directory } => man::run(&directory),
    }?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_is_told_who_may() {
        let denied = || "open /run/railcni: permission denied (EACCES)".to_owned();
        assert_eq!(with_cure(denied(), false), format!("{}: run railctl as root", denied()));
        assert_eq!(with_cure(denied(), true), denied());
        for text in ["no such link", "look into a: root is needed: EPERM"] {
            assert_eq!(with_cure(text.to_owned(), false), text);
        }
    }
}
