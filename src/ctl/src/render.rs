//! Spiderpool's networks as those that Multus reads, without Spiderpool.

use anyhow::{Context as _, Result};
use runtime::network;

use crate::cli::{Render, RenderAs};
use crate::output::{to_yaml, warn, write};

pub(crate) fn run(args: &Render) -> Result<()> {
    let path = || args.file.display().to_string();
    let text = network::text(&args.file)?;
    let (networks, pools) = network::rendered(&text).with_context(path)?;
    for (index, network) in networks.iter().enumerate() {
        network.warnings.iter().for_each(|warning| warn(warning));
        let document = match args.output {
            RenderAs::Nad => to_yaml(&network.definition()),
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
