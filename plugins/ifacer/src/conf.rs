//! The config of `ifacer`, validated before anything is touched.

#[cfg(test)]
mod tests;

use cni::{Error, Request};
use links::master::{BondSpec, MasterSpec, VlanSpec};
use netlink::link::BondMode;
use serde::Deserialize;

use crate::options::Options;

/// Spiderpool's JSON keys, and `mtu`, `vlanName` and `cleanup`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Keys {
    interfaces: Vec<String>,
    #[serde(rename = "vlanID")]
    vlan_id: i64,
    #[serde(rename = "vlanName")]
    vlan_name: String,
    bond: Option<BondKeys>,
    mtu: i64,
    cleanup: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BondKeys {
    name: String,
    mode: Option<Mode>,
    options: String,
}

/// Spiderpool writes a number, the kernel's tools a name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Mode {
    Number(i64),
    Name(String),
}

/// Keys that are written by mistake, and what they mean here.
const MEANT: &[(&str, &str)] = &[("master", "interfaces"), ("interface", "interfaces"), ("vlan", "vlanID")];

const DEFAULT_BOND: &str = "sp_bond0";
/// In the order of their numbers (`BOND_MODE_*`).
const MODES: [(&str, BondMode); 7] = [
    ("balance-rr", BondMode::BalanceRr),
    ("active-backup", BondMode::ActiveBackup),
    ("balance-xor", BondMode::BalanceXor),
    ("broadcast", BondMode::Broadcast),
    ("802.3ad", BondMode::Ieee8023Ad),
    ("balance-tlb", BondMode::BalanceTlb),
    ("balance-alb", BondMode::BalanceAlb),
];

/// What is to be there; `None` if the next plugin's master is an interface as it is.
pub(crate) fn wanted(request: &Request) -> Result<Option<MasterSpec>, Error> {
    let keys: Keys = request.config.decode()?;
    request.config.warn_unknown_keys::<Keys>(MEANT);
    check_names(&keys.interfaces)?;
    let vlan_id = vlan_id(keys.vlan_id)?;
    let mtu = mtu(keys.mtu)?;
    let bond = bond(keys.bond.as_ref(), &keys.interfaces, vlan_id)?;
    let below = bond.as_ref().map_or(&keys.interfaces[0], |bond| &bond.name);
    let vlan = vlan_id.map(|id| vlan(id, &keys.vlan_name, below)).transpose()?;
    if bond.is_none() && vlan.is_none() {
        return Ok(None);
    }
    Ok(Some(MasterSpec { interfaces: keys.interfaces, bond, vlan, mtu, cleanup: keys.cleanup }))
}

fn check_names(interfaces: &[String]) -> Result<(), Error> {
    if interfaces.is_empty() {
        return Err(Error::invalid_config("interfaces: name at least one interface of the host"));
    }
    for (position, name) in interfaces.iter().enumerate() {
        valid("interfaces", name)?;
        if interfaces[..position].contains(name) {
            return Err(Error::invalid_config(format!(
                "interfaces: \"{name}\" is listed twice: write it once"
            )));
        }
    }
    Ok(())
}

fn valid(key: &str, name: &str) -> Result<(), Error> {
    if name.starts_with('.') {
        return Err(Error::invalid_config(format!(
            "{key}: \"{name}\" begins with a dot, as files beside the records of masters do: take another name"
        )));
    }
    state::name::ifname(name).map_err(|error| Error::invalid_config(format!("{key}: {error}")))
}

fn vlan_id(id: i64) -> Result<Option<u16>, Error> {
    match u16::try_from(id) {
        Ok(0) => Ok(None),
        Ok(id @ 1..=4094) => Ok(Some(id)),
        _ => Err(Error::invalid_config(format!("vlanID {id}: expected 1 to 4094, or 0 for none"))),
    }
}

fn vlan(id: u16, name: &str, below: &str) -> Result<VlanSpec, Error> {
    let name = if name.is_empty() { format!("{below}.{id}") } else { name.to_owned() };
    valid("vlanName", &name)
        .map_err(|error| error.with_details("give a shorter name by `vlanName`, and use it as `master`"))?;
    Ok(VlanSpec { id, name })
}

fn mtu(mtu: i64) -> Result<Option<u32>, Error> {
    match u32::try_from(mtu) {
        Ok(0) => Ok(None),
        Ok(mtu @ 68..) => Ok(Some(mtu)),
        _ => Err(Error::invalid_config(format!(
            "mtu {mtu}: expected 68 or more, or 0 for that of the interfaces"
        ))),
    }
}

fn bond(
    keys: Option<&BondKeys>,
    interfaces: &[String],
    vlan: Option<u16>,
) -> Result<Option<BondSpec>, Error> {
    let Some(keys) = keys else {
        return if interfaces.len() > 1 && vlan.is_some() {
            Err(Error::invalid_config(format!(
                "vlanID: {} interfaces have no VLAN in common without a `bond`",
                interfaces.len()
            )))
        } else {
            Ok(None)
        };
    };
    let name = if keys.name.is_empty() { DEFAULT_BOND } else { &keys.name };
    valid("bond.name", name)?;
    let mode = mode(keys.mode.as_ref())?;
    let options = Options::parse(&keys.options, interfaces)?;
    if interfaces.len() == 1 {
        tracing::warn!("bond: left out, one interface needs none");
        return Ok(None);
    }
    let Options { attributes: options, active, primary } = options;
    Ok(Some(BondSpec { name: name.to_owned(), mode, options, active, primary }))
}

fn mode(mode: Option<&Mode>) -> Result<BondMode, Error> {
    let (found, text) = match mode {
        None => (Some(&MODES[0]), String::new()),
        Some(Mode::Number(number)) => {
            (usize::try_from(*number).ok().and_then(|number| MODES.get(number)), number.to_string())
        }
        Some(Mode::Name(name)) => (MODES.iter().find(|(known, _)| known == name), format!("\"{name}\"")),
    };
    found.map(|(_, mode)| *mode).ok_or_else(|| {
        let names = MODES.map(|(name, _)| name).join(", ");
        Error::invalid_config(format!("bond.mode {text}: expected 0 to 6, or {names}"))
    })
}
