//! The command line.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

const USAGE: &str =
    "usage: bench [vf] [--bin-dir DIR] [--peer-dir DIR] [--bare PROGRAM] [--json FILE] [--rounds N] [--check]
  vf          in a guest of the VM lab: a VF and a rail against their bare messages, eight rails on VFs against the peers'
              eight macvlans; the table on stderr, all numbers on stdout
  --bin-dir   the plugins to measure (dist)
  --peer-dir  what to measure them against (/usr/lib/cni); the same directory on both sides shows the noise
  --bare      the program that sends the bare netlink messages (beside this one)
  --json      where every number goes (target/bench.json), and with .md and .svg a table and a picture of them
  --rounds    of the measurements that take milliseconds (100); the slower ones take a part of it
  --check     fail when a budget is missed";

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) bin_dir: PathBuf,
    pub(crate) peer_dir: PathBuf,
    pub(crate) bare: PathBuf,
    pub(crate) json: PathBuf,
    pub(crate) rounds: usize,
    pub(crate) check: bool,
}

impl Options {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            bin_dir: "dist".into(),
            peer_dir: "/usr/lib/cni".into(),
            bare: std::env::current_exe()?.with_file_name("bare"),
            json: "target/bench.json".into(),
            rounds: 100,
            check: false,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} needs a value\n{USAGE}"));
            match arg.as_str() {
                "--bin-dir" => options.bin_dir = value()?.into(),
                "--peer-dir" => options.peer_dir = value()?.into(),
                "--bare" => options.bare = value()?.into(),
                "--json" => options.json = value()?.into(),
                "--rounds" => options.rounds = value()?.parse().context("--rounds needs a number")?,
                "--check" => options.check = true,
                "--help" => bail!("{USAGE}"),
                _ => bail!("unknown argument {arg:?}\n{USAGE}"),
            }
        }
        options.absolute()
    }

    fn absolute(self) -> Result<Self> {
        let real = |path: &Path| path.canonicalize().with_context(|| format!("find {}", path.display()));
        let (bin_dir, peer_dir, bare) = (real(&self.bin_dir)?, real(&self.peer_dir)?, real(&self.bare)?);
        if self.rounds < 10 {
            bail!("--rounds {}: fewer than 10 say nothing", self.rounds);
        }
        Ok(Self { bin_dir, peer_dir, bare, json: std::path::absolute(&self.json)?, ..self })
    }
}
