//! The way between a NIC and memory: full speed, large reads, no detour; and a GPU near each NIC.

use crate::doctor::finding::{Check, Finding, Level};
use crate::doctor::sight::{Gpu, Hop, Pci, Sight, Whose};
use crate::roce::Roce;

const LARGEST_READ: u32 = 4096;
/// Source validation, request redirect and completion redirect: what is between peers goes up to the root.
const REDIRECTS: u16 = 0x1d;

/// PFs: VFs share their links.
fn nics(sight: &Sight) -> impl Iterator<Item = (&str, &Pci)> {
    let own = sight.devices.iter().filter_map(|device| Some((device.name.as_str(), device.pci.as_ref()?)));
    own.filter(move |(_, pci)| pci.pf.is_none() && sight.whose == Whose::Node)
}

pub(super) fn links(sight: &Sight, _: Option<Roce>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, pci) in nics(sight) {
        findings.extend(pci.path.iter().filter_map(|hop| link(name, hop)));
        findings.extend(pci.path.first().and_then(|hop| read_request(name, hop)));
        if !sight.gpus.is_empty() {
            findings.extend(pci.path.iter().filter_map(|hop| access_control(sight, name, hop)));
        }
    }
    findings
}

fn link(name: &str, hop: &Hop) -> Option<Finding> {
    let (speed, best_speed) = hop.speed.as_ref()?;
    let (width, best_width) = hop.width?;
    let value = format!("{speed} x{width}");
    let subject = format!("{name} {}", hop.address);
    let source = format!("/sys/bus/pci/devices/{}/current_link_{{speed,width}}", hop.address);
    let is_best = speed == best_speed && width >= best_width;
    let cure = format!(
        "reseat the card, or try another slot; setpci -s {} CAP_EXP+10.w=20:20 trains the link again",
        hop.address
    );
    let wanted = format!("{best_speed} x{best_width}");
    Some(Finding::good(Check::Pcie, &subject, value, source).unless(is_best, Level::Warning, wanted, cure))
}

fn read_request(name: &str, hop: &Hop) -> Option<Finding> {
    let size = hop.read_request?;
    let source = format!("/sys/bus/pci/devices/{}/config, Device Control", hop.address);
    let cure = format!("setpci -s {} CAP_EXP+8.w=5000:7000", hop.address);
    let found = Finding::good(
        Check::Pcie,
        &format!("{name} {}", hop.address),
        format!("reads of {size} bytes"),
        source,
    );
    Some(found.unless(size >= LARGEST_READ, Level::Warning, format!("{LARGEST_READ}"), cure))
}

/// With an IOMMU that translates, virtual machines may need it; elsewhere it is a detour for what goes between GPU and NIC.
fn access_control(sight: &Sight, name: &str, hop: &Hop) -> Option<Finding> {
    let acs = hop.acs?;
    let is_direct = acs & REDIRECTS == 0;
    let translates = sight.iommu.iter().any(|kind| kind.starts_with("DMA"));
    let level = if translates { Level::Error } else { Level::Warning };
    let source = format!("/sys/bus/pci/devices/{}/config, Access Control Services", hop.address);
    let cure = format!(
        "setpci -s {} ECAP_ACS+6.w=0000 (again after each boot), or switch ACS off in the firmware",
        hop.address
    );
    let found = Finding::good(
        Check::Pcie,
        &format!("{name} {}", hop.address),
        format!("ACS control {acs:#06x}"),
        source,
    );
    Some(found.unless(is_direct, level, "no redirects (0x001d clear), or peers meet at the root only", cure))
}

pub(super) fn neighbours(sight: &Sight, _: Option<Roce>) -> Vec<Finding> {
    let nodes = nics(sight).filter_map(|(name, pci)| numa(sight, name, pci));
    let gpus = sight.gpus.iter().filter_map(|gpu| nearest(sight, gpu));
    nodes.chain(gpus).collect()
}

fn numa(sight: &Sight, name: &str, pci: &Pci) -> Option<Finding> {
    let numa = pci.numa?;
    let source = format!("/sys/bus/pci/devices/{}/numa_node", pci.address);
    let is_known = numa >= 0 || sight.numa_nodes < 2;
    let cure = "update the BIOS, whose tables do not tell; until then choose CPUs by hand";
    Some(Finding::good(Check::Numa, name, format!("node {numa}"), source).unless(
        is_known,
        Level::Warning,
        "a node of this machine",
        cure,
    ))
}

/// Below one switch they meet there, else at the root.
fn nearest(sight: &Sight, gpu: &Gpu) -> Option<Finding> {
    let shared = |pci: &Pci| {
        pci.path
            .iter()
            .skip(1)
            .filter(|hop| gpu.pci.path.iter().skip(1).any(|other| other.address == hop.address))
            .count()
    };
    let (name, depth) = nics(sight).map(|(name, pci)| (name, shared(pci))).max_by_key(|(_, depth)| *depth)?;
    let value = if depth == 0 {
        "no NIC below the same bridge".to_owned()
    } else {
        format!("{name}, {depth} bridges in common")
    };
    let found =
        Finding::good(Check::Numa, &format!("GPU {}", gpu.pci.address), value, "/sys/bus/pci/devices");
    Some(found.unless(
        depth > 0,
        Level::Warning,
        "a NIC below the same PCIe switch",
        "move a NIC to a slot of the GPU's switch; NCCL_NET_GDR_LEVEL=SYS makes it try all the same",
    ))
}
