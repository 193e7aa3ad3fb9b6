//! Brings the lab back to its first state after a test, by the cheapest way that does.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::agent::rails::{at_once, down, up};
use crate::command::fed;
use crate::lab::{Fingerprint, Function, Pf};
use crate::wire::{Device, Rails};

/// Makes the present state equal `clean`.
pub(crate) fn restore(rails: &Rails, clean: &Fingerprint) -> Result<()> {
    let now = Fingerprint::settled()?;
    if now == *clean {
        return Ok(());
    }
    clean.delete_new_links(&now);
    let changed = clean.changed(&now);
    refresh(&pfs_of(&changed));
    let vfs: Vec<_> = changed.into_iter().filter(Function::is_vf).collect();
    rebind(&vfs, if rails.device == Device::Igb { "igbvf" } else { "lab_hca" });
    let now = Fingerprint::take()?;
    if now == *clean {
        return Ok(());
    }
    restart(&pfs_of(&clean.changed(&now)), rails)?;
    if Fingerprint::take()? == *clean {
        return Ok(());
    }
    // What no single rail holds, as the RDMA mode, needs the drivers gone.
    down(rails)?;
    up(rails)?;
    let now = Fingerprint::settled()?;
    ensure!(now == *clean, "the lab cannot be brought back to its first state:\n{}", clean.difference(&now));
    Ok(())
}

/// Resets attributes and knobs, and takes the PFs' netdevs down. Unlike what [`restart`] does, this takes no second:
/// SR-IOV stays on.
fn refresh(changed: &[Pf]) {
    for pf in changed {
        pf.reset();
        let Some(name) = pf.netdev() else { continue };
        let script = format!("addr flush dev {name}\nlink set {name} nomaster\nlink set {name} down\n");
        // The next stage follows where this does not help.
        let _ = fed(Command::new("ip").args(["-force", "-batch", "-"]), &script);
    }
}

/// Unbinds all, then binds in order: RDMA devices take the lowest free number, so each gets its old one back.
fn rebind(functions: &[Function], driver: &str) {
    for function in functions.iter().filter(|function| function.driver().is_some()) {
        function.unbind();
    }
    for function in functions {
        function.bind(driver);
    }
}

fn pfs_of(functions: &[Function]) -> Vec<Pf> {
    // A VF that is gone has no PF to ask for; the PF itself differs then.
    let mut pfs: Vec<_> = functions.iter().map(Function::pf).filter(Pf::is_present).collect();
    pfs.sort();
    pfs.dedup();
    pfs
}

/// Rebinds PFs and enables their VFs, in the order that gives all RDMA devices their old names back.
fn restart(changed: &[Pf], rails: &Rails) -> Result<()> {
    let driver = if rails.device == Device::Igb { "igb" } else { "lab_hca" };
    at_once(changed, |pf| {
        if pf.driver().is_some() {
            pf.unbind();
        }
        Ok(())
    })?;
    for pf in changed {
        pf.bind(driver);
    }
    changed.iter().try_for_each(|pf| Ok(pf.set_numvfs(rails.vfs.into())?))
}
