//! Whatever the order of coming and going, and wherever an ADD or a DEL is cut short.

use proptest::prelude::*;

use super::fake::{Fake, net, settings, undo, with_default_nic};
use crate::changes::Place;
use crate::check::compare;
use crate::config::Settings;
use crate::plan;
use crate::undo::RoutingUndo;

const RAILS: u32 = 5;

fn pod(places: &[Option<Place>]) -> Fake {
    let mut fake = Fake::with_eth0();
    for (number, place) in (1..).zip(places) {
        fake.rail(number, *place);
    }
    // One beside them that nobody coordinates.
    fake.rail(9, Some(Place::Last));
    fake
}

fn places() -> impl Strategy<Value = Vec<Option<Place>>> {
    let place = prop_oneof![Just(Some(Place::First)), Just(Some(Place::Last)), Just(None)];
    prop::collection::vec(place, RAILS as usize)
}

fn order() -> impl Strategy<Value = Vec<u32>> {
    Just((1..=RAILS).collect::<Vec<_>>()).prop_shuffle()
}

fn config() -> impl Strategy<Value = Settings> {
    let detours = Settings { detours: vec![net("10.96.0.0/12"), net("fd00:96::/108")], ..settings() };
    prop_oneof![
        Just(settings()),
        Just(detours),
        (1..=RAILS + 1).prop_map(|number| with_default_nic(&format!("net{number}"))),
        Just(Settings { tune: false, ..settings() }),
    ]
}

fn name(number: u32) -> String {
    format!("net{number}")
}

proptest! {
    #[test]
    fn coming_in_any_order_gives_the_same_pod(places in places(), order in order(), config in config()) {
        let mut by_number = pod(&places);
        for number in 1..=RAILS {
            by_number.join(&name(number), &config);
        }
        let mut shuffled = pod(&places);
        for number in order {
            shuffled.join(&name(number), &config);
        }
        prop_assert_eq!(by_number.sorted(), shuffled.sorted());
    }

    #[test]
    fn going_in_any_order_leaves_the_pod_as_it_was(
        places in places(), coming in order(), going in order(), configs in prop::collection::vec(config(), RAILS as usize),
    ) {
        let before = pod(&places).sorted();
        let mut fake = pod(&places);
        let mut undos: Vec<(u32, RoutingUndo)> = Vec::new();
        for (&number, config) in coming.iter().zip(&configs) {
            undos.push((number, fake.join(&name(number), config)));
        }
        for (_, undo) in &undos {
            prop_assert_eq!(compare(&fake.view, &fake.shared, undo, &listed()), Vec::<String>::new());
        }
        for number in going {
            let (_, undo) = undos.iter().find(|(of, _)| *of == number).unwrap();
            fake.leave(undo);
        }
        prop_assert_eq!(fake.sorted(), before);
        prop_assert_eq!(fake.shared, crate::shared::Shared::default());
    }

    #[test]
    fn an_add_and_a_del_that_are_cut_short_are_undone(
        places in places(), config in config(), others in 0..3_u32, cut in 0..60_usize, cut_again in 0..60_usize,
    ) {
        let mut fake = pod(&places);
        let mut undos: Vec<RoutingUndo> = (2..2 + others).map(|number| fake.join(&name(number), &config)).collect();
        let plan = fake.plan("net1", &config).unwrap();
        fake.changes(&plan.changes[..cut.min(plan.changes.len())]);
        undos.push(undo("net1", &plan));
        for undo in undos.iter().rev() {
            let changes = plan::leave(&fake.view, &mut fake.shared, std::slice::from_ref(undo));
            fake.changes(&changes[..cut_again.min(changes.len())]);
            fake.leave(undo);
        }
        prop_assert_eq!(fake.sorted(), pod(&places).sorted());
    }
}

/// Default routes of both families, in main and elsewhere: nothing is excused.
fn listed() -> Vec<cni::Route> {
    ["0.0.0.0/0", "::/0"].map(|dst| cni::Route { table: Some(1), ..cni::Route::new(net(dst), None) }).to_vec()
}
