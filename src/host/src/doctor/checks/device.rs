//! RDMA devices are there, up, told apart, and can be opened.

use super::files_of;
use crate::doctor::finding::{Check, Finding, Level};
use crate::doctor::sight::{Port, RdmaDevice, Sight, Whose};
use crate::roce::Roce;

/// All may read and write.
const EVERYBODYS: u32 = 0o666;

fn state(device: &RdmaDevice, port: &Port) -> Finding {
    let value = format!("{}, {}, {}, {}", port.link_layer, port.state, port.phys_state, port.rate);
    let found = Finding::good(
        Check::Device,
        &port.of(device),
        value,
        format!("{}/{{state,phys_state}}", files_of(device, port)),
    );
    let netdev = device.netdevs().into_iter().next();
    if !port.phys_state.contains("LinkUp") {
        let cure = match netdev {
            Some(netdev) => {
                format!("ip link set {netdev} up; if it stays so, look at cable and switch: ethtool {netdev}")
            }
            None => format!("look at cable and switch: rdma link show {}", port.of(device)),
        };
        return found.bad(Level::Error, "5: LinkUp", cure);
    }
    if port.is_infiniband() && (port.lid == 0 || port.sm_lid == 0) {
        return found.bad(
            Level::Error,
            "a LID, and that of a subnet manager",
            "start a subnet manager (opensm) in the fabric; sminfo tells whether one answers",
        );
    }
    found.unless(
        port.state.contains("ACTIVE"),
        Level::Error,
        "4: ACTIVE",
        format!("rdma link show {}", port.of(device)),
    )
}

pub(super) fn ports(sight: &Sight, _: Option<Roce>) -> Vec<Finding> {
    super::ports(sight).map(|(device, port)| state(device, port)).collect()
}

/// A VF that nobody gave a GUID has none, and RDMA CM does not work on it.
pub(super) fn guids(sight: &Sight, _: Option<Roce>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for device in sight.devices.iter().filter(|device| !device.is_of_no_concern(sight)) {
        let source = format!("/sys/class/infiniband/{}/node_guid", device.name);
        let found = Finding::good(Check::Guid, &device.name, &*device.node_guid, source);
        let digits: String = device.node_guid.chars().filter(|c| *c != ':').collect();
        let is_blank = digits.chars().all(|c| c == '0') || digits.chars().all(|c| c == 'f');
        let twin = sight.devices.iter().find(|other| {
            other.name != device.name && other.node_guid == device.node_guid && !other.is_of_no_concern(sight)
        });
        findings.push(match (is_blank, twin) {
            (true, _) => found.bad(
                Level::Error,
                "a GUID of its own",
                "ip link set PF vf N node_guid GUID port_guid GUID, then rebind the VF's driver",
            ),
            (_, Some(twin)) => found.bad(
                Level::Error,
                format!("not that of {} as well", twin.name),
                "ip link set PF vf N node_guid GUID, then rebind the VF's driver",
            ),
            _ => found,
        });
    }
    findings
}

/// A mode that is set by hand is another one after the next boot.
pub(super) fn netns_mode(sight: &Sight, _: Option<Roce>) -> Vec<Finding> {
    let Some(mode) = &sight.netns_mode else { return Vec::new() };
    let (at_boot, source) = match &sight.boot_mode {
        Some((mode, file)) => (mode.as_str(), file.clone()),
        None => ("shared", "/etc/modprobe.d (no option, so the kernel's default)".to_owned()),
    };
    let found = Finding::good(
        Check::NetnsMode,
        "rdma system",
        mode.clone(),
        format!("RDMA_NLDEV_CMD_SYS_GET, {source}"),
    );
    let is_same = mode == at_boot || sight.whose == Whose::Pod;
    let cure = format!(
        "railctl host apply with rdmaMode: {mode}, which writes /etc/modprobe.d; then update-initramfs -u or dracut -f"
    );
    vec![found.unless(is_same, Level::Error, format!("the mode of the next boot, which is {at_boot}"), cure)]
}

pub(super) fn chars(sight: &Sight, _: Option<Roce>) -> Vec<Finding> {
    if sight.has_no_rdma() || sight.whose == Whose::Pod {
        return Vec::new();
    }
    let verbs = super::ports(sight).filter_map(|(device, _)| device.uverbs.clone());
    let mut names: Vec<String> = verbs.chain(["rdma_cm".to_owned()]).collect();
    names.sort_unstable();
    names.dedup();
    names.iter().map(|name| judged(sight, name)).collect()
}

fn judged(sight: &Sight, name: &str) -> Finding {
    let source = format!("/dev/infiniband/{name}");
    let module = if name == "rdma_cm" { "rdma_ucm" } else { "ib_uverbs" };
    match sight.chars.iter().find(|char| char.name == name) {
        None => Finding::good(Check::CharDevice, name, "missing", source).bad(
            Level::Error,
            "there",
            format!("modprobe {module}"),
        ),
        Some(char) => Finding::good(Check::CharDevice, name, format!("{:04o}", char.mode), source.clone())
            .unless(
                char.mode & EVERYBODYS == EVERYBODYS,
                Level::Warning,
                "0666",
                format!(
                    "chmod 0666 {source}, and for good by udev: KERNEL==\"{}*\", MODE=\"0666\"",
                    name.trim_end_matches(char::is_numeric)
                ),
            ),
    }
}
