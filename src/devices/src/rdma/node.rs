use netlink::RdmaDevice;

use super::Policy;
use super::add::{open, require_exclusive};

/// What is asked of the node's RDMA once for all rails.
#[derive(Debug, Default)]
pub struct NodeRdma {
    exclusive: bool,
    devices: Vec<RdmaDevice>,
}

impl NodeRdma {
    /// An error in RDMA netns mode `shared`.
    pub fn require_exclusive(&mut self) -> Result<(), attach::Error> {
        if !self.exclusive {
            self.exclusive = require_exclusive(Policy::Exclusive)?;
        }
        Ok(())
    }

    /// The device of that name. The kernel looks none up by its name, and lists all of them: once more where one has come home
    /// since, from a pod that is gone.
    pub(super) fn device(&mut self, name: &str) -> Result<Option<RdmaDevice>, attach::Error> {
        let is_called = |device: &&RdmaDevice| device.name == name;
        if let Some(known) = self.devices.iter().find(is_called) {
            return Ok(Some(known.clone()));
        }
        self.devices = open()?.devices()?;
        Ok(self.devices.iter().find(is_called).cloned())
    }
}
