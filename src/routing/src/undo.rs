use std::net::IpAddr;

use attach::{Error, Pod, UndoContext, despite_disk, identity};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use state::{AttachmentKey, Netns};

use super::changes::{Change, LinkSetting, Made};
use super::model::{Link, Route, View};
use super::node::{self, OnNode};
use super::record::PodRecord;
use super::shared::Shared;
use super::veth::Pair;
use super::{kernel, lost, plan};

/// What a NIC got, and how it was: the record of one attachment. The pod's own record holds the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoutingUndo {
    pub(super) key: AttachmentKey,
    pub(super) netns: Netns,
    /// `None`: the record was lost, and what carries our mark in the NIC's table is taken for it.
    pub(super) own: Option<Own>,
    /// Its addresses, where nothing else tells its table: what `prevResult` says.
    #[serde(skip)]
    pub(super) addresses: Vec<IpAddr>,
    /// Of the attachment that made the pod's way to its node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pair: Option<Pair>,
}

/// What belongs to one NIC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Own {
    pub(super) index: u32,
    pub(super) table: Option<u32>,
    pub(super) made: Made,
    /// Default routes that main gets should the NIC come to own that.
    pub(super) spares: Vec<Route>,
    pub(super) mac: Option<Changed<[u8; 6]>>,
    pub(super) tx_queue_len: Option<Changed<u32>>,
    #[serde(default)]
    pub(super) rp_filter: Option<Changed<u32>>,
    #[serde(default)]
    pub(super) node: Option<OnNode>,
}

impl Own {
    pub(super) fn set_link(&self) -> Option<Change> {
        let setting = LinkSetting {
            index: self.index,
            mac: self.mac.map(|mac| mac.to),
            tx_queue_len: self.tx_queue_len.map(|length| length.to),
            rp_filter: self.rp_filter.map(|value| value.to),
            ..LinkSetting::default()
        };
        setting.change()
    }
}

/// A setting of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Changed<T> {
    pub(super) from: T,
    pub(super) to: T,
}

impl<T: PartialEq> Changed<T> {
    /// `None` when nothing is to be changed.
    pub(super) fn of(from: T, to: Option<T>) -> Option<Self> {
        to.filter(|to| *to != from).map(|to| Self { from, to })
    }
}

impl RoutingUndo {
    /// For a record that is damaged or lost: undoes what the pod's record and our mark in the kernel still show of the
    /// NIC and of `addresses`, which it was given.
    pub fn without_record(key: AttachmentKey, netns: Netns, addresses: Vec<IpAddr>) -> Self {
        Self { key, netns, own: None, addresses, pair: None }
    }

    /// The NIC.
    pub fn ifname(&self) -> &str {
        &self.key.ifname
    }

    fn is_about(&self, link: &Link) -> bool {
        self.own.as_ref().map_or(link.name == self.key.ifname, |own| own.index == link.index)
    }

    /// But for what another attachment has by now, which came to the same table.
    pub(super) fn made(&self, view: &View, shared: &Shared) -> Made {
        let other = shared.another(&self.key);
        match (&self.own, other) {
            (Some(own), None) => own.made.clone(),
            (Some(own), Some(other)) => {
                let has = |src: &IpNet| view.addresses_of(other.index).any(|net| src.contains(&net.addr()));
                own.made.clone().retain(
                    |route| other.tables().all(|table| table != route.table),
                    |rule| rule.mark.is_none() && !has(&rule.src),
                )
            }
            (None, None) => lost::marked(view, &self.tables(view, shared)),
            (None, Some(_)) => Made::default(),
        }
    }

    /// Without a record of it.
    fn tables(&self, view: &View, shared: &Shared) -> Vec<u32> {
        match shared.member(&self.key.network, &self.key.ifname) {
            Some(member) => member.tables().collect(),
            None => lost::tables(view, &shared.tables(), &self.addresses),
        }
    }

    /// Addresses of which no record says what they have on the node.
    fn lost(&self, shared: &Shared) -> &[IpAddr] {
        let is_lost = self.own.is_none() && shared.member(&self.key.network, &self.key.ifname).is_none();
        if is_lost { &self.addresses } else { &[] }
    }

    fn on_node(&self, shared: &Shared) -> Option<OnNode> {
        let other = shared.another(&self.key);
        match &self.own {
            Some(own) => {
                let theirs = other.and_then(|other| other.node.as_ref());
                own.node.as_ref().and_then(|node| node.without(theirs))
            }
            None if other.is_some() => None,
            None => shared.member(&self.key.network, &self.key.ifname)?.node.clone(),
        }
    }

    pub(super) fn spares<'a>(&'a self, shared: &'a Shared) -> Vec<Route> {
        let member =
            || shared.member(&self.key.network, &self.key.ifname).map(|member| member.spares.clone());
        self.own.as_ref().map(|own| own.spares.clone()).or_else(member).unwrap_or_default()
    }

    /// Back to what it was, unless somebody else has changed it since.
    pub(super) fn reset_link(&self, view: &View) -> Option<Change> {
        let own = self.own.as_ref()?;
        let link = view.link(&self.key.ifname).filter(|link| link.index == own.index)?;
        let mac = own.mac.filter(|mac| link.mac == Some(mac.to)).map(|mac| mac.from);
        let tx_queue_len =
            own.tx_queue_len.filter(|length| link.tx_queue_len == length.to).map(|length| length.from);
        let is_ours = |value: &Changed<u32>| link.ipv4.is_some_and(|now| now.rp_filter == value.to);
        let rp_filter = own.rp_filter.filter(is_ours).map(|value| value.from);
        LinkSetting { index: link.index, mac, tx_queue_len, rp_filter, ..LinkSetting::default() }.change()
    }
}

impl attach::Undo for RoutingUndo {
    fn undo(&self, context: &mut UndoContext) -> Result<(), Error> {
        undo_all(std::slice::from_ref(self), context, |_| false)
    }
}

/// Takes NICs of one attachment out of the pod's routing, with one look at it, and then the way to the node that one of
/// them made. Of NICs that are `deleted` next, by their names at ADD, nothing is put back.
pub fn undo_all(
    undos: &[RoutingUndo],
    context: &mut UndoContext,
    deleted: impl Fn(&str) -> bool,
) -> Result<(), Error> {
    let Some(first) = undos.first() else { return Ok(()) };
    let stays = |link: &Link| undos.iter().all(|undo| !undo.is_about(link) || !deleted(undo.ifname()));
    put_back(first, undos, context, stays)
}

fn put_back(
    first: &RoutingUndo,
    undos: &[RoutingUndo],
    context: &mut UndoContext,
    stays: impl Fn(&Link) -> bool,
) -> Result<(), Error> {
    // A record of an older version holds no cookie.
    let seen = context.pod.as_ref().map(|pod| identity(&pod.netns));
    let netns = seen.as_ref().unwrap_or(&first.netns);
    let mut record = PodRecord::lock_to_undo(&context.dirs, &first.key.container_id, netns)?;
    let mut on_node: Vec<OnNode> = undos.iter().filter_map(|undo| undo.on_node(record.shared())).collect();
    let lost: Vec<IpAddr> = undos.iter().flat_map(|undo| undo.lost(record.shared())).copied().collect();
    on_node.extend(lost::on_node(context, &lost)?);
    let mut errors = if on_node.is_empty() {
        Vec::new()
    } else {
        context.dirs_and_host().map(|(dirs, host)| node::remove(dirs, host, &on_node))?
    };
    match context.pod.as_mut() {
        None => record.shared().leave_with_namespace(undos),
        Some(pod) => match kernel::read_unsettled(pod) {
            Ok(mut view) => {
                view.links.retain(stays);
                errors.extend(leave(pod, &view, &mut record, undos)?);
            }
            Err(error) if !error.is_too_long() => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "the pod's routing stays as it is: the pod keeps it from being read");
                record.shared().leave_with_namespace(undos);
            }
        },
    }
    if record.shared().members.is_empty() {
        let pairs = undos.iter().filter_map(|undo| undo.pair.clone()).chain(record.shared().pair());
        let pairs: Vec<Pair> = pairs.collect();
        errors.extend(pairs.iter().filter_map(|pair| pair.undo(context).err()));
    }
    Error::join(errors).map_or(Ok(()), Err)?;
    record.store().or_else(despite_disk)
}

/// Changes the pod's routing to that without these NICs.
fn leave(
    pod: &mut Pod,
    view: &View,
    record: &mut PodRecord,
    undos: &[RoutingUndo],
) -> Result<Vec<Error>, Error> {
    let changes = plan::leave(view, record.shared(), undos);
    if !changes.is_empty() {
        record.save().or_else(despite_disk)?;
    }
    let mut errors = Vec::from_iter(kernel::undo(pod, &changes).err());
    errors.extend(kernel::set_rp_filter(pod, view, record.shared().rp_filter(view)).err());
    if errors.is_empty() {
        record.shared().reconciled(view);
    }
    Ok(errors)
}
