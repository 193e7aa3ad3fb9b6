//! Addresses and prefixes as Go reads them.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};

/// The text is no `ADDRESS/LENGTH`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an IP prefix such as 10.1.2.3/24 or fd00::5/64, got \"{0}\"")]
pub struct PrefixError(pub String);

/// Reads `ADDRESS/LENGTH` with its host bits; `::0/0` and the like are accepted, and an IPv4 prefix that is mapped
/// into IPv6 becomes IPv4.
pub fn parse_cidr(text: &str) -> Result<IpNet, PrefixError> {
    let invalid = || PrefixError(text.to_owned());
    let (address, length) = text.split_once('/').ok_or_else(invalid)?;
    if !length.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid());
    }
    let address: IpAddr = address.parse().map_err(|_| invalid())?;
    let length: u8 = length.parse().map_err(|_| invalid())?;
    let (address, length) = unmap(address, length);
    IpNet::new(address, length).map_err(|_| invalid())
}

fn unmap(address: IpAddr, length: u8) -> (IpAddr, u8) {
    match address {
        IpAddr::V6(v6) if length >= 96 => {
            v6.to_ipv4_mapped().map_or((address, length), |v4| (v4.into(), length - 96))
        }
        _ => (address, length),
    }
}

pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpNet, D::Error> {
    parse_cidr(&String::deserialize(deserializer)?)
        .map_err(|_| de::Error::custom("expected an IP prefix such as 10.1.2.3/24"))
}

pub(super) fn gateway<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    let parse =
        |text: String| text.parse().map_err(|_| de::Error::custom("expected an IP address such as 10.1.2.1"));
    Ok(text.map(parse).transpose()?.map(|address: IpAddr| address.to_canonical()))
}

/// Some runtimes write -1 for "no interface".
pub(super) fn index<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let number = Option::<i64>::deserialize(deserializer)?;
    Ok(number.and_then(|n| usize::try_from(n).ok()))
}
