//! The command line.
#![expect(
    clippy::doc_markdown,
    reason = "doc comments are the help text here, which people read without backticks"
)]

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::{ArgValueCompleter, Shell};
use runtime::{Object, Pairs};

use crate::complete;

/// Attach pods to rails, look at what they have, and try it all without hardware.
#[derive(Debug, Parser)]
#[command(name = "railctl", version = BUILD.as_str(), propagate_version = true, max_term_width = 110, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) manner: Manner,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// From the words of a command line. Clap counts those between two options, and nobody those of all.
    pub(crate) fn read<W: Into<OsString> + Clone>(
        words: impl IntoIterator<Item = W>,
    ) -> Result<Self, clap::Error> {
        let cli = Self::try_parse_from(words)?;
        let (verb, pod) = match &cli.command {
            Command::Attach(attach) => ("attach", &attach.pod),
            Command::Detach(detach) => ("detach", &detach.pod),
            Command::Check(check) => ("check", &check.pod),
            _ => return Ok(cli),
        };
        if pod.words.len() > 1 {
            return Ok(cli);
        }
        let mut all = Self::command();
        all.build();
        let told = format!("{verb} takes networks and at last a network namespace: <NETWORK>... <NETNS>");
        let command = all.find_subcommand(verb).cloned();
        Err(command.unwrap_or(all).error(ErrorKind::TooFewValues, told))
    }
}

static BUILD: LazyLock<String> = LazyLock::new(version::text);

const EXIT_CODES: &str = "\
Exit codes: 0 all is as asked; 1 something failed, and stderr says what; 2 the command line is wrong; 3 with --exit-code: a check found \
differences, a dry run of gc found something left over. doctor has codes of its own.";

/// How every command prints.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Also print what the plugins log; without it, their warnings alone
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Tables without headings, for cut and awk
    #[arg(long, global = true)]
    pub(crate) no_headers: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Attach a network namespace to networks (ADD); `add` is the same
    // clap's own usage has the dots behind the pod. A visible alias would be offered in place of the name.
    #[command(alias = "add", override_usage = "railctl attach [OPTIONS] <NETWORK>... <NETNS>")]
    Attach(crate::verbs::Attach),
    /// Take a network namespace off networks (DEL); `del` is the same
    #[command(alias = "del", override_usage = "railctl detach [OPTIONS] <NETWORK>... <NETNS>")]
    Detach(crate::verbs::Detach),
    /// Compare attachments with what was made at attach (CHECK)
    #[command(override_usage = "railctl check [OPTIONS] <NETWORK>... <NETNS>")]
    Check(crate::verbs::Check),
    /// Release what no living network namespace holds any more (GC)
    #[command(after_long_help = crate::verbs::GC_HELP)]
    Gc(crate::verbs::Gc),
    /// Ask whether a network could serve an attach now (STATUS)
    Status(crate::verbs::Status),
    /// Show attachments with their addresses, rules and routes
    Show(crate::show::Show),
    /// Show how much of each address pool is used
    Pools(crate::pools::Pools),
    /// Say which pod has an address: of this node by its leases, of the cluster by kubectl
    Who(crate::who::Who),
    /// Say what pods of Spiderpool and whereabouts still have in the cluster's pools, and forget of Spiderpool's what is gone
    #[command(after_long_help = crate::migrate::HELP)]
    Migrate(crate::migrate::Migrate),
    /// Give the addresses of a node that will never come back to the other nodes
    #[command(subcommand)]
    Release(crate::release::Release),
    /// List the addresses that detection found in use elsewhere, and give them back to their pools
    Quarantine(crate::quarantine::Quarantine),
    /// Say what an attach to a network of `rail` would do, and what a detach undoes, without doing it
    Explain(crate::explain::Explain),
    /// Turn SpiderMultusConfigs into networks that need no Spiderpool
    Render(crate::render::Render),
    /// Turn a Fabric into pools, networks and the operators' objects; with neither -o nor --explain, show its rails
    #[command(after_long_help = crate::plan::HELP)]
    Plan(crate::plan::Plan),
    /// Show what the webhook would make of pods that ask for rails by an annotation
    Inject(crate::inject::Inject),
    /// Look after node.yaml, the defaults of this node for all networks
    #[command(subcommand)]
    Node(crate::node::Node),
    /// Prepare the node's own NICs as a file says: addresses, MTU, policy routing, VFs, RDMA mode, lossless classes
    #[command(subcommand)]
    Host(crate::host::Command),
    /// Draw this node: NUMA nodes, PCIe bridges, and the GPUs and NICs below them
    Map(crate::map::Map),
    /// Show what goes over the rails of this node's pods now: throughput, packets, errors and drops
    #[command(after_long_help = crate::top::HELP)]
    Top(crate::top::Top),
    /// Say whether this node, or a pod on it, is ready for RDMA, and the cure of what is not
    #[command(after_long_help = crate::doctor::HELP)]
    Doctor(crate::doctor::Doctor),
    /// Bring up a pod with eight rails on this machine, without hardware, and prove that they work
    Demo(crate::demo::Demo),
    /// Print the completion script of a shell
    Completion {
        /// Which shell
        shell: Shell,
    },
    /// Say which build this is
    Version {
        /// How it is printed
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
    },
    /// Write the manual pages of all commands
    Man {
        /// Where to
        directory: PathBuf,
    },
}

/// Where plugins are unless `CNI_PATH` says so.
pub(crate) const CNI_PATH: &str = "/opt/cni/bin";

/// Where configs are unless `NETCONFPATH` says so.
pub(crate) const CONF_DIR: &str = "/etc/cni/net.d";

/// Where configs and plugins are.
#[derive(Args, Debug)]
pub(crate) struct Places {
    /// Directory of network configs
    #[arg(long, value_name = "DIR", env = "NETCONFPATH", default_value = CONF_DIR)]
    pub(crate) conf_dir: PathBuf,
    /// Directories of plugins, separated by colons
    #[arg(long, value_name = "DIRS", env = "CNI_PATH", default_value = CNI_PATH, value_parser = of_text)]
    pub(crate) bin_dir: Directories,
}

/// A search path.
#[derive(Clone, Debug)]
pub(crate) struct Directories(pub(crate) Vec<PathBuf>);

#[derive(Args, Debug)]
pub(crate) struct Pod {
    /// Networks, then the pod: names of networks in the config directory, or files (conflist, conf, NetworkAttachmentDefinition,
    /// SpiderMultusConfig); at last a network namespace, as a path or a name as `ip netns` has it, or a pod of Kubernetes, as namespace/name
    // One list, so that options may stand between its words; how many there are, only all of them together say.
    #[arg(required = true, num_args = 1.., value_names = ["NETWORK", "NETNS"], add = ArgValueCompleter::new(complete::networks_and_pods))]
    words: Vec<String>,
    /// Interface name, one for each network in their order [default: net1, net2, ...]
    #[arg(short, long = "ifname", value_name = "IFNAME", env = "CNI_IFNAME", value_delimiter = ',')]
    pub(crate) ifnames: Vec<String>,
    /// Container ID [default: made from the path of the namespace, as cnitool does it]
    #[arg(long, value_name = "ID")]
    pub(crate) container_id: Option<String>,
    /// Capability arguments, a JSON object such as {"mac":"c2:11:22:33:44:55"}
    #[arg(long, value_name = "JSON", env = "CAP_ARGS", value_parser = parse_object)]
    pub(crate) cap_args: Option<Object>,
    /// CNI_ARGS for the plugins: K=V;K=V
    #[arg(long, value_name = "K=V;..", env = "CNI_ARGS", value_parser = parse_pairs)]
    pub(crate) args: Option<Pairs>,
    #[command(flatten)]
    pub(crate) places: Places,
}

impl Pod {
    /// All words but the last.
    pub(crate) fn networks(&self) -> &[String] {
        self.words.split_last().map_or(&[], |(_, networks)| networks)
    }

    /// The last.
    pub(crate) fn netns(&self) -> &str {
        self.words.last().map_or("", String::as_str)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For people with room: more columns
    Wide,
    /// For programs
    Json,
    /// For both
    Yaml,
}

impl Format {
    pub(crate) fn is_table(self) -> bool {
        matches!(self, Self::Table | Self::Wide)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "clap wants a Result")]
fn of_text(text: &str) -> Result<Directories, std::convert::Infallible> {
    Ok(parse_dirs(text.as_ref()))
}

pub(crate) fn parse_dirs(text: &OsStr) -> Directories {
    Directories(std::env::split_paths(text).filter(|path| !path.as_os_str().is_empty()).collect())
}

fn parse_object(text: &str) -> Result<Object, serde_json::Error> {
    serde_json::from_str(text)
}

/// An empty text holds no pairs; everything else has to be pairs, so that a slip of the pen does not reach a plugin.
fn parse_pairs(text: &str) -> Result<Pairs, String> {
    text.split(';').filter(|pair| !pair.is_empty()).map(parse_pair).collect::<Result<_, _>>().map(Pairs)
}

fn parse_pair(pair: &str) -> Result<[String; 2], String> {
    match pair.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok([key.to_owned(), value.to_owned()]),
        _ => Err(format!("{pair:?} is not KEY=VALUE")),
    }
}

#[cfg(test)]
mod tests;
