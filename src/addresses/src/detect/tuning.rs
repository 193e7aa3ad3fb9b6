use std::path::{Path, PathBuf};

use attach::{Error, sysctl};
use netns::NetNs;

use super::Detection;

/// Detection of links that hold for a detection only. They go with a link where it does not get that far.
#[derive(Default)]
pub(super) struct Tuning {
    before: Vec<(PathBuf, String)>,
}

impl Tuning {
    /// Has the kernel detect duplicates of IPv6 addresses for as long as we do those of IPv4, at once, and where the pod
    /// has it off by default. After the last request it waits once more as long as between two.
    pub(super) fn for_duplicates(
        &mut self,
        netns: &NetNs,
        ifname: &str,
        settings: Detection,
    ) -> Result<(), Error> {
        let conf = |name| sysctl::of_interface("ipv6", ifname, name);
        let pause = settings.duration().as_millis().div_ceil(settings.retries.into());
        let wanted = [
            (conf("accept_dad"), "1".to_owned()),
            (conf("dad_transmits"), settings.retries.to_string()),
            // The first request comes after a random part of this.
            (conf("router_solicitation_delay"), "0".to_owned()),
            (neighbour("ipv6", ifname, "retrans_time_ms"), pause.to_string()),
        ];
        self.set(netns, wanted)
    }

    /// How often and how fast the kernel asks for a neighbour of that family.
    pub(super) fn for_neighbours(
        &mut self,
        netns: &NetNs,
        family: &str,
        ifname: &str,
        settings: Detection,
    ) -> Result<(), Error> {
        let wanted = [
            (neighbour(family, ifname, "mcast_solicit"), settings.retries.to_string()),
            (neighbour(family, ifname, "retrans_time_ms"), settings.interval.as_millis().to_string()),
        ];
        self.set(netns, wanted)
    }

    /// Puts everything back.
    pub(super) fn restore(self, netns: &NetNs) -> Result<(), Error> {
        netns.run(|| self.before.iter().rev().try_for_each(|(path, value)| sysctl::write(path, value)))?
    }

    fn set<const N: usize>(&mut self, netns: &NetNs, wanted: [(PathBuf, String); N]) -> Result<(), Error> {
        netns.run(|| {
            for (path, value) in wanted {
                let before = sysctl::read(&path)?;
                sysctl::write(&path, &value)?;
                self.before.push((path, before));
            }
            Ok(())
        })?
    }
}

fn neighbour(family: &str, ifname: &str, name: &str) -> PathBuf {
    Path::new("/proc/sys/net").join(family).join("neigh").join(ifname).join(name)
}
