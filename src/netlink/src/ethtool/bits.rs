use serde::{Deserialize, Serialize};

use crate::attr::Attribute;
use crate::body;

// enum of the attributes of a bit set (include/uapi/linux/ethtool_netlink.h)
const SIZE: u16 = 2;
const VALUE: u16 = 4;
const MASK: u16 = 5;

/// A bit set of the kernel's: how many bits there are, and words of 32 of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bits {
    size: u32,
    words: Vec<u32>,
}

impl Bits {
    /// The compact form.
    pub(super) fn read(attribute: Attribute<'_>) -> Self {
        let part = |kind| attribute.nested().find(|part| part.kind == kind);
        let words = part(VALUE).map_or(&[][..], |value| value.value).chunks_exact(4);
        let word = |bytes: &[u8]| bytes.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
        Self {
            size: part(SIZE).and_then(Attribute::u32).unwrap_or_default(),
            words: words.filter_map(word).collect(),
        }
    }

    /// These bits, of those that are in `mask`.
    pub(super) fn put(&self, into: &mut Vec<u8>, mask: &Self) {
        body::u32(into, SIZE, mask.size);
        let words = mask.words.iter().enumerate().map(|(place, mask)| self.word(place) & mask);
        body::put(into, VALUE, &bytes(words));
        body::put(into, MASK, &bytes(mask.words.iter().copied()));
    }

    /// Whether both have the same of those bits that are in `mask`.
    pub fn agree(&self, other: &Self, mask: &Self) -> bool {
        mask.words.iter().enumerate().all(|(place, mask)| (self.word(place) ^ other.word(place)) & mask == 0)
    }

    fn word(&self, place: usize) -> u32 {
        self.words.get(place).copied().unwrap_or_default()
    }
}

fn bytes(words: impl Iterator<Item = u32>) -> Vec<u8> {
    words.flat_map(u32::to_ne_bytes).collect()
}
