//! `bond.options`: the kernel's bond options by the kernel's names (Documentation/networking/bonding.rst), written
//! `name=value;name=value`. Spiderpool's own names are taken, too.

use std::net::{Ipv4Addr, Ipv6Addr};

use cni::Error;
use netlink::HwAddr;
use netlink::link::BondOption;

/// What the options say.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// As netlink has them.
    pub(crate) attributes: Vec<BondOption>,
    pub(crate) active: Option<String>,
    pub(crate) primary: Option<String>,
}

/// What values an option has, and how wide the kernel holds them.
#[derive(Clone, Copy)]
enum Values {
    Byte(u8, u8),
    Short(u16, u16),
    Word(u32, u32),
    /// Names in the order of their numbers, held in a byte.
    Names(&'static [&'static str]),
    /// The same in four bytes.
    WideNames(&'static [&'static str]),
    Mac,
    Ipv4,
    Ipv6,
    Port,
}

const ON_OFF: Values = Values::Names(&["off", "on"]);
const MILLISECONDS: Values = Values::Word(0, 0x7fff_ffff);

/// Name, `IFLA_BOND_*` (`include/uapi/linux/if_link.h`) and values (`bond_opts` of `drivers/net/bonding/bond_options.c`).
const KNOWN: &[(&str, u16, Values)] = &[
    ("active_slave", 2, Values::Port),
    ("ad_actor_sys_prio", 24, Values::Short(1, u16::MAX)),
    ("ad_actor_system", 26, Values::Mac),
    ("ad_select", 22, Values::Names(&["stable", "bandwidth", "count"])),
    ("ad_user_port_key", 25, Values::Short(0, 1023)),
    ("all_slaves_active", 17, Values::Names(&["dropped", "delivered"])),
    ("arp_all_targets", 10, Values::WideNames(&["any", "all"])),
    ("arp_interval", 7, MILLISECONDS),
    ("arp_ip_target", 8, Values::Ipv4),
    ("arp_missed_max", 30, Values::Byte(1, u8::MAX)),
    (
        "arp_validate",
        9,
        Values::WideNames(&["none", "active", "backup", "all", "filter", "filter_active", "filter_backup"]),
    ),
    ("broadcast_neighbor", 33, ON_OFF),
    ("coupled_control", 32, ON_OFF),
    ("downdelay", 5, MILLISECONDS),
    ("fail_over_mac", 13, Values::Names(&["none", "active", "follow"])),
    ("lacp_active", 29, ON_OFF),
    ("lacp_rate", 21, Values::Names(&["slow", "fast"])),
    ("lp_interval", 19, Values::Word(1, 0x7fff_ffff)),
    ("miimon", 3, MILLISECONDS),
    ("min_links", 18, MILLISECONDS),
    ("ns_ip6_target", 31, Values::Ipv6),
    ("num_grat_arp", 16, Values::Byte(0, u8::MAX)),
    ("num_unsol_na", 16, Values::Byte(0, u8::MAX)),
    ("packets_per_slave", 20, Values::Word(0, 65535)),
    ("peer_notif_delay", 28, Values::Word(0, 300_000)),
    ("primary", 11, Values::Port),
    ("primary_reselect", 12, Values::Names(&["always", "better", "failure"])),
    ("resend_igmp", 15, Values::Word(0, 255)),
    ("tlb_dynamic_lb", 27, ON_OFF),
    ("updelay", 4, MILLISECONDS),
    ("use_carrier", 6, ON_OFF),
    (
        "xmit_hash_policy",
        14,
        Values::Names(&["layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac"]),
    ),
];

/// Spiderpool's names, where they are not the kernel's.
const ALIASES: &[(&str, &str)] = &[("up_delay", "updelay"), ("num_peer_notif", "num_grat_arp")];
const ACTIVE: u16 = 2;
const PRIMARY: u16 = 11;

impl Options {
    /// Every element counts, or it is an error; spaces around names and values do not matter.
    pub(crate) fn parse(text: &str, interfaces: &[String]) -> Result<Self, Error> {
        let mut parsed = Self::default();
        let mut seen = Vec::new();
        for element in text.split(';').map(str::trim).filter(|element| !element.is_empty()) {
            let (name, value) = element.split_once('=').ok_or_else(|| {
                Error::invalid_config(format!("bond.options: \"{element}\" is not of the form name=value"))
            })?;
            let (name, attribute, values) = known(name.trim())?;
            if seen.contains(&attribute) {
                return Err(Error::invalid_config(format!("bond.options: {name} is given twice")));
            }
            seen.push(attribute);
            parsed.add(name, attribute, values, value.trim(), interfaces)?;
        }
        Ok(parsed)
    }

    fn add(
        &mut self,
        name: &str,
        attribute: u16,
        values: Values,
        text: &str,
        interfaces: &[String],
    ) -> Result<(), Error> {
        let refuse = |expected: String| {
            Error::invalid_config(format!("bond.options: {name}={text}: expected {expected}"))
        };
        match attribute {
            ACTIVE | PRIMARY if !interfaces.iter().any(|interface| interface == text) => {
                return Err(refuse(format!("one of {}", interfaces.join(", "))));
            }
            ACTIVE => self.active = Some(text.to_owned()),
            PRIMARY => self.primary = Some(text.to_owned()),
            attribute => {
                let value = values.encode(text).ok_or_else(|| refuse(values.allowed()))?;
                self.attributes.push(BondOption { attribute, value });
            }
        }
        Ok(())
    }
}

fn known(name: &str) -> Result<(&'static str, u16, Values), Error> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
    KNOWN.iter().find(|(known, ..)| *known == name).copied().ok_or_else(|| {
        let names: Vec<_> = KNOWN.iter().map(|(name, ..)| *name).collect();
        Error::invalid_config(format!(
            "bond.options: \"{name}\" is no option of a bond; there are {}",
            names.join(", ")
        ))
    })
}

impl Values {
    /// The kernel's form of a value.
    fn encode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Byte(min, max) => {
                text.parse().ok().filter(|value| (min..=max).contains(value)).map(|value: u8| vec![value])
            }
            Self::Short(min, max) => {
                let value: u16 = text.parse().ok().filter(|value| (min..=max).contains(value))?;
                Some(value.to_ne_bytes().to_vec())
            }
            Self::Word(min, max) => {
                let value: u32 = text.parse().ok().filter(|value| (min..=max).contains(value))?;
                Some(value.to_ne_bytes().to_vec())
            }
            Self::Names(names) => number_of(names, text).map(|number| vec![number]),
            Self::WideNames(names) => {
                number_of(names, text).map(|number| u32::from(number).to_ne_bytes().to_vec())
            }
            Self::Mac => text.parse::<HwAddr>().ok()?.mac().map(|mac| mac.to_vec()),
            Self::Ipv4 => list(text, |address: Ipv4Addr| address.octets().to_vec()),
            Self::Ipv6 => list(text, |address: Ipv6Addr| address.octets().to_vec()),
            Self::Port => None,
        }
    }

    fn allowed(self) -> String {
        match self {
            Self::Byte(min, max) => format!("{min} to {max}"),
            Self::Short(min, max) => format!("{min} to {max}"),
            Self::Word(min, max) => format!("{min} to {max}"),
            Self::Names(names) | Self::WideNames(names) => {
                format!("0 to {}, or {}", names.len() - 1, names.join(", "))
            }
            Self::Mac => "a MAC such as 02:00:5e:10:00:01".to_owned(),
            Self::Ipv4 => "up to 16 IPv4 addresses with commas between them".to_owned(),
            Self::Ipv6 => "up to 16 IPv6 addresses with commas between them".to_owned(),
            Self::Port => "one of the interfaces".to_owned(),
        }
    }
}

fn number_of(names: &[&str], text: &str) -> Option<u8> {
    let by_name = names.iter().position(|name| *name == text);
    let number = by_name.or_else(|| text.parse().ok().filter(|number| *number < names.len()))?;
    u8::try_from(number).ok()
}

/// Attributes in an attribute, numbered from 0 (`BOND_MAX_ARP_TARGETS` is 16). Spiderpool writes a JSON list.
fn list<T: std::str::FromStr>(text: &str, bytes: impl Fn(T) -> Vec<u8>) -> Option<Vec<u8>> {
    let items: Vec<String> = match serde_json::from_str(text) {
        Ok(items) => items,
        Err(_) => text.split(',').map(|item| item.trim().to_owned()).collect(),
    };
    let mut encoded = Vec::new();
    for (number, item) in items.iter().enumerate().take(17) {
        let value = bytes(item.parse().ok()?);
        let length = u16::try_from(4 + value.len()).ok()?;
        encoded.extend(length.to_ne_bytes());
        encoded.extend(u16::try_from(number).ok().filter(|number| *number < 16)?.to_ne_bytes());
        encoded.extend(value);
    }
    Some(encoded).filter(|encoded| !encoded.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, Error> {
        Options::parse(text, &["ens1".to_owned(), "ens2".to_owned()])
    }

    fn option(attribute: u16, value: &[u8]) -> BondOption {
        BondOption { attribute, value: value.to_vec() }
    }

    #[test]
    fn names_and_numbers_are_the_same() {
        let named = parse("miimon=100; xmit_hash_policy=layer3+4;lacp_rate=fast;arp_validate=all;").unwrap();
        assert_eq!(named, parse("miimon=100;xmit_hash_policy=1;lacp_rate=1;arp_validate=3").unwrap());
        let expected = [
            option(3, &100_u32.to_ne_bytes()),
            option(14, &[1]),
            option(21, &[1]),
            option(9, &3_u32.to_ne_bytes()),
        ];
        assert_eq!(named.attributes, expected);
    }

    #[test]
    fn an_explicit_zero_is_not_lost() {
        assert_eq!(
            parse("use_carrier=0;updelay=0").unwrap().attributes,
            [option(6, &[0]), option(4, &[0; 4])]
        );
    }

    #[test]
    fn spiderpools_names_and_lists_are_taken() {
        assert_eq!(parse("up_delay=5").unwrap(), parse("updelay=5").unwrap());
        let list = parse(r#"primary=ens1; arp_interval=1; arp_ip_target=["10.0.0.1","10.0.0.2"]"#).unwrap();
        assert_eq!(
            list,
            parse("arp_ip_target=10.0.0.1,10.0.0.2")
                .map(|mut short| {
                    short.primary = Some("ens1".to_owned());
                    short.attributes.insert(0, option(7, &1_u32.to_ne_bytes()));
                    short
                })
                .unwrap()
        );
        assert_eq!(list.attributes[1].value[4..8], [10, 0, 0, 1]);
    }

    #[test]
    fn nothing_malformed_is_skipped() {
        for (text, named) in [
            ("miimon", "\"miimon\""),
            ("miimon=100;junk", "\"junk\""),
            ("mimon=100", "\"mimon\" is no option"),
            ("miimon=-1", "miimon=-1"),
            ("miimon=1s", "0 to 2147483647"),
            ("lacp_rate=quick", "slow, fast"),
            ("xmit_hash_policy=6", "vlan+srcmac"),
            ("primary=ens3", "one of ens1, ens2"),
            ("arp_ip_target=", "IPv4"),
            ("arp_ip_target=10.0.0.256", "IPv4"),
            ("ad_actor_system=1", "a MAC"),
            ("updelay=1;up_delay=2", "given twice"),
            ("mode=1", "\"mode\" is no option"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.code == 7 && error.msg.contains(named), "{text}: {}", error.msg);
        }
    }
}
