//! The structure that both headers of an RPM have: an index of tags, and the store of their values.

use anyhow::Result;

const MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];
/// The type of the region's tag, whose value has the form of an index entry.
const BIN: u32 = 7;
const ENTRY: u32 = 16;

/// The value of a tag.
#[derive(Debug)]
pub(super) enum Value {
    Int16(Vec<u16>),
    Int32(Vec<u32>),
    Text(String),
    Texts(Vec<String>),
    /// A text that could have translations.
    I18n(String),
}

impl Value {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(super) fn texts(texts: impl IntoIterator<Item = String>) -> Self {
        Self::Texts(texts.into_iter().collect())
    }

    /// Type, alignment, count and bytes.
    fn encode(&self) -> Result<(u32, usize, u32, Vec<u8>)> {
        let with_nul = |text: &str| [text.as_bytes(), &[0]].concat();
        let count = |length: usize| u32::try_from(length);
        Ok(match self {
            Self::Int16(numbers) => {
                (3, 2, count(numbers.len())?, bytes(numbers.iter().map(|n| n.to_be_bytes())))
            }
            Self::Int32(numbers) => {
                (4, 4, count(numbers.len())?, bytes(numbers.iter().map(|n| n.to_be_bytes())))
            }
            Self::Text(text) => (6, 1, 1, with_nul(text)),
            Self::Texts(texts) => {
                (8, 1, count(texts.len())?, texts.iter().flat_map(|text| with_nul(text)).collect())
            }
            Self::I18n(text) => (9, 1, 1, with_nul(text)),
        })
    }
}

fn bytes<const N: usize>(numbers: impl Iterator<Item = [u8; N]>) -> Vec<u8> {
    numbers.flatten().collect()
}

/// Tags with their values, all of them in the region of one tag.
#[derive(Debug)]
pub(super) struct Header {
    region: u32,
    tags: Vec<(u32, Value)>,
}

impl Header {
    pub(super) fn new(region: u32, mut tags: Vec<(u32, Value)>) -> Self {
        tags.sort_by_key(|(tag, _)| *tag);
        Self { region, tags }
    }

    pub(super) fn bytes(&self) -> Result<Vec<u8>> {
        let (mut index, mut store) = (Vec::new(), Vec::new());
        for (tag, value) in &self.tags {
            let (kind, alignment, count, bytes) = value.encode()?;
            store.resize(store.len().next_multiple_of(alignment), 0);
            index.extend(entry(*tag, kind, u32::try_from(store.len())?, count));
            store.extend(bytes);
        }
        let entries = u32::try_from(self.tags.len() + 1)?;
        let region = entry(self.region, BIN, u32::try_from(store.len())?, ENTRY);
        // The region ends with an entry whose offset leads back over all of them.
        store.extend(entry(self.region, BIN, (entries * ENTRY).wrapping_neg(), ENTRY));
        let size = u32::try_from(store.len())?;
        Ok([&MAGIC[..], &entries.to_be_bytes(), &size.to_be_bytes(), &region, &index, &store].concat())
    }
}

fn entry(tag: u32, kind: u32, offset: u32, count: u32) -> [u8; ENTRY as usize] {
    let mut entry = [0; ENTRY as usize];
    for (field, number) in entry.chunks_exact_mut(4).zip([tag, kind, offset, count]) {
        field.copy_from_slice(&number.to_be_bytes());
    }
    entry
}
