//! Spiderpool's networks as those that Multus reads, without Spiderpool.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use runtime::network;

use crate::output::{to_yaml, warn, write};

#[derive(Args, Debug)]
#[expect(clippy::doc_markdown, reason = "the help text, which people read without backticks")]
pub(crate) struct Render {
    /// YAML or JSON with documents of kind SpiderMultusConfig; pools beside them are named on stderr
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What to print
    #[arg(short, long, value_enum, default_value_t = RenderAs::Nad)]
    pub(crate) output: RenderAs,
}

/// Forms of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(clippy::doc_markdown, reason = "the help text, which people read without backticks")]
pub(crate) enum RenderAs {
    /// NetworkAttachmentDefinitions for Multus
    Nad,
    /// Network config lists, one JSON object after the other
    Conflist,
}

pub(crate) fn run(args: &Render) -> Result<()> {
    let path = || args.file.display().to_string();
    let text = network::text(&args.file)?;
    let (networks, pools) = network::rendered(&text).with_context(path)?;
    for (index, network) in networks.iter().enumerate() {
        network.warnings.iter().for_each(|warning| warn(warning));
        let document = match args.output {
            RenderAs::Nad => {
                let mut definition = network.definition();
                definition["spec"]["config"] = format!("{:#}", network.config).into();
                to_yaml(&definition)
            }
            RenderAs::Conflist => format!("{:#}\n", network.config),
        };
        let separator = if index > 0 && args.output == RenderAs::Nad { "---\n" } else { "" };
        write(&format!("{separator}{document}"))?;
    }
    if !pools.is_empty() {
        warn(&format!(
            "{} beside them: pools belong to the nodes, in /etc/railcni/pools.d",
            pools.join(", ")
        ));
    }
    Ok(())
}
