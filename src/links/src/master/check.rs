use attach::Error;
use netlink::{Link, Rtnetlink};
use state::{AttachmentKey, Dirs};

use super::ledger::Ledger;
use super::{MasterSpec, bond, provide, vlan};

/// CHECK: what differs from the config, a line each. Takes no lock.
pub fn check(dirs: &Dirs, wanted: &MasterSpec, key: &AttachmentKey) -> Result<Vec<String>, Error> {
    let mut host = Rtnetlink::open()?;
    let nics = provide::nics(wanted, &mut host)?;
    let mut found = Vec::new();
    let below = match &wanted.bond {
        Some(bond) => checked(dirs, &bond.name, key, &mut host, &mut found)?,
        None => nics.first().cloned(),
    };
    if let (Some(wanted), Some(link)) = (&wanted.bond, &below) {
        found.extend(bond::verify(wanted, link).err().map(|error| error.to_string()));
        let ports = bond::verify_ports(wanted, link, &nics, false, &mut host);
        found.extend(ports.err().map(|error| error.to_string()));
    }
    if let (Some(wanted), Some(below)) = (&wanted.vlan, &below) {
        let link = checked(dirs, &wanted.name, key, &mut host, &mut found)?;
        let same = link.map(|link| vlan::verify(wanted, &link, below));
        found.extend(same.and_then(Result::err).map(|error| error.to_string()));
    }
    let top = wanted.vlan.as_ref().map(|vlan| &vlan.name).or(wanted.bond.as_ref().map(|bond| &bond.name));
    if let (Some(mtu), Some(name)) = (wanted.mtu, top) {
        let link = host.link_by_name(name)?.filter(|link| link.mtu < mtu);
        found.extend(link.map(|link| format!("{name} has MTU {}, expected at least {mtu}", link.mtu)));
    }
    Ok(found)
}

/// STATUS: the interfaces are there.
pub fn status(wanted: &MasterSpec) -> Result<(), Error> {
    provide::nics(wanted, &mut Rtnetlink::open()?).map(drop)
}

fn checked(
    dirs: &Dirs,
    name: &str,
    key: &AttachmentKey,
    host: &mut Rtnetlink,
    found: &mut Vec<String>,
) -> Result<Option<Link>, Error> {
    if !Ledger::load(dirs, name)?.is_some_and(|ledger| ledger.is_used_by(key)) {
        found.push(format!("{name} is not kept for this attachment: another one may take it away"));
    }
    let link = host.link_by_name(name)?;
    match &link {
        None => found.push(format!("{name} is missing on the host")),
        Some(link) if !link.is_up() => found.push(format!("{name} is down")),
        Some(_) => (),
    }
    Ok(link)
}
