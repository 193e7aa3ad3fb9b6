//! What the demo says, and how long each step took.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::stage::Stage;
use crate::output::{self, FAINT, GOOD, STRONG, styled};

/// Prints one line per step with the time since the one before.
#[derive(Debug)]
pub(crate) struct Narrator {
    start: Instant,
    step: Instant,
    /// The last words were something to look at.
    shown: bool,
}

impl Narrator {
    pub(crate) fn start() -> Self {
        let title = "a pod with eight rails: veth instead of NICs, everything else as on a GPU node";
        // Nobody listens when stdout is closed; the exit code still tells.
        let _ = say(&format!("{} {title}\n", styled(STRONG, "railctl demo")));
        Self { start: Instant::now(), step: Instant::now(), shown: false }
    }

    /// The step that has just ended well.
    pub(crate) fn did(&mut self, step: &str, what: &str) {
        let took = styled(FAINT, &milliseconds(self.step.elapsed()));
        let gap = if std::mem::take(&mut self.shown) { "\n" } else { "" };
        let _ = say(&format!("{gap}{} {step:<10}{what}  {took}", styled(GOOD, "✓")));
        self.step = Instant::now();
    }

    /// Something to look at, indented.
    pub(crate) fn show(&mut self, heading: &str, text: &str) {
        let text = text.trim_end().replace('\n', "\n    ");
        let _ = say(&format!("\n    {}\n    {text}", styled(STRONG, heading)));
        self.shown = true;
        self.step = Instant::now();
    }

    pub(crate) fn end(&self) {
        let _ = say(&format!("\ndone in {}, and nothing is left of it", milliseconds(self.start.elapsed())));
    }
}

/// How to look at what `--keep` left, and how to be rid of it.
pub(crate) fn kept(stage: &Stage, plugins: &Path) -> Result<()> {
    let (pod, folder) = (stage.pod(), stage.folder().display().to_string());
    let railctl = std::env::current_exe()?.display().to_string();
    let driven = format!(
        "{railctl} check gpu1-macvlan {pod} --conf-dir {folder}/net.d --bin-dir {}",
        plugins.display()
    );
    let explore = [
        format!("ip netns exec {pod} ip rule"),
        format!("ip netns exec {pod} ping -c 1 -I net3 172.16.13.254"),
        format!(
            "export RAILCNI_STATE_DIR={folder}/state RAILCNI_DURABLE_DIR={folder}/durable RAILCNI_CONFIG_DIR={folder}/config"
        ),
        format!("ip netns exec {} {railctl} show {pod}", stage.host()),
        format!("ip netns exec {} {driven}", stage.host()),
        format!("{railctl} pools"),
    ];
    say(&format!("\n{}\n    {}", styled(STRONG, "explore"), explore.join("\n    ")))?;
    say(&format!("{}\n    {railctl} demo --remove {}", styled(STRONG, "remove"), stage.number()))
}

fn say(text: &str) -> Result<()> {
    output::text(&format!("{text}\n"))
}

fn milliseconds(time: Duration) -> String {
    match time.as_secs_f64() * 1000.0 {
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1000.0),
    }
}
