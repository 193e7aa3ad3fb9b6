//! What whereabouts has given to pods, where its kinds are: `grants` hears of it as of reserved addresses.

use std::collections::BTreeMap;

use api::{Kind, Object, SpiderReservedIP, WhereaboutsPool, WhereaboutsReservation};
use tokio::sync::mpsc::UnboundedSender;

use super::Input;
use crate::connection::{Connection, Seen, path};

/// A change of what whereabouts has written down.
pub(super) enum Record {
    Pools(Seen<WhereaboutsPool>),
    Reservations(Seen<WhereaboutsReservation>),
}

/// All of it, by namespace and name. Nothing is known before both kinds have been listed, or are not served.
#[derive(Default)]
pub(super) struct Others {
    pools: Option<BTreeMap<String, WhereaboutsPool>>,
    reservations: Option<BTreeMap<String, WhereaboutsReservation>>,
    /// As `grants` has heard it last.
    reserved: Option<Vec<SpiderReservedIP>>,
}

pub(super) fn follow(connection: &Connection, tell: &UnboundedSender<Input>) {
    follow_kind(connection, tell, Record::Pools);
    follow_kind(connection, tell, Record::Reservations);
}

fn follow_kind<K>(connection: &Connection, tell: &UnboundedSender<Input>, record: fn(Seen<K>) -> Record)
where
    K: Kind + serde::de::DeserializeOwned + Clone + 'static,
{
    let tell = tell.clone();
    let told = move |seen| tell.send(Input::Others(record(seen))).is_ok();
    tokio::task::spawn_local(connection.clone().follow_where_served(path::<K>(), told));
}

impl Others {
    /// Whether anything follows from it: most of what whereabouts writes takes no other address.
    pub(super) fn note(&mut self, record: Record) -> bool {
        match record {
            Record::Pools(seen) => keep(&mut self.pools, seen),
            Record::Reservations(seen) => keep(&mut self.reservations, seen),
        }
        let (Some(pools), Some(reservations)) = (&self.pools, &self.reservations) else { return false };
        let values =
            (pools.values().cloned().collect::<Vec<_>>(), reservations.values().cloned().collect::<Vec<_>>());
        let (taken, problems) = grants::of_whereabouts(&values.0, &values.1);
        let reserved = if taken.is_empty() { Vec::new() } else { vec![grants::reserve(&taken)] };
        if self.reserved.as_ref() == Some(&reserved) {
            return false;
        }
        for problem in &problems {
            eprintln!("raild: {problem}");
        }
        self.reserved = Some(reserved);
        true
    }

    /// The addresses; none before they are known.
    pub(super) fn reserved(&self) -> Option<&[SpiderReservedIP]> {
        self.reserved.as_deref()
    }
}

fn keep<S, T>(kept: &mut Option<BTreeMap<String, Object<S, T>>>, seen: Seen<Object<S, T>>) {
    let key = |object: &Object<S, T>| {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        format!("{namespace}/{}", object.metadata.name)
    };
    match seen {
        Seen::All(all, ..) => *kept = Some(all.into_iter().map(|object| (key(&object), object)).collect()),
        Seen::One(object) => {
            kept.get_or_insert_default().insert(key(&object), *object);
        }
        Seen::Gone(object) => {
            kept.get_or_insert_default().remove(&key(&object));
        }
    }
}
