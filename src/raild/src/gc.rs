//! `raild gc`: what lost pods left on this node, released every few minutes as `railctl gc` does it, with the runtime asked by gRPC
//! on its own socket. A process of its own: it has the node's rights and no API server, the agent the reverse, and no grant waits for
//! a DEL.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runtime::Driver;
use runtime::leftovers::{Said, Sweep};
use state::Dirs;
use tokio::runtime::Runtime;

use crate::grpc::{self, Unanswered};
use crate::wire::{fields, text};

const LIST: &str = "/runtime.v1.RuntimeService/ListPodSandbox";
/// Of each answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const EVERY: u64 = 300;
/// Its key; 0 switches it off.
const KEY: &str = "GC_EVERY_SECONDS";

/// Runs until it is ended.
pub(crate) fn run(tokio: &Runtime) -> Result<(), String> {
    let Some(every) = every(std::env::var(KEY).ok().as_deref())? else {
        eprintln!(
            "raild: gc: {KEY} is 0: what lost pods leave on this node stays until somebody runs `railctl gc --apply`"
        );
        return tokio.block_on(std::future::pending());
    };
    let dirs = Dirs::from_env().map_err(|error| error.to_string())?;
    let driver = Driver::new(plugins(), &dirs, |log, _| eprint!("{log}"));
    let sweep = Sweep { driver: &driver, dirs: &dirs, whole_node: false, apply: true };
    let mut log = Log::default();
    loop {
        tokio.block_on(async { tokio::time::sleep(every).await });
        let ask = |endpoint: &str| tokio.block_on(sandboxes(endpoint));
        let outcome = sweep.run(&ask, &mut |said| {
            log.hear(said);
            Ok(())
        });
        if let Err(error) = outcome {
            log.once(format!("{error:#}"));
        }
        log.turn();
    }
}

/// None is never.
fn every(text: Option<&str>) -> Result<Option<Duration>, String> {
    let seconds = match text.filter(|text| !text.is_empty()) {
        None => EVERY,
        Some(text) => text
            .parse()
            .map_err(|_| format!("{KEY}={text}: expected seconds, such as {EVERY}, or 0 for never"))?,
    };
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}

/// `CNI_PATH`; else those of the image, which are at least as new as the records, else the node's.
fn plugins() -> Vec<PathBuf> {
    match std::env::var_os("CNI_PATH").filter(|path| !path.is_empty()) {
        Some(path) => std::env::split_paths(&path).collect(),
        None => ["/usr/bin", "/opt/cni/bin"].map(PathBuf::from).into(),
    }
}

/// None of a runtime without a CRI.
async fn sandboxes(endpoint: &str) -> Result<Option<BTreeSet<String>>, String> {
    let path = endpoint.strip_prefix("unix://").ok_or("only a unix:// socket can be asked")?;
    match grpc::ask(Path::new(path), LIST, PATIENCE).await {
        Ok(message) => {
            ids(&message).map(Some).ok_or_else(|| "it has told something that is no list of pods".to_owned())
        }
        Err(Unanswered::Unimplemented) => Ok(None),
        Err(why) => Err(why.to_string()),
    }
}

/// Of `ListPodSandboxResponse`, by the numbers of the fields in `runtime/v1/api.proto`; none of what is none, or has a pod without one.
fn ids(message: &[u8]) -> Option<BTreeSet<String>> {
    let id = |pod: &[u8]| fields(pod)?.into_iter().find(|(number, _)| *number == 1).map(|(_, id)| text(id));
    let pods = fields(message)?.into_iter().filter(|(number, _)| *number == 1);
    pods.map(|(_, pod)| id(pod)).collect()
}

/// What goes on is said once, and again when it has changed meanwhile; what was done, always.
#[derive(Default)]
struct Log {
    before: BTreeSet<String>,
    now: BTreeSet<String>,
}

impl Log {
    fn hear(&mut self, said: Said) {
        match said {
            Said::NotAsked(what) => self.once(what),
            Said::Kept { title, why } => self.once(format!("{title} is kept: {why}")),
            Said::Leftover { title, why, outcome: Some(Err(error)) } => {
                self.once(format!("{title} is not released: {error:#}; {why}"));
            }
            Said::Leftover { title, why, .. } => eprintln!("raild: gc: {title} is released: {why}"),
        }
    }

    fn once(&mut self, line: String) {
        if self.is_new(&line) {
            eprintln!("raild: gc: {line}");
        }
        self.now.insert(line);
    }

    fn is_new(&self, line: &str) -> bool {
        !self.before.contains(line) && !self.now.contains(line)
    }

    fn turn(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_switched_off_by_zero_and_by_nothing_else() {
        assert_eq!(every(None), Ok(Some(Duration::from_secs(EVERY))));
        assert_eq!(every(Some("")), Ok(Some(Duration::from_secs(EVERY))));
        assert_eq!(every(Some("7")), Ok(Some(Duration::from_secs(7))));
        assert_eq!(every(Some("0")), Ok(None));
        for text in ["off", "-1", "5m"] {
            assert!(every(Some(text)).unwrap_err().starts_with("GC_EVERY_SECONDS="));
        }
    }

    /// One that is not read would be one that is denied.
    #[test]
    fn every_pod_of_a_list_is_known_or_the_list_is_none() {
        let known = ids(b"\x0a\x05\x0a\x03one\x0a\x07\x0a\x03two\x18\x01").unwrap();
        assert_eq!(known, ["one", "two"].map(str::to_owned).into());
        assert_eq!(ids(b""), Some(BTreeSet::new()));
        for bad in [&b"\x0a\x05\x0a\x03one\x0a"[..], b"\x0a\x02\x18\x01", b"\x0a\x01\xff"] {
            assert_eq!(ids(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_goes_on_is_said_once() {
        let mut log = Log::default();
        assert!(log.is_new("a"));
        log.once("a".to_owned());
        assert!(!log.is_new("a"));
        log.turn();
        assert!(!log.is_new("a") && log.is_new("b"));
        log.turn();
        assert!(log.is_new("a"), "it had ended meanwhile");
    }
}
