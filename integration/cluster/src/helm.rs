//! helm, and what the chart of deploy/ renders.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::command::output;
use crate::programs::Programs;
use crate::versions::Versions;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// The chart, below the repository.
const CHART: &str = "deploy/chart/railcni";

/// A file of deploy/ that is a template of the chart, rendered with these values.
const FILES: [(&str, &str, &[&str]); 5] = [
    ("deploy/daemonset.yaml", "plugins.yaml", &["addresses.enabled=false"]),
    ("deploy/raild/agent-policy.yaml", "agent-policy.yaml", &[]),
    ("deploy/raild/agent.yaml", "agent.yaml", &[]),
    ("deploy/raild/controller.yaml", "controller.yaml", &[]),
    ("deploy/networks/networks.yaml", "networks.yaml", &[]),
];
const HEADER: &str =
    "# What deploy/chart/railcni renders: change it there, then `cargo run -p cluster -- manifests`.\n";

/// helm, for one API server or none.
#[derive(Debug, Clone)]
pub struct Helm {
    program: PathBuf,
    kubeconfig: Option<PathBuf>,
    /// Where the API server is in a network of its own.
    network: Option<String>,
}

impl Helm {
    /// For what needs no cluster, built if it is not there.
    pub fn offline() -> Result<Self> {
        let program = Programs::of_chart()?.path("helm");
        Ok(Self { program, kubeconfig: None, network: None })
    }

    /// For the API server of a kubeconfig.
    pub(crate) fn of_server(kubeconfig: PathBuf, network: Option<String>) -> Result<Self> {
        Ok(Self { kubeconfig: Some(kubeconfig), network, ..Self::offline()? })
    }

    /// A command to add arguments to. Of what a user has set for his own helm it knows nothing.
    pub fn command(&self) -> Command {
        let mut command = match &self.network {
            Some(network) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--net={network}")).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command.env_remove("KUBECONFIG").env_remove("HELM_NAMESPACE");
        for home in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(home, "/nonexistent");
        }
        if let Some(kubeconfig) = &self.kubeconfig {
            command.arg("--kubeconfig").arg(kubeconfig);
        }
        command
    }

    /// Runs it; what it printed.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        output(self.command().args(args))
    }

    /// `helm template` of the chart in kube-system.
    pub fn template(&self, args: &[&str]) -> Result<String> {
        let chart = chart().display().to_string();
        let version = ["--kube-version", Versions::default().kubernetes()];
        self.run(&[&["template", "railcni", &chart, "-n", "kube-system"], &version[..], args].concat())
    }
}

/// The chart's directory.
pub fn chart() -> PathBuf {
    Path::new(ROOT).join(CHART)
}

/// The files of deploy/ as the chart renders them, for an image that has yet to be named.
pub fn manifests() -> Result<Vec<(PathBuf, String)>> {
    let helm = Helm::offline()?;
    let render = |(path, template, values): &(&str, &str, &[&str])| {
        let template = format!("templates/{template}");
        let mut args = vec!["--show-only", &template, "--set", "image.tag=latest"];
        args.extend(values.iter().flat_map(|value| ["--set", value]));
        let text = helm.template(&args)?;
        Ok((Path::new(ROOT).join(path), format!("{HEADER}{}", tidy(&text))))
    };
    FILES.iter().map(render).collect()
}

/// Without what helm says of itself, and the lines that a template leaves empty.
fn tidy(rendered: &str) -> String {
    let lines = rendered.lines().map(str::trim_end);
    let own = lines.filter(|line| !line.is_empty() && !line.starts_with("# Source: "));
    own.skip_while(|line| *line == "---").fold(String::new(), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_of_the_template_stay() {
        let rendered = "---\n# Source: railcni/templates/a.yaml\n# Why.\na: 1\n  \n---\n# Source: x\nb: 2\n";
        assert_eq!(tidy(rendered), "# Why.\na: 1\n---\nb: 2\n");
    }
}
