//! The boots that tests can ask for, by the name of their first module.

use anyhow::Result;

use crate::lab_image::Image;
use crate::wire::{Device, Link, Rails, Test};

/// One kind of boot.
#[derive(Debug, Clone, Copy)]
pub struct Configuration {
    /// First module of its tests.
    pub name: &'static str,
    device: Device,
    link: Link,
    rails: u8,
    vfs: u8,
}

/// Every kind of boot.
pub const CONFIGURATIONS: [Configuration; 6] = [
    Configuration { name: "eth", device: Device::Hca, link: Link::Eth, rails: 8, vfs: 4 },
    Configuration { name: "ib", device: Device::Hca, link: Link::Ib, rails: 8, vfs: 4 },
    Configuration { name: "ipoib", device: Device::Hca, link: Link::Ipoib, rails: 8, vfs: 2 },
    Configuration { name: "igb", device: Device::Igb, link: Link::Eth, rails: 2, vfs: 7 },
    Configuration { name: "many", device: Device::Many, link: Link::Eth, rails: 1, vfs: 120 },
    Configuration { name: "plain", device: Device::None, link: Link::Eth, rails: 1, vfs: 0 },
];

impl Configuration {
    /// True when `test` belongs to this configuration.
    pub(crate) fn owns(&self, test: &Test) -> bool {
        test.shown.split("::").next() == Some(self.name)
    }

    pub(crate) fn rails(&self, image: &Image) -> Result<Rails> {
        let module = match self.device {
            Device::Hca | Device::Many => Some(image.module()?),
            Device::None | Device::Igb => None,
        };
        Ok(Rails { device: self.device, link: self.link, rails: self.rails, vfs: self.vfs, module })
    }
}
