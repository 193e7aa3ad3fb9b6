//! `railctl node`: what is the same for every network of this node, in node.yaml.

mod find;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use ipnet::IpNet;
use routing::NodeFile;
use serde_json::Value;
use state::{Dirs, file};

use crate::cli::Format;
use crate::output::{self, FAINT, styled};
use find::{Cidrs, Found};

#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// Write node.yaml from what kubelet, kubeadm, k3s or RKE2 and the default CNI left on this node
    ///
    /// Reads files only: no API server is asked. What they do not tell, above all on workers, it says, with where to look.
    Init(NodeInit),
    /// Show what node.yaml says, if it is valid
    Show {
        /// How it is printed
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
    },
}

#[derive(Args, Debug)]
pub(crate) struct NodeInit {
    /// Print what would be written, and write nothing
    #[arg(long)]
    pub(crate) print: bool,
    /// Replace a node.yaml that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Where the node's file system begins: its mount in a container
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) root: PathBuf,
}

pub(crate) fn run(args: &Node) -> Result<()> {
    match args {
        Node::Init(args) => init(args),
        Node::Show { output } => show(*output),
    }
}

fn init(args: &NodeInit) -> Result<()> {
    let dirs = Dirs::from_env()?;
    let path = NodeFile::path(&dirs);
    let found = Found::below(&args.root);
    for doubt in &found.doubts {
        output::warn(doubt);
    }
    ensure!(
        !(found.pods.is_empty() && found.services.is_empty()),
        "found neither pod nor service CIDRs below {}; write {} by hand, as in\n{}",
        args.root.display(),
        path.display(),
        text(&Found::example())
    );
    let text = text(&found);
    NodeFile::parse(&path, text.as_bytes()).map_err(|error| anyhow::anyhow!("{error}"))?;
    if args.print {
        return output::text(&text);
    }
    ensure!(
        args.force || !path.exists(),
        "{} is there already: --force replaces it, --print shows what would be written",
        path.display()
    );
    dirs.config.create(&[])?;
    file::replace(&path, text.as_bytes()).with_context(|| format!("write {}", path.display()))?;
    output::line(&format!("{} {}", styled(output::GOOD, "✓"), path.display()))?;
    output::text(&text)
}

fn show(format: Format) -> Result<()> {
    let dirs = Dirs::from_env()?;
    let path = NodeFile::path(&dirs);
    let keys = NodeFile::load(&dirs).map_err(|error| anyhow::anyhow!("{error}"))?;
    match format {
        Format::Table | Format::Wide if !path.exists() => {
            let missing = format!("{} is not there: `railctl node init` makes it", path.display());
            output::line(&styled(FAINT, &missing))
        }
        Format::Table | Format::Wide => {
            output::line(&styled(FAINT, &path.display().to_string()))?;
            output::print(&Value::Object(keys), Format::Yaml)
        }
        format => output::print(&Value::Object(keys), format),
    }
}

/// As a person would write it, each list with where it is from.
fn text(found: &Found) -> String {
    let mut text =
        "# Defaults of this node for every network that coordinates; a network's own key takes precedence.\n\
                    coordinator:\n"
            .to_owned();
    for (key, cidrs) in
        [("overlayPodCIDR", &found.pods), ("serviceCIDR", &found.services), ("hijackCIDR", &found.others)]
    {
        text.push_str(&list(key, cidrs));
    }
    text
}

fn list(key: &str, cidrs: &[Cidrs]) -> String {
    if cidrs.is_empty() {
        return String::new();
    }
    let line = |value: &IpNet, source: &str| format!("  - {value}  # {source}\n");
    let lines =
        cidrs.iter().flat_map(|Cidrs { values, source }| values.iter().map(move |value| line(value, source)));
    std::iter::once(format!("  {key}:\n")).chain(lines).collect()
}
