//! What is refused before a handler runs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Plugin;
use crate::version::Dotted;
use crate::{Command, Env, Error};

/// Whether the config's version has this verb, and whether the plugin speaks that version.
pub(super) fn check_version(plugin: &dyn Plugin, command: Command, asked: &str) -> Result<(), Error> {
    if matches!(command, Command::Check | Command::Gc | Command::Status) {
        check_verb(plugin, command, asked)?;
    }
    if plugin.versions().iter().any(|version| version.as_str() == asked) {
        return Ok(());
    }
    let supported: Vec<_> = plugin.versions().iter().map(|version| format!("\"{version}\"")).collect();
    let details = format!("config is \"{asked}\", plugin supports [{}]", supported.join(" "));
    Err(Error::incompatible_version("incompatible CNI versions").with_details(details))
}

fn check_verb(plugin: &dyn Plugin, command: Command, asked: &str) -> Result<(), Error> {
    let dotted: Dotted = asked.parse().map_err(|e| Error::decode(format!("{e}")))?;
    let verb = command.as_str();
    if dotted < command.since().into() {
        return Err(Error::incompatible_version(format!("config version does not allow {verb}"))
            .with_details(format!("config is \"{asked}\", {verb} needs {} or later", command.since())));
    }
    if plugin.versions().iter().all(|version| Dotted::from(*version) < dotted) {
        return Err(Error::incompatible_version(format!("plugin version does not allow {verb}")));
    }
    Ok(())
}

/// The longest name that a file can have, and so a record, or what a runtime remembers of an attachment.
const LONGEST_NAME: usize = 255;

/// A network whose name can be no file's has no attachments: an ADD is refused, and an undo has nothing to do.
pub(super) fn is_of_nothing(command: Command, network: &str) -> Result<bool, Error> {
    let length = network.len();
    if length <= LONGEST_NAME {
        return Ok(false);
    }
    if matches!(command, Command::Del | Command::Gc) {
        tracing::warn!("nothing to undo: no attachment has a network name of {length} bytes");
        return Ok(true);
    }
    Err(Error::invalid_config(format!(
        "the network name has {length} bytes: expected at most {LONGEST_NAME}"
    )))
}

/// ADD in the plugin's own namespace would change the host. The reference looks after its handler, when it is too late. A DEL
/// there is about a pod whose path leads to the host by now, and so of a namespace that is at no path.
pub(super) fn refuse_own_netns(env: &mut Env) -> Result<(), Error> {
    let changes = matches!(env.command, Command::Add | Command::Del);
    let Some(netns) = env.netns.as_ref().filter(|_| changes) else { return Ok(()) };
    // One thread is all there is by now. The way by `thread-self` makes the kernel set up twice as many entries of /proc.
    let own = identity(Path::new("/proc/self/ns/net"));
    if own.is_none() || identity(netns) != own {
        return Ok(());
    }
    if env.command == Command::Del {
        tracing::warn!(netns = %netns.display(), "CNI_NETNS leads to the host, where nothing is deleted");
        env.netns = None;
        return Ok(());
    }
    Err(Error::netns("plugin's netns and netns from CNI_NETNS should not be the same")
        .with_details(format!("CNI_NETNS is {}; set CNI_NETNS_OVERRIDE=1 to allow it", netns.display())))
}

/// Device and inode; `None` when there is nothing at the path, which is for the handler to judge.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}
