//! Links that were down before their first user, and are to be down again after the last one.

use attach::Error;
use netlink::{Link, LinkChange, Rtnetlink};
use state::Dirs;

use super::error::has_child_elsewhere;
use super::ledger::Ledger;

impl Ledger {
    /// Notes which of `links` are about to be brought up, and which another master has brought up: whoever leaves last puts
    /// them back.
    pub(super) fn raise<'l>(&mut self, links: impl Iterator<Item = &'l Link>, all: &[Self]) {
        for link in links {
            let was_down = !link.is_up() || all.iter().any(|other| other.raised.contains(&link.index));
            if was_down && !self.raised.contains(&link.index) {
                self.raised.push(link.index);
            }
        }
    }
}

/// Takes down again what `ledger`, whose last user leaves, has brought up; what else uses one of these links keeps it up.
pub(super) fn lower(dirs: &Dirs, ledger: &Ledger, host: &mut Rtnetlink) -> Result<(), Error> {
    if ledger.raised.is_empty() {
        return Ok(());
    }
    let mut others = Ledger::read_all(dirs)?;
    others.retain(|other| other.name != ledger.name && !other.users.is_empty());
    for &index in &ledger.raised {
        let Some(link) = host.link_by_index(index)?.filter(Link::is_up) else { continue };
        if let Some(user) = user(&link, &others, host)? {
            tracing::info!(ifname = link.name, user, "stays up");
            continue;
        }
        host.set_link(index, &LinkChange::DOWN)
            .or_else(|error| if error.is_gone() { Ok(()) } else { Err(error) })?;
    }
    Ok(())
}

/// Who needs the link up besides the master whose last user leaves.
fn user(link: &Link, others: &[Ledger], host: &mut Rtnetlink) -> Result<Option<String>, Error> {
    let uses = |other: &&Ledger| other.index == Some(link.index) || other.raised.contains(&link.index);
    if let Some(other) = others.iter().find(uses) {
        return Ok(Some(other.name.clone()));
    }
    let is_on_it =
        |other: &Link| other.parent == Some(link.index) && other.parent_netnsid.is_none() && other.is_up();
    if let Some(above) =
        host.links()?.into_iter().find(|other| is_on_it(other) || link.master == Some(other.index))
    {
        return Ok(Some(above.name));
    }
    let is_own = |address: &netlink::Address| address.scope < netlink::scope::LINK;
    if let Some(own) = host.addresses(Some(link.index))?.iter().find(|address| is_own(address)) {
        return Ok(Some(format!("the node, by its address {}", own.net)));
    }
    Ok(has_child_elsewhere(link)?.then(|| "a link in a pod".to_owned()))
}
