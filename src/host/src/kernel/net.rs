//! Links, addresses, routes and rules, by netlink.

use ipnet::IpNet;
use netlink::{Address, Family, Link, LinkChange, Route, RouteFilter, RouteKind, Rule, RuleAction};

use super::Kernel;
use crate::Error;
use crate::key::{Key, Value};

/// Ours, on routes and rules.
pub(super) const PROTOCOL: u8 = 211;

impl Kernel {
    pub(super) fn link(&mut self, name: &str) -> Result<Option<Link>, Error> {
        Ok(self.route.link_by_name(name)?)
    }

    pub(super) fn existing(&mut self, name: &str) -> Result<Link, Error> {
        self.link(name)?.ok_or_else(|| Error::NoLink { link: name.to_owned() })
    }

    pub(super) fn mtu(&mut self, link: &str) -> Result<Option<Value>, Error> {
        Ok(self.link(link)?.map(|link| Value::Number(link.mtu.into())))
    }

    pub(super) fn set_mtu(&mut self, link: &str, mtu: u32) -> Result<(), Error> {
        let index = self.existing(link)?.index;
        Ok(self.route.set_link(index, &LinkChange { mtu: Some(mtu), ..LinkChange::default() })?)
    }

    pub(super) fn is_up(&mut self, link: &str) -> Result<Option<Value>, Error> {
        Ok(self.link(link)?.map(|link| Value::of(link.is_up())))
    }

    pub(super) fn set_up(&mut self, link: &str, up: bool) -> Result<(), Error> {
        let index = self.existing(link)?.index;
        let change = if up { LinkChange::UP } else { LinkChange::DOWN };
        Ok(self.route.set_link(index, &change)?)
    }

    pub(super) fn has_address(&mut self, link: &str, net: IpNet) -> Result<Option<Value>, Error> {
        let Some(link) = self.link(link)? else { return Ok(None) };
        let addresses = self.route.addresses(Some(link.index))?;
        Ok(Some(Value::of(addresses.iter().any(|address| address.net == net))))
    }

    pub(super) fn set_address(&mut self, link: &str, net: IpNet, present: bool) -> Result<(), Error> {
        let index = self.existing(link)?.index;
        let mut address = Address::new(index, net);
        if let IpNet::V4(net) = net {
            address.broadcast = (net.prefix_len() < 31).then(|| net.broadcast());
        }
        address.protocol = Some(PROTOCOL);
        if present {
            return Ok(self.route.add_address(&address)?);
        }
        gone_is_success(self.route.delete_address(&address))
    }

    pub(super) fn has_route(&mut self, link: &str, key: &Key) -> Result<Option<Value>, Error> {
        let (Some(link), Key::Route { dst, table, .. }) = (self.link(link)?, key) else { return Ok(None) };
        let routes = self.routes(Family::from(dst.addr()), *table)?;
        let wanted = route(key, link.index);
        let same = |other: &Route| wanted.as_ref().is_some_and(|wanted| leads_alike(other, wanted));
        Ok(Some(Value::of(routes.iter().any(same))))
    }

    pub(super) fn routes(&mut self, family: Family, table: u32) -> Result<Vec<Route>, Error> {
        let filter = RouteFilter { family: Some(family), table: Some(table), ..RouteFilter::default() };
        let mut routes = self.route.routes(&filter)?;
        routes.retain(|route| route.kind == RouteKind::Unicast);
        Ok(routes)
    }

    pub(super) fn set_route(&mut self, link: &str, key: &Key, present: bool) -> Result<(), Error> {
        // A route goes with its link.
        let Some(link) = self.link(link)? else {
            return if present { Err(Error::NoLink { link: link.to_owned() }) } else { Ok(()) };
        };
        let Some(route) = route(key, link.index) else { return Ok(()) };
        if present {
            return Ok(self.route.add_route(&route)?);
        }
        gone_is_success(self.route.delete_route(&route))
    }

    pub(super) fn has_rule(&mut self, key: &Key) -> Result<Value, Error> {
        let Some(wanted) = rule(key) else { return Ok(Value::Absent) };
        let rules = self.route.rules(wanted.family)?;
        Ok(Value::of(rules.iter().any(|rule| Rule { protocol: PROTOCOL, ..rule.clone() } == wanted)))
    }

    pub(super) fn set_rule(&mut self, key: &Key, present: bool) -> Result<(), Error> {
        let Some(rule) = rule(key) else { return Ok(()) };
        if present {
            return Ok(self.route.add_rule(&rule)?);
        }
        gone_is_success(self.route.delete_rule(&rule))
    }
}

fn gone_is_success(outcome: Result<(), netlink::Error>) -> Result<(), Error> {
    match outcome {
        Err(error) if !error.is_gone() => Err(error.into()),
        _ => Ok(()),
    }
}

pub(super) fn route(key: &Key, oif: u32) -> Option<Route> {
    let Key::Route { dst, gateway, table, .. } = key else { return None };
    Some(Route { gateway: *gateway, oif: Some(oif), table: *table, protocol: PROTOCOL, ..Route::new(*dst) })
}

/// Whoever made it.
pub(super) fn leads_alike(one: &Route, other: &Route) -> bool {
    (one.dst, one.gateway, one.oif, one.table) == (other.dst, other.gateway, other.oif, other.table)
}

pub(super) fn rule(key: &Key) -> Option<Rule> {
    let Key::Rule { priority, from, not_to, table } = key else { return None };
    let subject = from.or(*not_to)?;
    Some(Rule {
        priority: Some(*priority),
        from: *from,
        to: *not_to,
        invert: not_to.is_some(),
        action: RuleAction::ToTable,
        protocol: PROTOCOL,
        ..Rule::new(Family::from(subject.addr()), *table)
    })
}
