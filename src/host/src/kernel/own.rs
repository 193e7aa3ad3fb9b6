//! What carries our protocol: made here, and not by somebody else after us.

use netlink::{Address, Family, Route, RouteFilter, Rule};

use super::Kernel;
use super::net::{PROTOCOL, leads_alike, route, rule};
use crate::Error;
use crate::key::{Key, Value};
use crate::wants::{MAIN, NOT_TO_RAILS, OF_A_NIC};

impl Kernel {
    /// What a key on record has: what somebody else has made in the place of ours is [`Value::Others`].
    pub fn read_own(&mut self, key: &Key) -> Result<Option<Value>, Error> {
        let found = self.read(key)?;
        if found != Some(Value::Present) || self.is_ours(key)? != Some(false) {
            return Ok(found);
        }
        Ok(Some(Value::Others))
    }

    /// Whether something that is there carries our protocol; `None` where nothing does that tells.
    pub fn is_ours(&mut self, key: &Key) -> Result<Option<bool>, Error> {
        match key {
            Key::Address { link, net } => {
                let Some(link) = self.link(link)? else { return Ok(None) };
                let all = self.route.addresses(None)?;
                // Before Linux 5.18 none carries any; later, the kernel's own do.
                let are_marked = all.iter().any(|address| address.protocol.is_some());
                let ours = all
                    .iter()
                    .any(|address| (address.index, address.net) == (link.index, *net) && is_marked(address));
                Ok(are_marked.then_some(ours))
            }
            Key::Route { link, dst, table, .. } => {
                let Some(link) = self.link(link)? else { return Ok(None) };
                let Some(wanted) = route(key, link.index) else { return Ok(None) };
                let routes = self.routes(Family::from(dst.addr()), *table)?;
                Ok(Some(routes.iter().any(|route| leads_alike(route, &wanted) && route.protocol == PROTOCOL)))
            }
            Key::Rule { .. } => {
                let Some(wanted) = rule(key) else { return Ok(None) };
                Ok(Some(self.route.rules(wanted.family)?.contains(&wanted)))
            }
            _ => Ok(None),
        }
    }

    /// What carries our protocol as only `railctl host` has it, whatever the record says: rules, addresses, and the routes that go
    /// with those.
    pub fn marked(&mut self) -> Result<Vec<Key>, Error> {
        let addresses = self.route.addresses(None)?;
        let addresses: Vec<&Address> = addresses.iter().filter(|address| is_marked(address)).collect();
        let mut keys = Vec::new();
        for address in &addresses {
            if let Some(link) = self.name(Some(address.index))? {
                keys.push(Key::Address { link, net: address.net });
            }
        }
        for family in Family::BOTH {
            let rules = self.route.rules(family)?;
            let rules: Vec<&Rule> = rules.iter().filter(|rule| is_of_a_nic(rule)).collect();
            let filter =
                RouteFilter { family: Some(family), protocol: Some(PROTOCOL), ..RouteFilter::default() };
            for route in self.route.routes(&filter)? {
                let by_nic = addresses.iter().any(|address| Some(address.index) == route.oif);
                let by_rule = route.table != MAIN && rules.iter().any(|rule| rule.table == route.table);
                if by_nic || by_rule {
                    keys.extend(self.name(route.oif)?.map(|link| of_route(&route, link)));
                }
            }
            keys.extend(rules.into_iter().map(of_rule));
        }
        Ok(keys)
    }

    /// The index of a link, by which it is told from another that got its name.
    pub fn index(&mut self, link: &str) -> Result<Option<u32>, Error> {
        Ok(self.link(link)?.map(|link| link.index))
    }

    fn name(&mut self, index: Option<u32>) -> Result<Option<String>, Error> {
        let link = index.map(|index| self.route.link_by_index(index)).transpose()?.flatten();
        Ok(link.map(|link| link.name))
    }
}

fn is_marked(address: &Address) -> bool {
    address.protocol == Some(PROTOCOL)
}

fn is_of_a_nic(rule: &Rule) -> bool {
    rule.protocol == PROTOCOL && [Some(OF_A_NIC), Some(NOT_TO_RAILS)].contains(&rule.priority)
}

fn of_route(route: &Route, link: String) -> Key {
    Key::Route { link, dst: route.dst, gateway: route.gateway, table: route.table }
}

fn of_rule(rule: &Rule) -> Key {
    let priority = rule.priority.unwrap_or_default();
    Key::Rule { priority, from: rule.from, not_to: rule.to, table: rule.table }
}
