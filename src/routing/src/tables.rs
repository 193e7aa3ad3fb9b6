//! Which tables a newcomer gets: one of its own, and another for each further gateway of its addresses.

use std::net::IpAddr;

use super::PodNic;
use super::model::View;
use super::shared::Shared;
use super::{lost, table};

/// A table for addresses whose gateway is not that of the NIC's first ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Further {
    pub(super) table: u32,
    /// At most one of each family.
    pub(super) gateways: Vec<IpAddr>,
    pub(super) addresses: Vec<IpAddr>,
}

impl PodNic<'_> {
    /// Of the NIC's own table: what the config says, else that of the first address that has one.
    pub(super) fn gateway(&self, is_v6: bool) -> Option<IpAddr> {
        let said = self.settings.gateways.iter().copied();
        let of_addresses = self.addresses.iter().filter_map(|own| own.gateway);
        said.chain(of_addresses).find(|gateway| gateway.is_ipv6() == is_v6)
    }

    /// The table that the config names, or one that is free.
    pub(super) fn table(&self, view: &View, shared: &Shared) -> Result<u32, String> {
        let held = shared.tables();
        match self.settings.table {
            None => Ok(self
                .orphan(view, &held)
                .unwrap_or_else(|| table::choose(view, &held, &shared.first_nic, &self.key.ifname))),
            Some(table) if held.contains(&table) => Err(format!(
                "table {table}: another NIC of the pod has it, and one table leads one way; leave `table` out, or name another for {}",
                self.key.ifname
            )),
            Some(table) => Ok(table),
        }
    }

    /// A table that an earlier attachment left to one of the NIC's addresses, when its record was lost: a second one would lead
    /// nowhere, after the first.
    fn orphan(&self, view: &View, held: &[u32]) -> Option<u32> {
        let addresses: Vec<IpAddr> = self.addresses.iter().map(|own| own.net.addr()).collect();
        lost::tables(view, held, &addresses).into_iter().next()
    }

    /// Those beside `own`. A config that names a table or the gateways wants no others.
    pub(super) fn further(&self, view: &View, shared: &Shared, own: Option<u32>) -> Vec<Further> {
        let mut further: Vec<Further> = Vec::new();
        if self.settings.table.is_some() || !self.settings.gateways.is_empty() {
            return further;
        }
        let mut held: Vec<u32> = shared.tables().into_iter().chain(own).collect();
        for (address, gateway) in self.addresses.iter().filter_map(|own| Some((own.net.addr(), own.gateway?)))
        {
            let is_own = self.gateway(gateway.is_ipv6()) == Some(gateway);
            if is_own || !view.addresses.iter().any(|(_, net)| net.addr() == address) {
                continue;
            }
            let fits = |one: &Further| {
                one.gateways.iter().all(|other| *other == gateway || other.is_ipv6() != gateway.is_ipv6())
            };
            let place = further.iter().position(fits).unwrap_or(further.len());
            if place == further.len() {
                let table = table::choose(view, &held, &shared.first_nic, &self.key.ifname);
                held.push(table);
                further.push(Further { table, gateways: Vec::new(), addresses: Vec::new() });
            }
            let one = &mut further[place];
            if !one.gateways.contains(&gateway) {
                one.gateways.push(gateway);
            }
            one.addresses.push(address);
        }
        further
    }
}
