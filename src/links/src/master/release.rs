use attach::{Error, despite_disk};
use cni::ValidAttachments;
use netlink::Rtnetlink;
use state::{AttachmentKey, Dirs};

use super::error::has_child_elsewhere;
use super::ledger::Ledger;
use super::{bond, lock, raised};

/// DEL: `key` uses no master any more; one that was made here goes with its last user, if that is wished.
pub fn release(dirs: &Dirs, key: &AttachmentKey) -> Result<Vec<Error>, Error> {
    let _lock = lock(dirs)?;
    Ok(remove_user_of_all(dirs, key, &[], &mut Rtnetlink::open()?))
}

/// GC: as [`release`] for every user of `network` that is not valid any more. Returns whom it released.
pub fn collect(
    dirs: &Dirs,
    network: &str,
    valid: &ValidAttachments,
) -> Result<(Vec<AttachmentKey>, Vec<Error>), Error> {
    let _lock = lock(dirs)?;
    let mut host = Rtnetlink::open()?;
    let is_stale =
        |key: &AttachmentKey| key.network == network && !valid.contains(&key.container_id, &key.ifname);
    let users = Ledger::all(dirs)?.into_iter().flat_map(|ledger| ledger.users).map(|user| user.key);
    let mut stale: Vec<_> = users.filter(is_stale).collect();
    stale.sort();
    stale.dedup();
    let errors = stale.iter().flat_map(|key| remove_user_of_all(dirs, key, &[], &mut host)).collect();
    Ok((stale, errors))
}

/// The caller has the lock. VLANs go before what they are on; `failed` is what a failing ADD has just made.
pub(super) fn remove_user_of_all(
    dirs: &Dirs,
    key: &AttachmentKey,
    failed: &[String],
    host: &mut Rtnetlink,
) -> Vec<Error> {
    let ledgers = match Ledger::all(dirs) {
        Ok(ledgers) => ledgers,
        Err(error) => return vec![error],
    };
    let used = ledgers.into_iter().filter(|ledger| ledger.is_used_by(key));
    let (mut errors, mut held) = (Vec::new(), Vec::new());
    for mut ledger in used {
        // Something of the same attachment is still on it: it stays a user of both, and the next DEL lets go of both.
        if held.contains(&ledger.name) {
            continue;
        }
        ledger.unfinished |= failed.contains(&ledger.name);
        let on = ledger.on.clone();
        let left = remove_user(dirs, ledger, key, host).unwrap_or_else(|error| vec![error]);
        held.extend(on.filter(|_| !left.is_empty()));
        errors.extend(left);
    }
    errors
}

fn remove_user(
    dirs: &Dirs,
    mut ledger: Ledger,
    key: &AttachmentKey,
    host: &mut Rtnetlink,
) -> Result<Vec<Error>, Error> {
    if ledger.users.len() > 1 || !is_to_go(&ledger, host)? {
        ledger.part(key);
        if ledger.users.is_empty() {
            raised::lower(dirs, &ledger, host)?;
        }
        // Who stays on it by an old ledger, GC takes off.
        let noted =
            if ledger.users.is_empty() && !ledger.made { ledger.remove(dirs) } else { ledger.save(dirs) };
        return noted.or_else(despite_disk).map(|()| Vec::new());
    }
    delete(&ledger, host)?;
    let mut errors = bond::restore_ports(&ledger, host);
    errors.extend(raised::lower(dirs, &ledger, host).err());
    if errors.is_empty() {
        ledger.remove(dirs).or_else(despite_disk)?;
    }
    Ok(errors)
}

fn is_to_go(ledger: &Ledger, host: &mut Rtnetlink) -> Result<bool, Error> {
    if !ledger.made || !(ledger.cleanup || ledger.unfinished) {
        return Ok(false);
    }
    let Some(link) = ledger.link(host)? else { return Ok(true) };
    let above = host
        .links()?
        .into_iter()
        .find(|other| other.parent == Some(link.index) && other.parent_netnsid.is_none());
    if let Some(above) = &above {
        tracing::warn!(master = ledger.name, above = above.name, "left in place: something else is on it");
    }
    let in_a_pod = above.is_none() && has_child_elsewhere(&link)?;
    if in_a_pod {
        tracing::warn!(master = ledger.name, "left in place: a link in a pod is on it");
    }
    Ok(above.is_none() && !in_a_pod)
}

fn delete(ledger: &Ledger, host: &mut Rtnetlink) -> Result<(), Error> {
    let Some(link) = ledger.link(host)? else { return Ok(()) };
    match host.delete_link(link.index) {
        Err(error) if !error.is_gone() => Err(error.into()),
        _ => Ok(()),
    }
}
