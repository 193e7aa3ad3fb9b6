//! The entrypoint of the image.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use install::{Error, Options, Outcome, Target, USAGE, Verb, remove};
use nix::sys::signal::{SigSet, Signal};

fn main() -> ExitCode {
    // Process 1 of a container gets no signal that it has not asked for.
    let ends = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect::<SigSet>();
    let asked = ends.thread_block();
    match run() {
        Ok(stay) => {
            if stay && asked.is_ok() {
                let _ = ends.wait();
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "railcni-install: {error}");
            ExitCode::from(if matches!(error, Error::Arguments(_)) { 2 } else { 1 })
        }
    }
}

/// Whether to stay when it is done.
fn run() -> Result<bool, Error> {
    let options = Options::parse(arguments(), &variables())?;
    match options.verb {
        Verb::Help => say(USAGE),
        Verb::Version => say(&format!("railcni-install {}", version::text())),
        Verb::Install => install(&options)?,
        Verb::Uninstall => {
            for path in remove(&options)? {
                say(&format!("removed {}", path.display()));
            }
        }
    }
    Ok(options.sleep && matches!(options.verb, Verb::Install | Verb::Uninstall))
}

fn arguments() -> Vec<String> {
    std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect()
}

/// Those that are text; no other can be meant for us.
fn variables() -> HashMap<String, String> {
    let text =
        |(key, value): (OsString, OsString)| Some((key.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).collect()
}

fn install(options: &Options) -> Result<(), Error> {
    let target = Target::open(&options.target)?;
    for (path, outcome) in target.install(&options.files)? {
        let word = match outcome {
            Outcome::Installed => "installed",
            Outcome::Replaced => "replaced",
            Outcome::Unchanged => "unchanged",
        };
        say(&format!("{word} {}", path.display()));
    }
    Ok(())
}

fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
