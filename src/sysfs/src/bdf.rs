use crate::Error;
use std::fmt;
use std::str::FromStr;

/// The address of a PCI function, shown as sysfs names it: `0000:3b:02.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bdf {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

impl Bdf {
    /// Bus, device and function as the one number that VFs are counted by.
    pub(crate) fn routing_id(self) -> u32 {
        u32::from(self.bus) << 8 | u32::from(self.device) << 3 | u32::from(self.function)
    }
}

impl FromStr for Bdf {
    type Err = Error;

    /// The domain is required; it has more than four digits behind VMD and Hyper-V.
    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).ok_or_else(|| Error::Address(text.into()))
    }
}

fn parse(text: &str) -> Option<Bdf> {
    let (domain, rest) = text.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    Some(Bdf {
        domain: hex(domain, 4..=8, u32::MAX)?,
        bus: u8::try_from(hex(bus, 2..=2, 0xff)?).ok()?,
        device: u8::try_from(hex(device, 2..=2, 0x1f)?).ok()?,
        function: u8::try_from(hex(function, 1..=1, 7)?).ok()?,
    })
}

/// `from_str_radix` alone would take a sign.
fn hex(digits: &str, length: std::ops::RangeInclusive<usize>, max: u32) -> Option<u32> {
    let plain = length.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = plain.then(|| u32::from_str_radix(digits, 16).ok())??;
    (value <= max).then_some(value)
}

impl fmt::Display for Bdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, bus, device, function } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_shows_in_lower_case() {
        for (text, shown) in [
            ("0000:3b:02.5", "0000:3b:02.5"),
            ("0000:3B:1F.7", "0000:3b:1f.7"),
            ("10000:e1:00.0", "10000:e1:00.0"),
            ("ffffffff:ff:1f.0", "ffffffff:ff:1f.0"),
        ] {
            assert_eq!(text.parse::<Bdf>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "3b:02.5",
            "0000:3b:02",
            "0000:3b:02.8",
            "0000:3b:20.0",
            "000:3b:02.5",
            "0000:03b:02.5",
            "0000:3b:2.5",
            "+000:3b:02.5",
            "0000:3b:02.5 ",
            "0000:3b:02.5/..",
            "../0000:3b:02.5",
            "0000:3g:02.5",
            "100000000:00:00.0",
        ] {
            let error = text.parse::<Bdf>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is not a PCI address")), "{error}");
        }
    }
}
