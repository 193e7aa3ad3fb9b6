//! PCI functions and their ways to the root.

use std::path::{Path, PathBuf};

use crate::doctor::bits;
use crate::doctor::files::Files;
use crate::doctor::sight::{Gpu, Hop, Pci, Pf};

const DEVICES: &str = "sys/bus/pci/devices";
/// What the kernel shows of config space to everybody.
const PUBLIC: usize = 64;
const NVIDIA: i64 = 0x10de;
/// VGA and 3D controllers.
const DISPLAYS: [i64; 2] = [0x0300, 0x0302];

/// The function that `device` is, or hangs below; `None` for what is virtual.
pub(super) fn function(files: &Files, device: &Path) -> Option<Pci> {
    let real = files.real(device)?;
    let chain = chain(&real);
    let own = chain.first()?.clone();
    let path = Path::new(DEVICES).join(&own);
    let pf = files.link(path.join("physfn"));
    Some(Pci {
        netdevs: files.names(path.join("net")),
        numa: files.number(path.join("numa_node")).and_then(|numa| i32::try_from(numa).ok()),
        pf_netdevs: pf.as_ref().map(|_| files.names(path.join("physfn/net"))).unwrap_or_default(),
        pf,
        path: chain.iter().enumerate().map(|(at, address)| hop(files, address, at == 0)).collect(),
        address: own,
    })
}

/// Functions that have VFs now.
pub(super) fn pfs(files: &Files) -> Vec<Pf> {
    let pf = |address: String| {
        let path = Path::new(DEVICES).join(&address);
        let vfs = u32::try_from(files.number(path.join("sriov_numvfs"))?).ok().filter(|vfs| *vfs > 0)?;
        Some(Pf { netdevs: files.names(path.join("net")), address, vfs })
    };
    files.names(DEVICES).into_iter().filter_map(pf).collect()
}

/// Addresses from the function up, as the path of its directory has them.
fn chain(real: &Path) -> Vec<String> {
    let names = real.ancestors().filter_map(|path| path.file_name()?.to_str());
    names.filter(|name| is_address(name)).map(str::to_owned).collect()
}

/// `0000:1a:00.0`, of any length of domain.
fn is_address(name: &str) -> bool {
    name.parse::<sysfs::Bdf>().is_ok()
}

fn hop(files: &Files, address: &str, is_function: bool) -> Hop {
    let path: PathBuf = Path::new(DEVICES).join(address);
    let pair = |kind: &str| {
        let read = |when: &str| files.text(path.join(format!("{when}_link_{kind}")));
        Some((read("current")?, read("max")?))
    };
    let width = |(now, best): (String, String)| Some((now.parse().ok()?, best.parse().ok()?));
    let config = files.bytes(path.join("config"));
    let config = config.as_deref().unwrap_or_default();
    if config.len() == PUBLIC {
        files.could_not_see(
            "PCI config space beyond its first 64 bytes (read requests, ACS): root is needed".to_owned(),
        );
    }
    Hop {
        address: address.to_owned(),
        speed: pair("speed"),
        width: pair("width").and_then(width),
        read_request: if is_function { bits::read_request(config) } else { None },
        acs: if is_function { None } else { bits::acs(config) },
    }
}

pub(super) fn gpus(files: &Files) -> Vec<Gpu> {
    let is_gpu = |address: &String| {
        let read = |name: &str| files.number(Path::new(DEVICES).join(address).join(name));
        read("vendor") == Some(NVIDIA) && read("class").is_some_and(|class| DISPLAYS.contains(&(class >> 8)))
    };
    let functions = files.names(DEVICES).into_iter().filter(is_gpu);
    functions
        .filter_map(|address| Some(Gpu { pci: function(files, &Path::new(DEVICES).join(address))? }))
        .collect()
}
