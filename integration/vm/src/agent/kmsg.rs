//! The kernel's log, read record by record (Documentation/ABI/testing/dev-kmsg).

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result};
use nix::fcntl::OFlag;

/// Level of a warning; smaller numbers are worse.
const WARNING: u32 = 4;
/// What marks a trouble among the many harmless warnings of a boot.
const TROUBLES: [&str; 6] = ["WARNING:", "BUG:", "Oops", "Call Trace", "INFO: task", "lockdep"];
/// Warnings that say nothing bad.
const EXPECTED: [&str; 22] = [
    // The HCA's module is neither Debian's nor signed.
    "loading out-of-tree module taints kernel",
    "module verification failed: signature and/or required key missing",
    // ipvlan says EINVAL to an InfiniBand master, and says it here as well.
    "Master is either lo or non-ether device",
    // It says EBUSY to one that has macvlans, too.
    "Device is already in use",
    // ib_ipoib names a debugfs file after each child, and pods use the same names.
    "in directory 'ipoib' already present",
    // Its remarks on connected mode, on `umcast`, and on a partition that the port is not in.
    "will cause multicast packet drops",
    "ignoring multicast groups joined directly by userspace",
    "P_Key 0x8123 is not found",
    "P_Key 0x8777 is not found",
    // A name that is taken, which the plugin tries before it takes another way.
    "failed to initialize; error -17",
    // A driver took a VF's node GUID and refused the port's, which the same request asked for.
    "A link change request failed with some changes committed already",
    // The knob `probe_errno` had this one.
    "failed with error -5",
    // igb on igbvf's request for multicast addresses.
    "attempted to set invalid MAC filter",
    // QEMU's igb gives a VF its own multicasts back, here the neighbour advertisement that announces an address.
    "advertised our address",
    // The device mapper, on how Debian built it.
    "CONFIG_IMA_DISABLE_HTABLE is disabled",
    // It counts what it did not log of mounts and loop devices that came quickly one after another.
    "callbacks suppressed",
    // The bonding driver, on an InfiniBand interface that a pod makes a port.
    "enslaved VLAN challenged slave",
    "does not support setting the MAC address",
    "Setting fail_over_mac to active",
    // The machine had no time for the guest.
    "hrtimer: interrupt took",
    "perf: interrupt took too long",
    "clocksource: ",
];

/// A position in the log.
#[derive(Debug)]
pub(crate) struct Log(File);

impl Log {
    /// The log from its beginning.
    pub(crate) fn open() -> Result<Self> {
        let mut options = File::options();
        let file = options.read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open("/dev/kmsg");
        Ok(Self(file.context("open /dev/kmsg")?))
    }

    /// Troubles among what was logged until now.
    pub(crate) fn boot_troubles(&mut self) -> Result<Vec<String>> {
        let records = self.records()?;
        let trouble = |text: &String| TROUBLES.iter().any(|trouble| text.contains(trouble));
        Ok(records.into_iter().map(|(_, text)| text).filter(trouble).collect())
    }

    /// Warnings and worse since the last call.
    pub(crate) fn warnings(&mut self) -> Result<Vec<String>> {
        let records = self.records()?.into_iter();
        let expected = |text: &String| EXPECTED.iter().any(|expected| text.contains(expected));
        let bad = records.filter(|(level, _)| *level <= WARNING).map(|(_, text)| text);
        Ok(bad.filter(|text| !expected(text)).collect())
    }

    fn records(&mut self) -> Result<Vec<(u32, String)>> {
        let mut records = Vec::new();
        let mut buffer = vec![0; 8192];
        loop {
            match self.0.read(&mut buffer) {
                Ok(size) => records.extend(parse(&String::from_utf8_lossy(&buffer[..size]))),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(records),
                // The ring has overwritten what was next; the following read continues after the gap.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(error) => return Err(error).context("read /dev/kmsg"),
            }
        }
    }
}

/// `priority,sequence,time,flags;text`, then continuation lines that start with a blank.
fn parse(record: &str) -> Option<(u32, String)> {
    let (prefix, text) = record.split_once(';')?;
    let priority: u32 = prefix.split(',').next()?.parse().ok()?;
    Some((priority & 7, text.lines().next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_the_low_part_of_the_priority() {
        let record = "12,357,1234567,-;something odd\n SUBSYSTEM=pci\n";
        assert_eq!(parse(record), Some((4, "something odd".to_owned())));
    }

    #[test]
    fn a_line_without_prefix_is_no_record() {
        assert_eq!(parse("nonsense"), None);
    }
}
