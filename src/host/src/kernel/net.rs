//! Links, addresses, routes, rules and traffic classes, by netlink.

use ipnet::IpNet;
use netlink::{
    Address, DscpPriority, Family, Link, LinkChange, Route, RouteFilter, RouteKind, Rule, RuleAction,
};

use super::Kernel;
use crate::Error;
use crate::key::{Key, Value};

/// Ours, on routes and rules.
pub(super) const PROTOCOL: u8 = 211;

impl Kernel {
    pub(super) fn link(&mut self, name: &str) -> Result<Option<Link>, Error> {
        Ok(self.route.link_by_name(name)?)
    }

    fn existing(&mut self, name: &str) -> Result<Link, Error> {
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

    pub(super) fn pfc(&mut self, link: &str) -> Result<Option<Value>, Error> {
        let Some(link) = self.link(link)? else { return Ok(None) };
        let pfc = self.route.dcb(&link.name)?.and_then(|dcb| dcb.pfc);
        Ok(pfc.map(|pfc| Value::Number(pfc.enabled.into())))
    }

    pub(super) fn set_pfc(&mut self, link: &str, priorities: u32) -> Result<(), Error> {
        let name = self.existing(link)?.name;
        let mut pfc = self.route.dcb(&name)?.and_then(|dcb| dcb.pfc).unwrap_or_default();
        pfc.enabled = priorities.to_le_bytes()[0];
        Ok(self.route.set_pfc(&name, pfc)?)
    }

    pub(super) fn dscp(&mut self, link: &str, dscp: u8) -> Result<Option<Value>, Error> {
        let Some(link) = self.link(link)? else { return Ok(None) };
        let Some(dcb) = self.route.dcb(&link.name)? else { return Ok(None) };
        let entry = dcb.dscp.iter().find(|entry| entry.dscp == dscp);
        Ok(Some(entry.map_or(Value::Absent, |entry| Value::Number(entry.priority.into()))))
    }

    /// A DSCP has one priority: another entry for it is taken away first.
    pub(super) fn set_dscp(&mut self, link: &str, dscp: u8, value: &Value) -> Result<(), Error> {
        let name = self.existing(link)?.name;
        let present = self.route.dcb(&name)?.unwrap_or_default().dscp;
        for entry in present.into_iter().filter(|entry| entry.dscp == dscp) {
            self.route.delete_dscp(&name, entry)?;
        }
        let Value::Number(priority) = value else { return Ok(()) };
        let priority = priority.to_le_bytes()[0];
        Ok(self.route.add_dscp(&name, DscpPriority { dscp, priority })?)
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
