//! Traffic classes, by netlink (DCB).

use netlink::{Dcb, DscpPriority};

use super::Kernel;
use crate::Error;
use crate::classes::{Memory, Shares};
use crate::key::Value;

impl Kernel {
    /// Of the link, by whichever name; `None` where there is no such link, or its driver has no DCB.
    fn dcb(&mut self, link: &str) -> Result<Option<Dcb>, Error> {
        let Some(link) = self.link(link)? else { return Ok(None) };
        Ok(self.route.dcb(&link.name)?)
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

    pub(super) fn ets(&mut self, link: &str) -> Result<Option<Value>, Error> {
        let ets = self.dcb(link)?.and_then(|dcb| dcb.ets);
        let shares = |ets: netlink::Ets| Shares {
            classes: ets.classes,
            scheduling: ets.selection,
            bandwidth: ets.bandwidth,
        };
        Ok(ets.map(|ets| Value::Text(shares(ets).to_string())))
    }

    pub(super) fn set_ets(&mut self, link: &str, value: &Value) -> Result<(), Error> {
        let name = self.existing(link)?.name;
        let ets = self.route.dcb(&name)?.and_then(|dcb| dcb.ets);
        let (Some(mut ets), Some(shares)) = (ets, read::<Shares>(value)) else { return Ok(()) };
        (ets.classes, ets.selection, ets.bandwidth) = (shares.classes, shares.scheduling, shares.bandwidth);
        Ok(self.route.set_ets(&name, &ets)?)
    }

    pub(super) fn buffers(&mut self, link: &str) -> Result<Option<Value>, Error> {
        let buffers = self.dcb(link)?.and_then(|dcb| dcb.buffers);
        let memory =
            |buffers: netlink::Buffers| Memory { priorities: buffers.priorities, sizes: buffers.sizes };
        Ok(buffers.map(|buffers| Value::Text(memory(buffers).to_string())))
    }

    pub(super) fn set_buffers(&mut self, link: &str, value: &Value) -> Result<(), Error> {
        let name = self.existing(link)?.name;
        let buffers = self.route.dcb(&name)?.and_then(|dcb| dcb.buffers);
        let (Some(mut buffers), Some(memory)) = (buffers, read::<Memory>(value)) else { return Ok(()) };
        (buffers.priorities, buffers.sizes) = (memory.priorities, memory.sizes);
        Ok(self.route.set_buffers(&name, &buffers)?)
    }
}

fn read<T: std::str::FromStr>(value: &Value) -> Option<T> {
    if let Value::Text(text) = value { text.parse().ok() } else { None }
}
