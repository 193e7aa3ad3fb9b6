//! Places of a block as a set of bits, and as text: `0-7,16`.

use std::fmt;
use std::str::FromStr;

/// How many indices a block has.
pub const BLOCK: u32 = 128;

/// Some of the places of a block.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Mask(pub u128);

impl Mask {
    /// From the first to the last place, both included.
    pub fn range(first: u32, last: u32) -> Self {
        let from = u128::MAX << first;
        let until = u128::MAX >> (BLOCK - 1 - last);
        Self(from & until)
    }

    /// One place.
    pub fn one(place: u32) -> Self {
        Self(1 << place)
    }

    /// How many places there are in it.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The lowest `count` of them.
    #[must_use]
    pub fn lowest(self, count: u32) -> Self {
        let mut left = self.0;
        for _ in 0..count.min(self.len()) {
            left &= left - 1;
        }
        Self(self.0 & !left)
    }

    /// Runs of neighbours, first and last place.
    pub fn runs(self) -> impl Iterator<Item = (u32, u32)> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let first = left.trailing_zeros();
            let length = (left >> first).trailing_ones();
            let last = first + length - 1;
            left &= !Self::range(first, last).0;
            Some((first, last))
        })
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.runs().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Mask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let place = |text: &str| text.parse::<u32>().ok().filter(|place| *place < BLOCK);
            match (place(first), place(last)) {
                (Some(first), Some(last)) if first <= last => all = all.or(Self::range(first, last)),
                _ => return Err(format!("{part:?} is no place of a block: expected N or N-M below {BLOCK}")),
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_and_back(bits: u128) {
            prop_assert_eq!(Mask(bits).to_string().parse(), Ok(Mask(bits)));
        }

        #[test]
        fn the_lowest_are_as_many_as_asked(bits: u128, count in 0u32..200) {
            let lowest = Mask(bits).lowest(count);
            prop_assert_eq!(lowest.len(), count.min(Mask(bits).len()));
            prop_assert!(lowest.without(Mask(bits)).is_empty());
        }
    }

    #[test]
    fn places_beyond_the_block_are_refused() {
        for text in ["128", "5-4", "a", "-", "0-200", "1--2"] {
            assert!(text.parse::<Mask>().is_err(), "{text}");
        }
    }
}
