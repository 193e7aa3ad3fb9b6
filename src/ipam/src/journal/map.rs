use super::codec::Reader;

const BITS: u128 = 256;

/// Which addresses have an entry, as bits: sorted blocks of 256 addresses, so that a full /16 takes 12 KiB and a lone
/// address 48 bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Map(Vec<Block>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Block {
    /// The number of the first address, by 256.
    index: u128,
    words: [u64; 4],
}

impl Map {
    /// Bytes of a block on disk.
    pub(super) const BLOCK: usize = 48;

    pub(super) fn blocks(&self) -> usize {
        self.0.len()
    }

    pub(super) fn contains(&self, number: u128) -> bool {
        let (word, bit) = place(number);
        self.find(number).is_ok_and(|at| self.0[at].words[word] & bit != 0)
    }

    pub(super) fn insert(&mut self, number: u128) {
        let (word, bit) = place(number);
        let at = self.find(number).unwrap_or_else(|at| {
            self.0.insert(at, Block { index: number / BITS, words: [0; 4] });
            at
        });
        self.0[at].words[word] |= bit;
    }

    /// May leave an empty block behind.
    pub(super) fn remove(&mut self, number: u128) {
        let (word, bit) = place(number);
        if let Ok(at) = self.find(number) {
            self.0[at].words[word] &= !bit;
        }
    }

    pub(super) fn drop_empty(&mut self) {
        self.0.retain(|block| block.words != [0; 4]);
    }

    /// The lowest number of the range that is not in the map.
    pub(super) fn next_clear(&self, first: u128, last: u128) -> Option<u128> {
        let mut number = first;
        let Ok(mut at) = self.find(number) else { return Some(number) };
        loop {
            let block = &self.0[at];
            if let Some(clear) = block.next_clear(number % BITS) {
                let found = block.index * BITS + clear;
                return (found <= last).then_some(found);
            }
            number = block.index.checked_add(1)?.checked_mul(BITS).filter(|next| *next <= last)?;
            at += 1;
            if self.0.get(at).is_none_or(|block| block.index != number / BITS) {
                return Some(number);
            }
        }
    }

    /// The numbers that are in one of the two.
    pub(super) fn joined(&self, other: &Self) -> Self {
        let mut blocks: Vec<Block> = Vec::with_capacity(self.0.len().max(other.0.len()));
        let mut all = self.0.iter().chain(&other.0).collect::<Vec<_>>();
        all.sort_by_key(|block| block.index);
        for block in all {
            match blocks.last_mut().filter(|last| last.index == block.index) {
                Some(last) => last.words.iter_mut().zip(block.words).for_each(|(word, more)| *word |= more),
                None => blocks.push(block.clone()),
            }
        }
        Self(blocks)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for block in &self.0 {
            out.extend_from_slice(&block.index.to_le_bytes());
            block.words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>, blocks: usize) -> Option<Self> {
        let block = |reader: &mut Reader<'_>| {
            let index = reader.u128()?;
            Some(Block { index, words: [reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?] })
        };
        (0..blocks).map(|_| block(reader)).collect::<Option<_>>().map(Self)
    }

    fn find(&self, number: u128) -> Result<usize, usize> {
        self.0.binary_search_by_key(&(number / BITS), |block| block.index)
    }
}

impl Block {
    /// The first clear bit from `from` on.
    fn next_clear(&self, from: u128) -> Option<u128> {
        let (start, _) = place(from);
        for (word, taken) in self.words.iter().enumerate().skip(start) {
            let before = if word == start { (1 << (from % 64)) - 1 } else { 0 };
            let free = (!(taken | before)).trailing_zeros();
            if free < 64 {
                return Some(word as u128 * 64 + u128::from(free));
            }
        }
        None
    }
}

fn place(number: u128) -> (usize, u64) {
    let bit = (number % BITS) as usize;
    (bit / 64, 1 << (bit % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_end_of_the_number_space_is_no_problem() {
        let mut map = Map::default();
        for number in u128::MAX - 300..=u128::MAX {
            map.insert(number);
        }
        assert_eq!(map.next_clear(u128::MAX - 300, u128::MAX), None);
        assert_eq!(map.next_clear(u128::MAX - 301, u128::MAX), Some(u128::MAX - 301));
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_numbers(
            numbers in prop::collection::vec((any::<bool>(), 0_u128..1024), 0..900),
            first in 0_u128..1024,
            len in 0_u128..600,
        ) {
            let (mut map, mut set) = (Map::default(), BTreeSet::new());
            for (insert, number) in numbers {
                if insert {
                    map.insert(number);
                    set.insert(number);
                } else {
                    map.remove(number);
                    set.remove(&number);
                }
            }
            let clear = (first..=first + len).find(|number| !set.contains(number));
            prop_assert_eq!(map.next_clear(first, first + len), clear);
            let mut bytes = Vec::new();
            map.drop_empty();
            map.write(&mut bytes);
            let again = Map::read(&mut Reader::new(&bytes), map.blocks()).unwrap();
            prop_assert_eq!(&again, &map);
            prop_assert!((0..1024).all(|number| again.contains(number) == set.contains(&number)));
            let mut others = Map::default();
            (first..first + len).step_by(3).for_each(|number| others.insert(number));
            let either = map.joined(&others);
            let is_right = |number| either.contains(number) == (set.contains(&number) || others.contains(number));
            prop_assert!((0..1624).all(is_right));
        }
    }
}
