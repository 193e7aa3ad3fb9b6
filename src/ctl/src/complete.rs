//! What a shell offers where a name is asked for, and the script by which it asks: railctl itself, with what has been typed so far.
//!
//! A name is offered as this node's files have it, and only if no shell would take it for more than a word: pods have their names from
//! people whom the node does not trust.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use clap_complete::engine::ValueCompleter;
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, CompletionCandidate, PathCompleter, Shell};
use runtime::network;
use state::Dirs;

use crate::cli::{CONF_DIR, Cli};
use crate::pod::NAMED;
use crate::{kubectl, show};

/// Names the shell when it is one that runs railctl.
const VARIABLE: &str = "RAILCTL_COMPLETE";

/// zsh loads the file when it is asked for the first time, as the function that is to answer.
const OF_ZSH: &str = "[ \"$funcstack[1]\" = _railctl ] && _clap_dynamic_completer_railctl\n";

/// Answers a shell that asks, and ends.
pub(crate) fn answer() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
}

/// Prints what makes a shell ask.
pub(crate) fn script(shell: Shell) -> Result<()> {
    let shells = Shells::builtins();
    let shell = shells.completer(&shell.to_string()).with_context(|| format!("{shell} has no completion"))?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "railctl", "railctl", "railctl", &mut script)?;
    if shell.is("zsh") {
        script.extend(OF_ZSH.as_bytes());
    }
    Ok(io::stdout().write_all(&script)?)
}

/// Networks of the config directory; files where no network begins so.
pub(crate) fn networks(current: &OsStr) -> Vec<CompletionCandidate> {
    or_files(known_networks(current), current)
}

/// The same, and pods: which word is the last one, nobody knows before it is typed.
pub(crate) fn networks_and_pods(current: &OsStr) -> Vec<CompletionCandidate> {
    let (mut found, pods) = (known_networks(current), pods(current));
    found.extend(pods);
    or_files(found, current)
}

fn known_networks(current: &OsStr) -> Vec<CompletionCandidate> {
    let folder = std::env::var_os("NETCONFPATH").unwrap_or_else(|| CONF_DIR.into());
    offered(network::names(Path::new(&folder)), current)
}

fn or_files(found: Vec<CompletionCandidate>, current: &OsStr) -> Vec<CompletionCandidate> {
    if found.is_empty() { PathCompleter::any().complete(current) } else { found }
}

/// Pods as Kubernetes calls them, and network namespaces as `ip netns` does.
pub(crate) fn pods(current: &OsStr) -> Vec<CompletionCandidate> {
    let entries = std::fs::read_dir(NAMED).into_iter().flatten().flatten();
    let namespaces = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let pods = Dirs::from_env().map(|dirs| show::pod_names(&dirs)).unwrap_or_default();
    let mut names: Vec<_> = namespaces.chain(pods).collect();
    names.sort_unstable();
    offered(names, current)
}

/// Namespaces of the cluster that kubectl talks to.
pub(crate) fn namespaces(current: &OsStr) -> Vec<CompletionCandidate> {
    offered(kubectl::names("namespaces").unwrap_or_default(), current)
}

/// Nodes of that cluster which have addresses by grant.
pub(crate) fn rail_nodes(current: &OsStr) -> Vec<CompletionCandidate> {
    offered(kubectl::names("railnodes.railcni.dev").unwrap_or_default(), current)
}

fn offered(names: Vec<String>, current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let names = names.into_iter().filter(|name| name.starts_with(&*current) && is_plain(name));
    names.map(CompletionCandidate::new).collect()
}

/// To every shell one word, and nothing but that.
fn is_plain(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+".contains(c);
    !name.starts_with('-') && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_run_is_not_offered() {
        let names = ["rail1", "rail2", "$(reboot)", "rail 3", "rail;4", "rail`5`", "-rf", "default/worker-0"];
        let offered = |current: &str| -> Vec<String> {
            let names = names.map(str::to_owned).to_vec();
            let candidates = super::offered(names, OsStr::new(current));
            candidates.iter().map(|one| one.get_value().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(offered("rail"), ["rail1", "rail2"]);
        assert_eq!(offered(""), ["rail1", "rail2", "default/worker-0"]);
        assert_eq!(offered("default/"), ["default/worker-0"]);
    }
}
