use netlink::RdmaDevice;

use super::Policy;
use super::add::{open, require_exclusive};

/// What is asked of the node's RDMA once for all rails.
#[derive(Debug, Default)]
pub(crate) struct Node {
    exclusive: bool,
    devices: Option<Vec<RdmaDevice>>,
}

impl Node {
    /// An error in RDMA netns mode `shared`.
    pub(crate) fn require_exclusive(&mut self) -> Result<(), crate::Error> {
        if !self.exclusive {
            self.exclusive = require_exclusive(Policy::Exclusive)?;
        }
        Ok(())
    }

    /// The device of that name. The kernel looks none up by its name, and lists all of them.
    pub(super) fn device(&mut self, name: &str) -> Result<Option<RdmaDevice>, crate::Error> {
        let devices = match &mut self.devices {
            Some(devices) => devices,
            None => self.devices.insert(open()?.devices()?),
        };
        Ok(devices.iter().find(|device| device.name == name).cloned())
    }
}
