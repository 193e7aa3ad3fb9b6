//! `cluster build`, `cluster manifests`, `cluster shell`, `cluster down`, `cluster bench`: the cluster lab by hand.

mod bench;
mod crowds;

use std::env;
use std::fs::File;
use std::io::{Write, stderr};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use cluster::{Cluster, Versions};

#[derive(Parser)]
#[command(about = "A real Kubernetes in namespaces of this machine")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build the cluster's programs, if they are not in the cache: those of the tests, or with
    /// `RAILCNI_CLUSTER_VERSIONS=oldest` those of a cluster of other versions
    Build,
    /// Write the files of deploy/ that the chart renders
    Manifests,
    /// A cluster, and a shell with kubectl for it; the cluster ends with the shell
    Shell {
        /// How many nodes
        #[arg(long, default_value_t = 2)]
        nodes: u8,
    },
    /// End the clusters of all shells, and remove what killed runs left
    Down,
    /// What rails cost a pod's start, beside the peers' chains
    Bench {
        /// How many pods one after the other
        #[arg(long, default_value_t = 14)]
        rounds: usize,
        /// How many at once
        #[arg(long, default_value_t = 30)]
        crowd: usize,
    },
    /// What addresses cost the API server, beside whereabouts: as many pods as addresses, created, deleted, and created elsewhere
    Addresses {
        /// How many nodes, each with an agent
        #[arg(long, default_value_t = 125)]
        nodes: usize,
        /// How many pods with eight rails
        #[arg(long, default_value_t = 1000)]
        pods: usize,
        /// How many pods whereabouts gets, which takes a second and more for each
        #[arg(long, default_value_t = 40)]
        peer_pods: usize,
    },
}

fn main() -> ExitCode {
    match run(&Cli::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr(), "cluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: &Verb) -> Result<()> {
    match verb {
        Verb::Build => cluster::build(Versions::asked()?),
        Verb::Manifests => manifests(),
        Verb::Shell { nodes } => shell(*nodes),
        Verb::Down => cluster::down(),
        Verb::Bench { rounds, crowd } => bench::run(*rounds, *crowd),
        Verb::Addresses { nodes, pods, peer_pods } => crowds::run(*nodes, *pods, *peer_pods),
    }
}

fn manifests() -> Result<()> {
    for (path, text) in cluster::manifests()? {
        let written = File::create(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

fn shell(nodes: u8) -> Result<()> {
    let cluster = Cluster::start(Versions::asked()?, nodes)?;
    cluster.answer_to_down()?;
    cluster.install_suite()?;
    let (network, environment) = cluster.shell();
    let program = env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    // It hangs up when this process ends, as when a terminal is closed.
    let mut shell = Command::new("setpriv");
    shell
        .args(["--pdeathsig", "HUP", "nsenter"])
        .arg(format!("--net={network}"))
        .arg(&program)
        .envs(environment);
    let _ =
        writeln!(stderr(), "cluster: {nodes} nodes are up; kubectl knows them; leave the shell to end them");
    shell.status().with_context(|| format!("run {}", program.display()))?;
    Ok(())
}
