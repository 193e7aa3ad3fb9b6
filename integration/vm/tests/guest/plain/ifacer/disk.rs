//! DEL where the state directory takes nothing more.

use serde_json::json;
use testkit::assert_same;

use super::{ifacer, steady, vlan, world};
use crate::disk::{Block, State};

#[test]
fn the_last_user_takes_the_vlan_along_though_nothing_can_be_saved() {
    for block in [Block::Full, Block::ReadOnly] {
        let world = world();
        let conf = vlan(&json!({ "cleanup": true }));
        let before = steady(&world);
        let state = State::mount(&world.dirs().state);
        ifacer(&world, "a").add(&conf).success();
        state.begin(block);
        ifacer(&world, "a").del(&conf).success();
        assert_same(&before, &steady(&world));
        state.end(block);
        // What could not be removed is about no link.
        let mut gc = conf.clone();
        gc["cni.dev/valid-attachments"] = json!([]);
        ifacer(&world, "b").gc(&gc).success();
        let ledgers = std::fs::read_dir(world.dirs().state.join("masters")).into_iter().flatten().flatten();
        assert!(ledgers.map(|ledger| ledger.file_name()).all(|name| name == ".lock"), "{block:?}");
        assert_same(&before, &steady(&world));
    }
}

#[test]
fn one_of_several_users_goes_though_nothing_can_be_saved_and_gc_takes_it_off() {
    for block in [Block::Full, Block::ReadOnly] {
        let world = world();
        let conf = vlan(&json!({ "cleanup": true }));
        let before = steady(&world);
        let state = State::mount(&world.dirs().state);
        for container in ["a", "b"] {
            ifacer(&world, container).add(&conf).success();
        }
        state.begin(block);
        ifacer(&world, "a").del(&conf).success();
        assert!(world.host().has_link("rail1.100"), "the other one has it");
        state.end(block);
        let mut gc = conf.clone();
        gc["cni.dev/valid-attachments"] = json!([{ "containerID": "b", "ifname": "net1" }]);
        ifacer(&world, "b").gc(&gc).success();
        assert!(world.host().has_link("rail1.100"), "the other one has it");
        ifacer(&world, "b").del(&conf).success();
        assert_same(&before, &steady(&world));
    }
}
