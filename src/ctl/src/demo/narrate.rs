//! What the demo says, and how long each step took.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::stage::{Stage, netns_path};
use crate::output::{FAINT, GOOD, STRONG, line, styled};

/// Prints one line per step with the time since the one before.
#[derive(Debug)]
pub(crate) struct Narrator {
    start: Instant,
    step: Instant,
}

impl Narrator {
    pub(crate) fn start() -> Self {
        let title = "a pod with eight rails: veth instead of NICs, everything else as on a GPU node";
        // Nobody listens when stdout is closed; the exit code still tells.
        let _ = line(&format!("{} {title}\n", styled(STRONG, "railctl demo")));
        Self { start: Instant::now(), step: Instant::now() }
    }

    /// The step that has just ended well.
    pub(crate) fn did(&mut self, step: &str, what: &str) {
        let took = styled(FAINT, &milliseconds(self.step.elapsed()));
        let _ = line(&format!("{} {step:<10}{what}  {took}", styled(GOOD, "✓")));
        self.step = Instant::now();
    }

    /// Something to look at, indented.
    pub(crate) fn show(&mut self, heading: &str, text: &str) {
        let text = text.trim_end().replace('\n', "\n    ");
        let _ = line(&format!("\n    {}\n    {text}\n", styled(STRONG, heading)));
        self.step = Instant::now();
    }

    pub(crate) fn end(&self) {
        let _ = line(&format!("\ndone in {}, and nothing is left of it", milliseconds(self.start.elapsed())));
    }
}

/// How to look at what `--keep` left, and how to be rid of it.
pub(crate) fn kept(stage: &Stage) -> Result<()> {
    let (host, pod, folder) = (stage.host(), stage.pod(), stage.folder());
    let path = netns_path(&pod);
    line(&format!(
        "\n{explore}\n\
         \x20   ip netns exec {pod} ip rule\n\
         \x20   ip netns exec {pod} ip route show table all\n\
         \x20   ip netns exec {pod} ping -I net3 172.16.13.254\n\
         \x20   export RAILCNI_STATE_DIR={folder}/state RAILCNI_CONFIG_DIR={folder}/config RAILCNI_DURABLE_DIR={folder}/durable\n\
         \x20   railctl show {pod}\n\
         \x20   ip netns exec {host} railctl check gpu1-macvlan {path} -i net1 --conf-dir {folder}/net.d --bin-dir ...\n\
         {remove}\n\
         \x20   railctl demo --remove {number}",
        explore = styled(STRONG, "explore"),
        remove = styled(STRONG, "remove"),
        folder = folder.display(),
        path = path.display(),
        number = stage.number(),
    ))
}

fn milliseconds(time: Duration) -> String {
    match time.as_secs_f64() * 1000.0 {
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1000.0),
    }
}
