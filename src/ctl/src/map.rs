//! `railctl map`: where GPUs and NICs of this node hang.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use host::doctor::{self, Whose};

use crate::output;

#[derive(Args, Debug)]
pub(crate) struct Map {
    /// Where the node's file system begins: its mount in a container
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

pub(crate) fn run(args: &Map) -> Result<()> {
    let mut sight = doctor::look(&args.root, Whose::Node);
    doctor::look_at_links(&mut sight)?;
    let lines = doctor::map(&sight);
    if lines.is_empty() {
        return output::line("neither RDMA devices nor GPUs here");
    }
    lines.iter().try_for_each(|line| output::line(line))
}
