//! Brings the rails of a boot up and down.

use std::fs::File;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use nix::kmod::{DeleteModuleFlags, ModuleInitFlags, delete_module, finit_module};

use crate::agent::setup::modprobe;
use crate::command::output;
use crate::lab::{Pf, pfs};
use crate::wire::{Device, Link, Rails};

/// Loads the drivers and enables the VFs.
pub(crate) fn up(rails: &Rails) -> Result<()> {
    match rails.device {
        Device::None => return Ok(()),
        Device::Igb => ["igb", "igbvf"].into_iter().try_for_each(modprobe)?,
        Device::Hca | Device::Many => load_hca(rails)?,
    }
    let found = pfs();
    let wanted = if rails.device == Device::Many { 1 } else { usize::from(rails.rails) };
    ensure!(found.len() == wanted, "{} PFs came up instead of {wanted}", found.len());
    for pf in found {
        pf.set_numvfs(rails.vfs.into())
            .with_context(|| format!("enable {} VFs on {}", rails.vfs, pf.bdf()))?;
    }
    Ok(())
}

fn load_hca(rails: &Rails) -> Result<()> {
    ["ib_core", "ib_uverbs", "ib_umad"].into_iter().try_for_each(modprobe)?;
    if rails.link == Link::Ipoib {
        modprobe("ib_ipoib")?;
    }
    output(Command::new("rdma").args(["system", "set", "netns", "exclusive"]))?;
    let path = rails.module.as_ref().context("the HCA's module was not built")?;
    let module = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let link = match rails.link {
        Link::Eth => c"link=eth",
        Link::Ib => c"link=ib",
        Link::Ipoib => c"link=ipoib",
    };
    finit_module(&module, link, ModuleInitFlags::empty()).context("load the HCA's module")
}

/// Disables the VFs and unloads the drivers: that this is clean is part of every boot's verdict.
pub(crate) fn down(rails: &Rails) -> Result<()> {
    // The kernel sleeps for a second in each, so all at once.
    at_once(&pfs(), |pf| pf.set_numvfs(0).with_context(|| format!("disable the VFs of {}", pf.bdf())))?;
    let modules = match rails.device {
        Device::None => return Ok(()),
        Device::Igb => vec![c"igbvf", c"igb"],
        Device::Hca if rails.link == Link::Ipoib => vec![c"lab_hca", c"ib_ipoib"],
        Device::Hca | Device::Many => vec![c"lab_hca"],
    };
    for module in modules {
        delete_module(module, DeleteModuleFlags::O_NONBLOCK)
            .with_context(|| format!("unload {}", module.to_string_lossy()))?;
    }
    Ok(())
}

/// Does `work` for each on a thread of its own.
pub(crate) fn at_once(pfs: &[Pf], work: impl Fn(&Pf) -> Result<()> + Sync) -> Result<()> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = pfs.iter().map(|pf| scope.spawn(move || work(pf))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a worker panicked"))?)
    })
}
