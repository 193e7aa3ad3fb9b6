//! Inputs made of good ones: the same for the same seed, so that a failure can be had again.

/// What often stands where something breaks.
const TOKENS: [&[u8]; 24] = [
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"\"\"",
    b"-1",
    b"1e999",
    b"4294967296",
    b"18446744073709551616",
    b"\\u0000",
    b"\0",
    b"../",
    b"/",
    b"\n",
    b"\xff\xff\xff\xff",
    b"\xc3\x28",
    b"::/0",
    b"0.0.0.0/0",
    b"172.16.1.300",
    b"ff:ff:ff:ff:ff:ff",
    b"=",
    b";",
    b"\"\\",
    b"[[[[[[[[",
];

/// xorshift64 (Marsaglia 2003): no more is needed, and no dependency.
#[derive(Clone, Debug)]
pub struct Mutator(u64);

impl Mutator {
    /// `seed` may be anything.
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// `input` with one to eight changes.
    pub fn mutate(&mut self, input: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(8) {
            self.change(&mut bytes);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let end = (at + 1 + self.below(16)).min(bytes.len());
        match self.below(7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at.min(end)..end)),
            2 => {
                let again = bytes[at.min(end)..end].to_vec();
                bytes.splice(at..at, again);
            }
            3 | 4 => {
                let token = TOKENS[self.below(TOKENS.len())];
                // In place of something, or between two things.
                let end = if self.below(2) == 0 { at } else { end.max(at) };
                bytes.splice(at..end, token.iter().copied());
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (self.0 >> 32 & 7);
                }
            }
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit.max(1)
    }
}
