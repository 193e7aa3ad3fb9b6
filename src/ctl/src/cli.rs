//! The command line.
#![expect(
    clippy::doc_markdown,
    reason = "doc comments are the help text here, which people read without backticks"
)]

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use runtime::{Object, Pairs};

/// Attach pods to rails, look at what they have, and try it all without hardware.
#[derive(Debug, Parser)]
#[command(name = "railctl", version = BUILD.as_str(), propagate_version = true, max_term_width = 110, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) manner: Manner,
    #[command(subcommand)]
    pub(crate) command: Command,
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
    /// Attach a network namespace to networks (ADD)
    #[command(visible_alias = "add")]
    Attach(Attach),
    /// Take a network namespace off networks (DEL)
    #[command(visible_alias = "del")]
    Detach(Detach),
    /// Compare attachments with what was made at attach (CHECK)
    Check(Check),
    /// Release what no living network namespace holds any more (GC)
    #[command(after_long_help = GC_HELP)]
    Gc(Gc),
    /// Ask whether a network could serve an attach now (STATUS)
    Status(Status),
    /// Show attachments with their addresses, rules and routes
    Show(Show),
    /// Show how much of each address pool is used
    Pools(Pools),
    /// Say which pod has an address: of this node by its leases, of the cluster by kubectl
    Who(Who),
    /// Give back to the cluster what somebody has who will not do it
    #[command(subcommand)]
    Release(Release),
    /// List the addresses that detection found in use elsewhere, and give them back to their pools
    Quarantine(Quarantine),
    /// Say what an attach to a network of `rail` would do, and what a detach undoes, without doing it
    Explain(Explain),
    /// Turn SpiderMultusConfigs into networks that need no Spiderpool
    Render(Render),
    /// Turn a Fabric into pools, networks and the operators' objects; with neither -o nor --explain, show its rails
    #[command(after_long_help = PLAN_HELP)]
    Plan(Plan),
    /// Show what the webhook would make of pods that ask for rails by an annotation
    Inject(Inject),
    /// Look after node.yaml, the defaults of this node for all networks
    #[command(subcommand)]
    Node(Node),
    /// Prepare the node's own NICs as a file says: addresses, MTU, policy routing, VFs, RDMA mode, lossless classes
    #[command(subcommand)]
    Host(crate::host::Command),
    /// Draw this node: NUMA nodes, PCIe bridges, and the GPUs and NICs below them
    Map(crate::map::Map),
    /// Say whether this node, or a pod on it, is ready for RDMA, and the cure of what is not
    #[command(after_long_help = crate::doctor::HELP)]
    Doctor(crate::doctor::Doctor),
    /// Bring up a pod with eight rails on this machine, without hardware, and prove that they work
    Demo(Demo),
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
    #[command(hide = true)]
    Man {
        /// Where to
        directory: PathBuf,
    },
}

const GC_HELP: &str = "\
With --dry-run or --apply no network is named and no runtime is needed: what is on record of this node is compared with \
the network namespaces that are alive, and with the pods of every container runtime that listens (by crictl; \
CONTAINER_RUNTIME_ENDPOINT names one at an unusual socket). Each leftover is released by the DEL of the plugins that made it.";

const PLAN_HELP: &str = "\
The plan is a function of the Fabric, of the nodes that --nodes names, and of the slices that an earlier plan in the directory of \
-o gave: nodes keep theirs, whoever comes and goes. In the directory are objects for kubectl, and below nodes/ what each node needs \
where there is no API server: pools.d for /etc/railcni, net.d for /etc/cni.";

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

/// Where configs and plugins are.
#[derive(Args, Debug)]
pub(crate) struct Places {
    /// Directory of network configs
    #[arg(long, value_name = "DIR", env = "NETCONFPATH", default_value = "/etc/cni/net.d")]
    pub(crate) conf_dir: PathBuf,
    /// Directories of plugins, separated by colons
    #[arg(long, value_name = "DIRS", env = "CNI_PATH", default_value = "/opt/cni/bin", value_parser = parse_dirs)]
    pub(crate) bin_dir: Directories,
}

/// A search path.
#[derive(Clone, Debug)]
pub(crate) struct Directories(pub(crate) Vec<PathBuf>);

#[derive(Args, Debug)]
pub(crate) struct Attach {
    #[command(flatten)]
    pub(crate) pod: Pod,
    /// Say which plugins would be called with what, and call none
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How the results are printed
    #[arg(short, long, value_enum, default_value_t = Format::Json)]
    pub(crate) output: Format,
}

#[derive(Args, Debug)]
pub(crate) struct Detach {
    #[command(flatten)]
    pub(crate) pod: Pod,
    /// How the outcomes are printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) pod: Pod,
    /// How the outcomes are printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// Exit with 3 where attachments differ from what was made, with 1 only where they could not be compared
    #[arg(long)]
    pub(crate) exit_code: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Pod {
    /// Names of networks in the config directory, or files: conflist, conf, NetworkAttachmentDefinition
    #[arg(required = true, value_name = "NETWORK")]
    pub(crate) networks: Vec<String>,
    /// Network namespace: a path, or a name as `ip netns` has it
    #[arg(required = true, value_name = "NETNS")]
    pub(crate) netns: String,
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

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Gc {
    /// Names of networks in the config directory, or files
    #[arg(required_unless_present_any = ["dry_run", "apply"], value_name = "NETWORK")]
    pub(crate) networks: Vec<String>,
    /// Release every attachment of the networks, in use or not
    #[arg(long, conflicts_with_all = ["dry_run", "apply"])]
    pub(crate) all: bool,
    /// Instead of networks: say what is left over on this node, and why, and change nothing
    #[arg(long, conflicts_with_all = ["networks", "apply"])]
    pub(crate) dry_run: bool,
    /// Instead of networks: release what is left over on this node
    #[arg(long, conflicts_with = "networks")]
    pub(crate) apply: bool,
    /// With --dry-run: exit with 3 where something is left over
    #[arg(long, requires = "dry_run")]
    pub(crate) exit_code: bool,
    /// How the outcomes for networks are printed
    #[arg(short, long, value_enum, default_value_t = Format::Table, conflicts_with_all = ["dry_run", "apply"])]
    pub(crate) output: Format,
    /// All pods of this node are in this PID namespace: for a node that is a container itself and has no CRI
    #[arg(long, conflicts_with_all = ["networks", "all"])]
    pub(crate) whole_node: bool,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Args, Debug)]
pub(crate) struct Status {
    /// Names of networks in the config directory, or files
    #[arg(required = true, value_name = "NETWORK")]
    pub(crate) networks: Vec<String>,
    /// How the outcomes are printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Args, Debug)]
pub(crate) struct Show {
    /// Only this pod: a network namespace (path or name) or a container ID
    #[arg(value_name = "NETNS|CONTAINER")]
    pub(crate) pod: Option<String>,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Args, Debug)]
pub(crate) struct Who {
    /// The address
    pub(crate) address: IpAddr,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Release {
    /// Tell the controller that a node will never come back: what was granted to it is free
    Node(ReleaseNode),
}

#[derive(Args, Debug)]
pub(crate) struct ReleaseNode {
    /// Its name in Kubernetes
    pub(crate) name: String,
    /// Even if Kubernetes holds it to be Ready: it must be off, or its pods' addresses are given twice
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Pools {
    /// Those of the whole cluster, by kubectl, instead of this node's
    #[arg(long)]
    pub(crate) cluster: bool,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Args, Debug)]
pub(crate) struct Quarantine {
    /// End the quarantine of these addresses now, instead of listing what is quarantined
    #[arg(long, value_name = "ADDRESS", num_args = 1.., conflicts_with = "output")]
    pub(crate) release: Vec<IpAddr>,
    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// Name of a network in the config directory, or a file
    #[arg(value_name = "NETWORK")]
    pub(crate) network: String,
    /// Name of the first interface
    #[arg(short, long, value_name = "IFNAME", env = "CNI_IFNAME", default_value = "net1")]
    pub(crate) ifname: String,
    #[command(flatten)]
    pub(crate) places: Places,
}

#[derive(Args, Debug)]
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
pub(crate) enum RenderAs {
    /// NetworkAttachmentDefinitions for Multus
    Nad,
    /// Network config lists, one JSON object after the other
    Conflist,
}

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Plan {
    /// YAML or JSON with a document of kind Fabric
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The nodes: a file of what `kubectl get nodes -o json` (and sriovnetworknodestates) prints, or `kubectl` to have it asked
    #[arg(long, value_name = "FILE|kubectl")]
    pub(crate) nodes: Option<PathBuf>,
    /// Write the plan into this directory
    #[arg(short = 'o', long = "output-dir", value_name = "DIR", conflicts_with_all = ["explain", "check"])]
    pub(crate) directory: Option<PathBuf>,
    /// Namespace of networks and of the operator's objects
    #[arg(short, long, default_value = "default")]
    pub(crate) namespace: String,
    /// One network for all rails (child links), in place of one per rail
    #[arg(long)]
    pub(crate) one_network: bool,
    /// No pool objects for slices of nodes
    #[arg(long)]
    pub(crate) no_pools: bool,
    /// No SR-IOV network operator: write the device plugin's own config
    #[arg(long)]
    pub(crate) no_operator: bool,
    /// Say which node and rail this address is of, or which subnets this node has
    #[arg(long, value_name = "ADDRESS|NODE", conflicts_with = "check")]
    pub(crate) explain: Option<String>,
    /// Compare with what is in the cluster, by kubectl, and say each difference
    #[arg(long)]
    pub(crate) check: bool,
    /// How the rails are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

#[derive(Args, Debug)]
pub(crate) struct Inject {
    /// YAML or JSON with pods, or workloads that have a template of one
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A file with the Namespace of the pods [default: one that says nothing]
    #[arg(long, value_name = "FILE")]
    pub(crate) namespace: Option<PathBuf>,
    /// Files with what there is to ask for: Fabrics and SpiderMultusConfigs
    #[arg(long = "config", value_name = "FILE", num_args = 1..)]
    pub(crate) configs: Vec<PathBuf>,
    /// Namespace in which the controller makes the networks of Fabrics
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    pub(crate) networks_namespace: String,
}

#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Leave the namespaces and say how to look at them
    #[arg(long, conflicts_with = "remove")]
    pub(crate) keep: bool,
    /// Remove what --keep left: the demo of this number, or all of them
    #[arg(long, value_name = "NUMBER")]
    #[expect(clippy::option_option, reason = "clap's form of an option whose value is optional")]
    pub(crate) remove: Option<Option<u32>>,
    /// Directory of the plugins [default: the one that holds railctl]
    #[arg(long, value_name = "DIR")]
    pub(crate) bin_dir: Option<PathBuf>,
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
fn parse_dirs(text: &str) -> Result<Directories, std::convert::Infallible> {
    Ok(Directories(std::env::split_paths(text).filter(|path| !path.as_os_str().is_empty()).collect()))
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
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
    }

    fn pod(line: &str) -> Pod {
        match parse(line).unwrap() {
            Command::Attach(attach) => attach.pod,
            Command::Detach(detach) => detach.pod,
            Command::Check(check) => check.pod,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_last_word_is_the_namespace() {
        let pod = pod("railctl attach rail1 ./rail2.conflist blue");
        assert_eq!(pod.networks, ["rail1", "./rail2.conflist"]);
        assert_eq!(pod.netns, "blue");
    }

    #[test]
    fn one_word_is_not_enough() {
        for line in ["railctl attach rail1", "railctl detach", "railctl gc", "railctl status"] {
            parse(line).unwrap_err();
        }
    }

    #[test]
    fn options_reach_their_fields() {
        let line = r#"railctl add a b ns -i rail0,rail1 --container-id c --cap-args {"ips":["10.0.0.1"]} --args A=1;B=x=y"#;
        let pod = pod(line);
        assert_eq!(pod.ifnames, ["rail0", "rail1"]);
        assert_eq!(pod.container_id.as_deref(), Some("c"));
        assert_eq!(pod.cap_args.unwrap()["ips"][0], "10.0.0.1");
        assert_eq!(pod.args.unwrap().0, [["A", "1"], ["B", "x=y"]].map(|pair| pair.map(str::to_owned)));
    }

    #[test]
    fn bad_values_are_refused() {
        for option in ["--cap-args [1]", "--cap-args {", "--args A", "--args =1", "-o xml"] {
            assert!(parse(&format!("railctl attach a ns {option}")).is_err(), "{option}");
        }
    }

    #[test]
    fn the_search_path_is_split() {
        let pod = pod("railctl check a ns --bin-dir /a:/b");
        assert_eq!(pod.places.bin_dir.0, [PathBuf::from("/a"), "/b".into()]);
    }

    #[test]
    fn remove_takes_a_number_or_none() {
        for (line, expected) in [("railctl demo --remove", None), ("railctl demo --remove 7", Some(7))] {
            assert!(
                matches!(parse(line), Ok(Command::Demo(Demo { remove: Some(number), .. })) if number == expected)
            );
        }
        parse("railctl demo --remove --keep").unwrap_err();
    }
}
