//! What each traffic class has of a port: its share of the line (ETS), and memory for what it receives.

use std::fmt;
use std::str::FromStr;

use crate::Error;

const MOST_SIZE: u32 = 1 << 28;

/// Shares of the line, for eight priorities and eight traffic classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// The traffic class of each priority.
    pub classes: [u8; 8],
    /// How each class is sent, as `IEEE_8021QAZ_TSA_*` has it.
    pub scheduling: [u8; 8],
    /// The share of each class, in percent.
    pub bandwidth: [u8; 8],
}

/// Buffers of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The buffer of each priority.
    pub priorities: [u8; 8],
    /// The size of each buffer, in bytes.
    pub sizes: [u32; 8],
}

/// Names as dcb-ets(8) has them, with the kernel's numbers.
const SCHEDULING: [(&str, u8); 4] = [("strict", 0), ("cbs", 1), ("ets", 2), ("vendor", 255)];
const STRICT: u8 = 0;
const BY_SHARE: u8 = 2;

pub(crate) fn scheduling(name: &str) -> Option<u8> {
    SCHEDULING.iter().find(|(own, _)| *own == name).map(|(_, number)| *number)
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |number: &u8| {
            let known = SCHEDULING.iter().find(|(_, own)| own == number);
            known.map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
        };
        let scheduling: Vec<String> = self.scheduling.iter().map(name).collect();
        write!(
            f,
            "classes {} scheduling {} bandwidth {}",
            joined(&self.classes),
            scheduling.join(","),
            joined(&self.bandwidth)
        )
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "priorities {} sizes {}", joined(&self.priorities), joined(&self.sizes))
    }
}

/// What [`Shares`] is shown as, and recorded as; nothing else is read.
impl FromStr for Shares {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let [classes, scheduled, bandwidth] =
            fields(text, ["classes", "scheduling", "bandwidth"]).ok_or(())?;
        let kind = |name: &str| scheduling(name).or_else(|| name.parse().ok());
        let shares = (eight(classes), each(scheduled, kind), eight(bandwidth));
        let (Some(classes), Some(scheduling), Some(bandwidth)) = shares else { return Err(()) };
        Ok(Self { classes, scheduling, bandwidth })
    }
}

/// As [`Shares`].
impl FromStr for Memory {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let [priorities, sizes] = fields(text, ["priorities", "sizes"]).ok_or(())?;
        let (Some(priorities), Some(sizes)) = (eight(priorities), eight(sizes)) else { return Err(()) };
        Ok(Self { priorities, sizes })
    }
}

fn joined<T: ToString>(values: &[T]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// `NAME VALUE NAME VALUE`
fn fields<'a, const N: usize>(text: &'a str, names: [&str; N]) -> Option<[&'a str; N]> {
    let words: Vec<&str> = text.split(' ').collect();
    let is_named = |(place, name): (usize, &&str)| words.get(2 * place) == Some(name);
    if words.len() != 2 * N || !names.iter().enumerate().all(is_named) {
        return None;
    }
    let values: Vec<&str> = words.into_iter().skip(1).step_by(2).collect();
    values.try_into().ok()
}

fn each<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<[T; 8]> {
    text.split(',').map(read).collect::<Option<Vec<T>>>()?.try_into().ok()
}

fn eight<T: FromStr>(text: &str) -> Option<[T; 8]> {
    each(text, |word| word.parse().ok())
}

impl Shares {
    /// What the standard allows, and no driver takes otherwise.
    pub(crate) fn verified(self) -> Result<Self, Error> {
        let wrong = |key: &str, value: u8, problem: &str| {
            Err(Error::setting(format!("roce.ets.{key}"), Some(&value.to_string()), problem))
        };
        if let Some(&class) = self.classes.iter().find(|class| **class > 7) {
            return wrong("classes", class, "0 to 7 is allowed");
        }
        let by_share = |place: &usize| self.scheduling[*place] == BY_SHARE;
        let idle = (0..8).filter(|place| !by_share(place)).find(|place| self.bandwidth[*place] != 0);
        if let Some(place) = idle {
            let problem = "is the share of a class that is not `ets`: 0 is wanted";
            return wrong("bandwidth", self.bandwidth[place], problem);
        }
        let sum: u32 = self.bandwidth.iter().map(|share| u32::from(*share)).sum();
        if sum != 100 && (0..8).any(|place| by_share(&place)) {
            let problem = "the shares of the classes that are `ets` are 100 together";
            return Err(Error::setting("roce.ets.bandwidth", Some(&sum.to_string()), problem));
        }
        Ok(self)
    }

    /// Only what people write: the others are what a driver may say.
    pub(crate) fn is_written(number: u8) -> bool {
        [STRICT, BY_SHARE].contains(&number)
    }
}

impl Memory {
    pub(crate) fn verified(self) -> Result<Self, Error> {
        let wrong = |key: &str, value: u32, problem: &str| {
            Err(Error::setting(format!("roce.buffers.{key}"), Some(&value.to_string()), problem))
        };
        if let Some(&buffer) = self.priorities.iter().find(|buffer| **buffer > 7) {
            return wrong("priorities", buffer.into(), "0 to 7 is allowed");
        }
        if let Some(&buffer) = self.priorities.iter().find(|buffer| self.sizes[usize::from(**buffer)] == 0) {
            return wrong("priorities", buffer.into(), "its size is 0: what comes would be dropped");
        }
        if let Some(&size) = self.sizes.iter().find(|size| **size > MOST_SIZE) {
            return wrong("sizes", size, "268435456 bytes at most are allowed");
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The record has the text, and an undo gives it back to the driver.
        #[test]
        fn what_is_shown_is_read_again(
            classes: [u8; 8], scheduling: [u8; 8], bandwidth: [u8; 8], sizes: [u32; 8],
        ) {
            let shares = Shares { classes, scheduling, bandwidth };
            prop_assert_eq!(shares.to_string().parse(), Ok(shares));
            let memory = Memory { priorities: classes, sizes };
            prop_assert_eq!(memory.to_string().parse(), Ok(memory));
        }
    }

    #[test]
    fn anything_else_is_not_read() {
        for text in ["", "classes 0,1 scheduling ets bandwidth 1", "priorities 0,0,0,0,0,0,0,0 sizes"] {
            assert_eq!((text.parse::<Shares>(), text.parse::<Memory>()), (Err(()), Err(())), "{text}");
        }
    }
}
