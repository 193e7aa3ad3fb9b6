use netns_tests::hostile_pod::{DEEDS, Deed, Scene, Subject};
use netns_tests::suite::{Binary, Stage};

use testkit::in_part;

use super::able;

/// Every plugin at once, each with one deed after the other.
fn every(visit: impl Fn(&'static Binary, &'static Deed) + Sync) {
    std::thread::scope(|scope| {
        for binary in able() {
            let visit = &visit;
            scope.spawn(move || DEEDS.iter().for_each(|deed| visit(binary, deed)));
        }
    });
}

/// The pods beside and after have a link of the same master: of the same kind, where the kernel has it so.
fn in_a_world(binary: &'static Binary, visit: impl FnOnce(&Scene<'_>)) {
    let stage = Stage::new();
    let [other, next] = ["b", "c"].map(|name| stage.world.pod(name));
    let kind = Binary::named(if binary.name == "ipvlan" { "ipvlan" } else { "macvlan" });
    let of = |pod: &testkit::Pod, container| {
        let plugin = stage.plugin(kind).netns(pod.path()).container(container);
        Subject { name: kind.name, plugin, config: kind.config() }
    };
    visit(&Scene {
        world: &stage.world,
        pod: &stage.pod,
        subject: &|| Subject {
            name: binary.name,
            plugin: stage.plugin(binary),
            config: stage.ready(binary, "1.1.0"),
        },
        beside: of(&other, "victim"),
        next: of(&next, "next"),
        clear: &|| stage.clear(binary, "1.1.0"),
    });
}

#[test]
fn what_a_pod_does_between_the_verbs_harms_nobody() {
    every(|binary, deed| {
        // A guest takes the ways out in turns.
        let turn = DEEDS.iter().position(|other| other.name == deed.name).is_some_and(|place| place % 2 == 1);
        for by_gc in [false, true].into_iter().filter(|by_gc| !in_part() || *by_gc == turn) {
            in_a_world(binary, |scene| scene.act_between_the_verbs(deed, by_gc));
        }
    });
}

#[test]
fn what_a_pod_does_while_a_plugin_works_harms_nobody() {
    every(|binary, deed| in_a_world(binary, |scene| scene.act_while_the_plugin_works(deed)));
}
