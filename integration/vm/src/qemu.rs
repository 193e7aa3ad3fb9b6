//! QEMU: the machine's own when it emulates igb, else one extracted into the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::apt::{Apt, Suite};
use crate::cache::Cache;
use crate::command::output;
use crate::wire::{Device, Rails};

const PROGRAM: &str = "qemu-system-x86_64";
/// The first major version that emulates igb.
const OLDEST: u32 = 8;

/// A QEMU that emulates igb.
#[derive(Debug, Clone)]
pub(crate) struct Qemu {
    program: PathBuf,
    /// Root of the extracted packages; none for the machine's own.
    root: Option<PathBuf>,
}

impl Qemu {
    /// Finds or fetches one.
    pub(crate) fn fetch(cache: &Cache) -> Result<Self> {
        let own = Self { program: PROGRAM.into(), root: None };
        if own.emulates_igb() {
            return Ok(own);
        }
        let root = cache.once("qemu", |dir| {
            let mut apt = Apt::update(cache, Suite::Release)?;
            if !is_new_enough(&apt.field("qemu-system-x86", "Version")?)? {
                apt = Apt::update(cache, Suite::Backports)?;
            }
            apt.extract_closure("qemu-system-x86", dir)
        })?;
        let extracted = Self { program: root.join("usr/bin").join(PROGRAM), root: Some(root) };
        ensure!(
            extracted.emulates_igb(),
            "{} does not run or lacks igb; remove {} to fetch it again",
            extracted.program.display(),
            cache.path("qemu").display()
        );
        Ok(extracted)
    }

    fn emulates_igb(&self) -> bool {
        let listed = self.command(None).args(["-device", "help"]).output();
        listed.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("name \"igb\""))
    }

    /// The command, which dies with this process's spawning thread when `wrapper` is `setpriv`'s.
    pub(crate) fn command(&self, wrapper: Option<&[&str]>) -> Command {
        let mut command = match wrapper {
            Some([program, args @ ..]) => {
                let mut command = Command::new(program);
                command.args(args).arg(&self.program);
                command
            }
            _ => Command::new(&self.program),
        };
        if let Some(root) = &self.root {
            command.env("LD_LIBRARY_PATH", library_path(root));
            for share in ["usr/share/qemu", "usr/share/seabios"] {
                command.arg("-L").arg(root.join(share));
            }
        }
        command
    }
}

fn library_path(root: &Path) -> String {
    let triplet = "x86_64-linux-gnu";
    format!("{0}/usr/lib/{triplet}:{0}/lib/{triplet}:{0}/usr/lib/{triplet}/pulseaudio", root.display())
}

/// `version` is Debian's, as `1:7.2+dfsg-7+deb12u13`.
fn is_new_enough(version: &str) -> Result<bool> {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    let major: u32 = upstream.split('.').next().unwrap_or_default().parse().context("read QEMU's version")?;
    Ok(major >= OLDEST)
}

/// Arguments for the rails: one root port per NIC, and an IOMMU in front of the HCAs.
pub(crate) fn rail_devices(rails: &Rails) -> Vec<String> {
    let ports = match rails.device {
        Device::None => 0,
        Device::Many => 1,
        Device::Igb | Device::Hca => rails.rails,
    };
    // Without an IOMMU, Debian's vfio-pci takes no function.
    let iommu =
        ["-device", "intel-iommu"].map(str::to_owned).into_iter().filter(|_| rails.device == Device::Hca);
    iommu.chain((0..ports).flat_map(|rail| rail_device(rails.device, rail))).collect()
}

fn rail_device(device: Device, rail: u8) -> Vec<String> {
    let slot = rail + 1;
    let port = format!("pcie-root-port,id=port{rail},chassis={slot},slot={slot}");
    let mut args = vec!["-device".to_owned(), port];
    if device == Device::Many {
        args.extend(["-device".to_owned(), "nvme-subsys,id=many".to_owned()]);
    }
    let nic = match device {
        Device::Many => "nvme,subsys=many,serial=lab,max_ioqpairs=244,msix_qsize=245,sriov_max_vfs=120,\
                         sriov_vq_flexible=240,sriov_vi_flexible=120"
            .to_owned(),
        _ => format!("igb,mac=52:54:00:4c:00:{slot:02x},netdev=net{rail},romfile="),
    };
    if device != Device::Many {
        args.extend(["-netdev".to_owned(), format!("hubport,id=net{rail},hubid={rail}")]);
    }
    args.extend(["-device".to_owned(), format!("{nic},bus=port{rail}")]);
    args
}

/// Busybox, statically linked, from the release.
pub(crate) fn busybox(cache: &Cache) -> Result<PathBuf> {
    let root = cache.once("busybox", |dir| {
        Apt::update(cache, Suite::Release)?.extract(&["busybox-static".to_owned()], dir)
    })?;
    let candidates = ["bin/busybox", "usr/bin/busybox"].map(|path| root.join(path));
    let found = candidates.into_iter().find(|path| path.exists()).context("busybox-static has no busybox")?;
    ensure!(fs::metadata(&found)?.len() > 0, "{} is empty", found.display());
    Ok(found)
}

/// True when `/dev/kvm` really boots `kernel` here; the answer is kept for this boot of the machine.
pub(crate) fn kvm_works(cache: &Cache, version: &str, probe: impl FnOnce() -> bool) -> Result<bool> {
    if !Path::new("/dev/kvm").exists() {
        return Ok(false);
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").context("read the boot id")?;
    let answer = cache.path(&format!("kvm-{version}"));
    let known = fs::read_to_string(&answer).unwrap_or_default();
    if let Some(verdict) = known.strip_prefix(&boot) {
        return Ok(verdict == "works");
    }
    let works = probe();
    crate::file::put(&answer, format!("{boot}{}", if works { "works" } else { "fails" }).as_bytes())?;
    Ok(works)
}

/// The version that `--version` prints, for the log.
pub(crate) fn version(qemu: &Qemu) -> Result<String> {
    let text = output(qemu.command(None).arg("--version"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_of_debian_12_is_too_old_and_that_of_13_is_not() {
        for (version, expected) in
            [("1:7.2+dfsg-7+deb12u13", false), ("1:10.0.2+ds-2+deb13u1", true), ("8.0", true)]
        {
            assert_eq!(is_new_enough(version).expect(version), expected, "{version}");
        }
    }
}
