//! `railctl demo`: a pod with eight rails where there are neither NICs nor Kubernetes, and the proof that they work.

mod narrate;
mod privacy;
mod proof;
mod scene;
mod stage;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use nix::unistd::{Uid, getpid};

use crate::cli::{CNI_PATH, parse_dirs};
use crate::output::{GOOD, STRONG, line, styled};
use narrate::Narrator;
use scene::Scene;
use stage::Stage;

#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Leave the namespaces and say how to look at them
    #[arg(long, conflicts_with = "remove")]
    pub(crate) keep: bool,
    /// Remove what --keep left: the demo of this number, or all of them
    #[arg(long, value_name = "NUMBER")]
    #[expect(clippy::option_option, reason = "clap's form of an option whose value is optional")]
    pub(crate) remove: Option<Option<u32>>,
    /// Directory of the plugins [default: the one that holds railctl, or else `CNI_PATH`, /opt/cni/bin]
    #[arg(long, value_name = "DIR")]
    pub(crate) bin_dir: Option<PathBuf>,
}

/// The plugins that the chain of a rail needs.
const PLUGINS: [&str; 3] = ["macvlan", "rail-ipam", "coordinator"];

pub(crate) fn run(args: &Demo) -> Result<()> {
    ensure!(
        Uid::effective().is_root(),
        "the demo makes network namespaces and needs root: run `sudo railctl demo`"
    );
    if let Some(number) = args.remove {
        return remove(number);
    }
    let plugins = plugins(args.bin_dir.as_deref())?;
    let stage = Stage::of(u32::try_from(getpid().as_raw())?);
    if args.keep { keep(&stage, &plugins) } else { vanish(&stage, &plugins) }
}

/// All of it in namespaces that go with this process, however it ends.
fn vanish(stage: &Stage, plugins: &Path) -> Result<()> {
    ensure!(
        !plugins.starts_with("/run"),
        "the demo hides /run from itself: give a --bin-dir elsewhere than {}",
        plugins.display()
    );
    privacy::alone(|| {
        privacy::hide_run()?;
        let mut narrator = Narrator::start();
        stage.set()?;
        narrator.did("stage", "a host with 8 NICs, their switches, and a pod, all private to this process");
        let mut scene = Scene::open(stage, plugins, narrator)?;
        scene.attach_and_prove()?;
        scene.detach_and_prove()?;
        scene.end();
        Ok(())
    })
}

/// The same up to the proofs, in named namespaces that stay.
fn keep(stage: &Stage, plugins: &Path) -> Result<()> {
    let mut narrator = Narrator::start();
    let outcome = stage.set().and_then(|()| {
        narrator.did("stage", "a host with 8 NICs, their switches, and a pod, in named namespaces");
        privacy::alone(|| Scene::open(stage, plugins, narrator)?.attach_and_prove())
    });
    match outcome {
        Ok(()) => narrate::kept(stage, plugins),
        Err(error) => {
            let removed = stage.remove();
            Err(removed.err().map_or(error, |left| left.context("the demo failed, and so did its clean-up")))
        }
    }
}

fn remove(number: Option<u32>) -> Result<()> {
    let kept = Stage::kept()?;
    let numbers = match number {
        Some(number) if !kept.contains(&number) => bail!("no demo {number} is there; there are {kept:?}"),
        Some(number) => vec![number],
        None => kept,
    };
    for number in numbers {
        Stage::of(number).remove().with_context(|| format!("remove demo {number}"))?;
        line(&format!("{} demo {number} removed", styled(GOOD, "✓")))?;
    }
    Ok(())
}

/// Where the plugins are, unless said otherwise: beside railctl, as in `dist/`, or where CNI has them, as after `make install`.
fn plugins(bin_dir: Option<&Path>) -> Result<PathBuf> {
    if let Some(folder) = bin_dir {
        let folder = folder.canonicalize().with_context(|| format!("--bin-dir {}", folder.display()))?;
        let missing: Vec<_> = PLUGINS.into_iter().filter(|name| !folder.join(name).is_file()).collect();
        ensure!(
            missing.is_empty(),
            "{} has no {}: build the plugins ({}), or say with --bin-dir where they are",
            folder.display(),
            missing.join(", "),
            styled(STRONG, "make build")
        );
        return Ok(folder);
    }
    let folders = usual_folders()?;
    let has_all = |folder: &&PathBuf| PLUGINS.iter().all(|name| folder.join(name).is_file());
    let found = folders.iter().find(has_all).with_context(|| {
        let looked: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        format!(
            "neither {} has all of {}: build the plugins ({}), or say with --bin-dir where they are",
            looked.join(" nor "),
            PLUGINS.join(", "),
            styled(STRONG, "make build")
        )
    })?;
    found.canonicalize().with_context(|| found.display().to_string())
}

fn usual_folders() -> Result<Vec<PathBuf>> {
    let own = std::env::current_exe()?.parent().unwrap_or(Path::new("/")).to_owned();
    let of_cni = std::env::var_os("CNI_PATH").unwrap_or_else(|| CNI_PATH.into());
    Ok(std::iter::once(own).chain(parse_dirs(&of_cni).0).collect())
}
