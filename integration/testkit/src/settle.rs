//! What the kernel does by itself after a link came up.

use std::time::Duration;

use serde_json::Value;

use crate::mounts::must;
use crate::space::Space;
use crate::wait::eventually;

const SETTLE: Duration = Duration::from_secs(10);

impl Space {
    /// Waits for what a kernel worker does when a link has its carrier, lest a picture race with it: it is up by then, each
    /// IPv6 address has its local route, and one is link-local.
    #[track_caller]
    pub fn settle(&self, link: &str) {
        // A process is dear in a guest: none is started for what has not begun.
        let ready = || (self.has_link_local(link) && self.is_settled(link)).then_some(());
        assert!(
            eventually(SETTLE, ready).is_some(),
            "{link} in {} has no carrier or no link-local address after {SETTLE:?}",
            self.name()
        );
    }

    /// By `/proc/net/if_inet6`: address, index, length, scope (0x20 is a link's), flags, name.
    fn has_link_local(&self, link: &str) -> bool {
        let addresses = self.run(|| std::fs::read_to_string("/proc/thread-self/net/if_inet6"));
        let is_ours = |line: &str| {
            let columns: Vec<_> = line.split_whitespace().collect();
            (columns.get(3), columns.get(5)) == (Some(&"20"), Some(&link))
        };
        must("list the addresses", addresses).lines().any(is_ours)
    }

    fn is_settled(&self, link: &str) -> bool {
        let listings = format!(
            "addr show dev {link}\nroute show table local type local dev {link}\n\
             route show table local type multicast dev {link}\n"
        );
        let lists = self.ip_lists(&["-j", "-6"], &listings);
        let [links, local, multicast] = &lists[..] else {
            panic!("ip answered {} of 3 listings in {}", lists.len(), self.name());
        };
        let addresses = links[0]["addr_info"].as_array().map_or(&[][..], Vec::as_slice);
        let is_ready = |address: &Value| address["scope"] == "link" && address["tentative"].is_null();
        links[0]["operstate"] == "UP"
            && addresses.iter().any(is_ready)
            && local.len() == addresses.len()
            && !multicast.is_empty()
    }
}
