//! The decision which addresses an interface gets: a function of the pools, the leases, the request and the time.

use std::net::IpAddr;

use crate::{AttachmentKey, Change, Error, Kept, Lease, Leases, Pool, Range, RangeSet, number};

/// What an interface asks for.
pub struct Request<'a> {
    /// The owner of the leases.
    pub key: &'a AttachmentKey,
    /// One address is given from each list of pools, tried in their order.
    pub sets: &'a [Vec<&'a Pool>],
    /// Particular addresses; each takes the place of one that would have been chosen.
    pub requested: &'a [IpAddr],
    /// Who the pod is over its restarts, for sticky pools.
    pub owner: Option<&'a str>,
    /// Sticky pools of the cluster in which he has no address on any node, as the cluster has said.
    pub unpinned: &'a [String],
    /// Addresses that another IPAM plugin has given to pods of the network.
    pub foreign: &'a RangeSet,
    /// Addresses that are in use where the pod is.
    pub present: &'a Present<'a>,
    /// Leases of the owner that he cannot use.
    pub declined: &'a Declined,
    /// Seconds since the epoch.
    pub now: u64,
}

/// Addresses of interfaces that are there already.
pub struct Present<'a> {
    /// Of the node: a neighbour that asks for one would get two answers.
    pub node: RangeSet,
    /// Of the pod. It may say what it likes: this can cost it an address, and never gets it one that is kept for others.
    pub pod: RangeSet,
    /// Which interface has one of them, for messages.
    pub holder: &'a dyn Fn(IpAddr) -> String,
}

impl Present<'_> {
    /// Nothing is.
    pub const NONE: Present<'static> =
        Present { node: RangeSet::EMPTY, pod: RangeSet::EMPTY, holder: &|_| String::new() };
}

/// Addresses that were found to be in use by somebody outside.
#[derive(Clone, Debug, Default)]
pub struct Declined {
    /// Of them those count that the owner has: nobody can take an address from others by this.
    pub ips: Vec<IpAddr>,
    /// Seconds since the epoch at which they may be given again.
    pub until: u64,
}

impl Declined {
    /// The end of a lease of the owner, which may be among them.
    pub fn release(&self, lease: &Lease, now: u64) -> Vec<Change> {
        let quarantine = Change::Quarantine { ip: lease.ip, until: self.until };
        let quarantine = self.ips.contains(&lease.ip).then_some(quarantine);
        [Some(lease.release(now)), quarantine].into_iter().flatten().collect()
    }
}

/// An address of a pool.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// Where it is from.
    pub pool: &'a Pool,
    /// The address.
    pub ip: IpAddr,
}

/// Grants in the order of the sets, and what has to be stored before anyone is told.
#[derive(Debug)]
pub struct Allocation<'a> {
    /// One per set.
    pub grants: Vec<Grant<'a>>,
    /// Empty when the same request was granted before, and nothing has to be stored.
    pub changes: Vec<Change>,
}

/// Chooses an address from each set, or says why one of them cannot give any; then nothing changes. Who has a fitting
/// lease already keeps it: an ADD that was killed before it could answer is repeated by the runtime.
///
/// In a pool go first the addresses that nobody has had lately, one after the other and then from the beginning, then
/// those released longest ago whose cool-down is over. Only when no pool of the set has such an address are others taken
/// before their cool-down is over, and last those that another owner would like to have again.
pub fn allocate<'a>(request: &Request<'a>, leases: &dyn Leases) -> Result<Allocation<'a>, Error> {
    let requested = assign(request)?;
    let held = leases.of(request.key)?;
    let (declined, mut mine): (Vec<_>, Vec<_>) =
        held.iter().cloned().partition(|lease| request.declined.ips.contains(&lease.ip));
    let quarantined = leases.quarantined(request.now)?.with(declined.iter().map(|lease| lease.ip));
    let turn = Turn { request, leases, quarantined };
    let mut grants = Vec::with_capacity(request.sets.len());
    let mut changes = Vec::new();
    for (pools, wanted) in request.sets.iter().zip(requested) {
        let grant = match held_already(pools, wanted, &mut mine) {
            Some(grant) => grant,
            None => turn.fresh(pools, wanted)?,
        };
        turn.record(grant, &held, &mut changes)?;
        grants.push(grant);
    }
    // Leases that an earlier ADD of this owner got from a config that has changed since.
    let ended = mine.iter().chain(&declined);
    changes.splice(0..0, ended.flat_map(|lease| request.declined.release(lease, request.now)));
    Ok(Allocation { grants, changes })
}

/// Gives each requested address to the first set that offers it and has none yet.
fn assign<'a>(request: &Request<'a>) -> Result<Vec<Option<Grant<'a>>>, Error> {
    let mut requested = vec![None::<Grant<'a>>; request.sets.len()];
    for &ip in request.requested {
        let offering = |pools: &Vec<&'a Pool>| pools.iter().copied().find(|pool| pool.offered.contains(ip));
        let offers = || request.sets.iter().map(offering).enumerate();
        let free = offers()
            .find_map(|(set, pool)| pool.filter(|_| requested[set].is_none()).map(|pool| (set, pool)));
        match free {
            Some((set, pool)) => requested[set] = Some(Grant { pool, ip }),
            None => {
                return Err(refuse(request, ip, offers().find_map(|(set, pool)| pool.and(requested[set]))));
            }
        }
    }
    Ok(requested)
}

fn refuse(request: &Request<'_>, ip: IpAddr, instead: Option<Grant<'_>>) -> Error {
    if let Some(got) = instead {
        return Error::TooMany { ip, got: got.ip };
    }
    let pools = || request.sets.iter().flatten();
    match pools().find(|pool| pool.subnet.contains(&ip)) {
        Some(pool) => Error::NotOffered { ip, why: pool.objection(ip), pool: pool.name.clone() },
        None => Error::Outside { ip, pools: pools().map(|pool| described(pool)).collect() },
    }
}

fn described(pool: &Pool) -> String {
    format!("pool {:?} ({})", pool.name, pool.subnet)
}

fn exhausted(pools: &[&Pool]) -> Error {
    if pools.iter().any(|pool| pool.share.is_some()) {
        return Error::Spent { pools: pools.iter().map(|pool| pool.spent()).collect() };
    }
    let empty = |pool: &&Pool| format!("{}: {}", described(pool), pool.emptiness());
    if pools.iter().all(|pool| pool.offered.is_empty()) {
        return Error::Empty { pools: pools.iter().map(empty).collect() };
    }
    Error::Exhausted { pools: pools.iter().map(|pool| described(pool)).collect() }
}

/// A lease that the owner has already and that still fits; it is taken out of `mine`.
fn held_already<'a>(
    pools: &[&'a Pool],
    wanted: Option<Grant<'a>>,
    mine: &mut Vec<Lease>,
) -> Option<Grant<'a>> {
    let fits = |lease: &Lease| match wanted {
        Some(wanted) => (wanted.ip == lease.ip).then_some(wanted.pool),
        None => pools.iter().copied().find(|pool| pool.offered.contains(lease.ip)),
    };
    let (index, pool) = mine.iter().enumerate().find_map(|(index, lease)| Some((index, fits(lease)?)))?;
    Some(Grant { pool, ip: mine.swap_remove(index).ip })
}

struct Turn<'r, 'a> {
    request: &'r Request<'a>,
    leases: &'r dyn Leases,
    quarantined: RangeSet,
}

impl<'a> Turn<'_, 'a> {
    fn fresh(&self, pools: &[&'a Pool], wanted: Option<Grant<'a>>) -> Result<Grant<'a>, Error> {
        self.leases.require_whole()?;
        if let Some(wanted) = wanted {
            return self.requested(wanted);
        }
        if let Some(grant) = self.sticky_binding(pools)? {
            return Ok(grant);
        }
        self.ask_the_cluster(pools)?;
        let of_pod = &self.request.present.pod;
        for choose in [Self::cooled_down, Self::cooling_down, Self::others] {
            if let Some(grant) = self.first(choose, pools, of_pod)? {
                return Ok(grant);
            }
            if !of_pod.is_empty() && self.first(choose, pools, &RangeSet::EMPTY)?.is_some() {
                break;
            }
        }
        Err(exhausted(pools))
    }

    /// Of the first pool in which there is one.
    fn first(
        &self,
        choose: impl Fn(&Self, &Pool, &RangeSet) -> Result<Option<IpAddr>, Error>,
        pools: &[&'a Pool],
        but: &RangeSet,
    ) -> Result<Option<Grant<'a>>, Error> {
        for pool in pools.iter().copied() {
            if let Some(ip) = choose(self, pool, &self.available(pool).without(but))? {
                return Ok(Some(Grant { pool, ip }));
            }
        }
        Ok(None)
    }

    fn requested(&self, wanted: Grant<'a>) -> Result<Grant<'a>, Error> {
        let ip = wanted.ip;
        let present = self.request.present;
        if present.node.contains(ip) || present.pod.contains(ip) {
            return Err(Error::Present { ip, holder: (present.holder)(ip) });
        }
        if self.quarantined.contains(ip) {
            return Err(Error::NotOffered {
                ip,
                why: "a quarantined address",
                pool: wanted.pool.name.clone(),
            });
        }
        if self.request.foreign.contains(ip) {
            return Err(Error::Taken { ip, holder: None });
        }
        if !self.leases.is_leased(ip)? {
            return self.unless_kept(wanted);
        }
        let holder = self.leases.all()?.into_iter().find(|lease| lease.ip == ip);
        Err(Error::Taken { ip, holder: holder.map(Box::new) })
    }

    /// Whoever writes a pod's annotations asks for any address: not for one that is sent to a pod of somebody else's, as soon as that
    /// is there again.
    fn unless_kept(&self, wanted: Grant<'a>) -> Result<Grant<'a>, Error> {
        let Grant { pool, ip } = wanted;
        let pinned = pool.pins.as_ref().and_then(|pins| pins.get(&ip).cloned());
        let keeper = match pinned {
            None if pool.sticky => self.leases.kept_for(ip)?,
            pinned => pinned,
        };
        let namespace = |owner: &str| owner.split('/').next().map(str::to_owned);
        match keeper {
            Some(keeper) if namespace(&keeper) != self.request.owner.and_then(namespace) => {
                Err(Error::Kept { ip, pool: pool.name.clone() })
            }
            _ => Ok(wanted),
        }
    }

    fn sticky_binding(&self, pools: &[&'a Pool]) -> Result<Option<Grant<'a>>, Error> {
        let Some(owner) = self.request.owner else { return Ok(None) };
        for pool in pools.iter().copied().filter(|pool| pool.sticky) {
            let Some(ip) = self.own(pool, owner)? else { continue };
            let is_there = self.request.present.pod.contains(ip);
            if self.available(pool).contains(ip) && !is_there && !self.leases.is_leased(ip)? {
                return Ok(Some(Grant { pool, ip }));
            }
        }
        Ok(None)
    }

    /// The address that the owner is to have again, as far as this node knows.
    fn own(&self, pool: &Pool, owner: &str) -> Result<Option<IpAddr>, Error> {
        let pinned = pool.pins.iter().flatten().filter(|(_, own)| *own == owner).map(|(ip, _)| *ip);
        for ip in pinned.filter(|ip| pool.offered.contains(*ip)) {
            // Who had it last on this node may not have come to the cluster's ears yet.
            if self.leases.kept_for(ip)?.is_none_or(|last| last == owner) {
                return Ok(Some(ip));
            }
        }
        if pool.pins.is_some() && !self.is_unpinned(pool) {
            return Ok(None);
        }
        Ok(self.leases.sticky_binding(owner, &pool.name)?)
    }

    fn is_unpinned(&self, pool: &Pool) -> bool {
        self.request.unpinned.contains(&pool.name)
    }

    /// No other address before the cluster has said that the owner has none on another node.
    fn ask_the_cluster(&self, pools: &[&'a Pool]) -> Result<(), Error> {
        let Some(owner) = self.request.owner.filter(|owner| is_name(owner)) else { return Ok(()) };
        for pool in pools.iter().filter(|pool| pool.sticky && pool.pins.is_some()) {
            if !self.is_unpinned(pool) && self.own(pool, owner)?.is_none() {
                return Err(Error::Unpinned { pool: pool.name.clone(), owner: owner.to_owned() });
            }
        }
        Ok(())
    }

    fn cooled_down(&self, pool: &Pool, free: &RangeSet) -> Result<Option<IpAddr>, Error> {
        let free = &free.without(&pool.pinned_for_others(self.request.owner));
        if let Some(ip) = self.next_unused(pool, free, kept(pool))? {
            return Ok(Some(ip));
        }
        let first = self.leases.released_first(free, kept(pool))?;
        Ok(first
            .filter(|cooling_down| cooling_down.until <= self.request.now)
            .map(|cooling_down| cooling_down.ip))
    }

    fn cooling_down(&self, pool: &Pool, free: &RangeSet) -> Result<Option<IpAddr>, Error> {
        let free = &free.without(&pool.pinned_for_others(self.request.owner));
        Ok(self.leases.released_first(free, kept(pool))?.map(|cooling_down| cooling_down.ip))
    }

    fn others(&self, pool: &Pool, free: &RangeSet) -> Result<Option<IpAddr>, Error> {
        if let Some(ip) = self.next_unused(pool, free, Kept::Counted)? {
            return Ok(Some(ip));
        }
        Ok(self.leases.released_first(free, Kept::Counted)?.map(|cooling_down| cooling_down.ip))
    }

    /// From the address after the last one given, and around.
    fn next_unused(&self, pool: &Pool, free: &RangeSet, kept: Kept) -> Result<Option<IpAddr>, Error> {
        let last = self.leases.last_given(&pool.name).map_or(0, number::of);
        let (passed, ahead) = free.split_after(last);
        for range in ahead.chain(passed) {
            if let Some(ip) = self.leases.unused(&range, kept)? {
                return Ok(Some(ip));
            }
        }
        Ok(None)
    }

    fn available(&self, pool: &Pool) -> RangeSet {
        let Request { foreign, present, .. } = self.request;
        pool.offered.without(&self.quarantined).without(foreign).without(&present.node)
    }

    fn record(&self, grant: Grant<'a>, held: &[Lease], changes: &mut Vec<Change>) -> Result<(), Error> {
        let Grant { pool, ip } = grant;
        let Request { key, owner, now, .. } = *self.request;
        if !held.iter().any(|lease| lease.ip == ip) {
            let (key, pool_name) = (key.clone(), pool.name.clone());
            changes.push(Change::Lease(Lease { key, ip, pool: pool_name, since: now, rest: pool.rest }));
        }
        if let Some(owner) = owner.filter(|owner| pool.sticky && is_name(owner))
            && !self.leases.is_noted(owner, &pool.name, ip, now)?
        {
            changes.push(Change::Stick { owner: owner.to_owned(), pool: pool.name.clone(), ip });
        }
        Ok(())
    }
}

/// Whether the cluster can keep an address for that owner: an interface may have a name that would be two in its lists.
pub fn is_name(owner: &str) -> bool {
    !owner.is_empty() && !owner.contains(|letter: char| matches!(letter, ';' | '=') || letter.is_whitespace())
}

/// In a pool that is not sticky, owners have nothing to say.
fn kept(pool: &Pool) -> Kept {
    if pool.sticky { Kept::LeftOut } else { Kept::Counted }
}

impl RangeSet {
    fn with(self, more: impl Iterator<Item = IpAddr>) -> Self {
        self.ranges().iter().copied().chain(more.map(Range::one)).collect()
    }

    /// The ranges up to and including `number`, and those after it.
    fn split_after(&self, number: u128) -> (impl Iterator<Item = Range>, impl Iterator<Item = Range>) {
        let passed = self.ranges().iter().filter(move |range| range.first <= number);
        let ahead = self.ranges().iter().filter(move |range| range.last > number);
        let until = move |range: &Range| Range { first: range.first, last: range.last.min(number) };
        // `last > number` holds in `ahead`, so there is a next number.
        let from =
            move |range: &Range| Range { first: range.first.max(number.saturating_add(1)), last: range.last };
        (passed.map(until), ahead.map(from))
    }
}

#[cfg(test)]
mod tests;
