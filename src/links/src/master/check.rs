use attach::Error;
use netlink::{Link, Route};
use state::{Dirs, Key};

use super::ledger::Ledger;
use super::{Wanted, bond, provide, vlan};

/// CHECK: what differs from the config, a line each. Takes no lock.
pub fn check(dirs: &Dirs, wanted: &Wanted, key: &Key) -> Result<Vec<String>, Error> {
    let mut host = Route::open()?;
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
pub fn status(wanted: &Wanted) -> Result<(), Error> {
    provide::nics(wanted, &mut Route::open()?).map(drop)
}

fn checked(
    dirs: &Dirs,
    name: &str,
    key: &Key,
    host: &mut Route,
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
