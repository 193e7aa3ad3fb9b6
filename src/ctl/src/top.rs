//! `railctl top`: what goes over the rails of this node's pods now. Counters are those of the metrics, by the same records; no pod is
//! entered.

mod picture;
mod rates;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use metrics::look::Eyes;
use state::Dirs;

use crate::cli::Format;
use crate::{output, watch};
use picture::{Room, picture};
use rates::{Rails, Row};

#[derive(Args, Debug)]
pub(crate) struct Top {
    /// Rails of this pod alone: namespace/name, or the container ID of a sandbox that no kubelet made
    #[arg(long, value_name = "NS/NAME")]
    pod: Option<String>,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Look for so long once, print that, and end; json and yaml always do
    #[arg(long)]
    once: bool,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Where the node's file system begins: its mount in a container
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

pub(crate) const HELP: &str = "\
Rates are those between two looks; errors and drops are counted from the first look on. On a terminal the picture is drawn anew at every \
look, else it is printed once more. Counters of RDMA devices and of pause frames are read every 15 seconds at most, for a driver may ask its \
firmware for them: with --once, RDMA has a rate from --every 15 on. docs/metrics.md says whose a counter is, and what no counter tells.";

pub(crate) fn run(args: &Top) -> Result<()> {
    let every = Duration::from_secs(args.every);
    let mut eyes = Eyes::new(Dirs::from_env()?, &args.root.join("proc"), &args.root.join("sys"));
    let mut screen = Screen { is_live: is_live(args), is_wide: args.output == Format::Wide, shown: None };
    let mut rails = Rails::default();
    rails.see(&eyes.look(), Instant::now());
    while watch::is_read(every)? {
        let sight = eyes.look();
        rails.see(&sight, Instant::now());
        let rows = rails.rows(args.pod.as_deref());
        if !args.output.is_table() {
            for problem in &sight.problems {
                output::warn(problem);
            }
            return output::print(&rows, args.output);
        }
        screen.show(&rows, sight.problems)?;
        if args.once {
            break;
        }
    }
    Ok(())
}

struct Screen {
    is_live: bool,
    is_wide: bool,
    /// What could not be read at the last look, if there was one.
    shown: Option<Vec<String>>,
}

impl Screen {
    fn show(&mut self, rows: &[Row], problems: Vec<String>) -> Result<()> {
        let picture = picture(rows, self.is_wide, self.room());
        if self.is_live {
            output::screen(&picture)?;
        } else {
            let apart = if self.shown.is_some() { "\n" } else { "" };
            output::text(&format!("{apart}{picture}"))?;
        }
        // Drawn over on a terminal, where they have to be said again.
        if self.is_live || self.shown.as_ref() != Some(&problems) {
            for problem in &problems {
                output::warn(problem);
            }
        }
        self.shown = Some(problems);
        Ok(())
    }

    fn room(&self) -> Option<Room> {
        let (width, height) = terminal_size::terminal_size().filter(|_| self.is_live)?;
        Some(Room { columns: usize::from(width.0), lines: usize::from(height.0) })
    }
}

/// A terminal that can be drawn on.
fn is_live(args: &Top) -> bool {
    let obeys = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    !args.once && args.output.is_table() && obeys && std::io::stdout().is_terminal()
}
