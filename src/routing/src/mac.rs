use std::net::IpAddr;
use std::str::FromStr;

/// The first two bytes of a MAC address whose other four are an IP address, so that people can read one from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix([u8; 2]);

impl Prefix {
    /// The prefix, then the IPv4 address, or the last four bytes of the IPv6 address.
    pub fn with(self, address: IpAddr) -> [u8; 6] {
        let [.., a, b, c, d] = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        [self.0[0], self.0[1], a, b, c, d]
    }
}

impl FromStr for Prefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let pair = text.split_once([':', '-']).ok_or(FORM)?;
        let prefix = [byte(pair.0)?, byte(pair.1)?];
        if prefix[0] & 1 == 1 {
            return Err(
                "has the multicast bit (the lowest of the first byte) set, which no interface may have",
            );
        }
        Ok(Self(prefix))
    }
}

const FORM: &str = "is not two bytes in hex, such as 0a:1b";

fn byte(text: &str) -> Result<u8, &'static str> {
    let hex = text.len() == 2 && text.bytes().all(|c| c.is_ascii_hexdigit());
    hex.then(|| u8::from_str_radix(text, 16).ok()).flatten().ok_or(FORM)
}
