//! `railctl node`: what is the same for every network of this node, in node.yaml.

mod find;
#[cfg(test)]
mod tests;

use anyhow::{Context as _, Result, ensure};
use ipnet::IpNet;
use routing::NodeFile;
use serde_json::Value;
use state::{Dirs, file};

use crate::cli;
use crate::output::{self, FAINT, styled};
use find::{Cidrs, Found};

pub(crate) fn run(args: &cli::Node) -> Result<()> {
    match args {
        cli::Node::Init(args) => init(args),
        cli::Node::Show { output } => show(*output),
    }
}

fn init(args: &cli::NodeInit) -> Result<()> {
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

fn show(format: cli::Format) -> Result<()> {
    let dirs = Dirs::from_env()?;
    let path = NodeFile::path(&dirs);
    let keys = NodeFile::load(&dirs).map_err(|error| anyhow::anyhow!("{error}"))?;
    match format {
        cli::Format::Table | cli::Format::Wide if !path.exists() => {
            let missing = format!("{} is not there: `railctl node init` makes it", path.display());
            output::line(&styled(FAINT, &missing))
        }
        cli::Format::Table | cli::Format::Wide => {
            output::line(&styled(FAINT, &path.display().to_string()))?;
            output::print(&Value::Object(keys), cli::Format::Yaml)
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
