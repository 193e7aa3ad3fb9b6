//! Controllers, agents and plugins over a model of the API server, with everything going wrong that can: delayed and repeated
//! events, lost answers, requests that arrive twice, crashes, controllers that stand still and go on, nodes that go down,
//! blocks and nodes that are deleted, an etcd that is put back to an older state. The code on trial is what `raild` runs; what is
//! modelled is only the shell around it.
//!
//! A run follows from its seed, and every failure names it.

#![allow(clippy::unwrap_used, reason = "a simulation that cannot go on panics")]
#![allow(clippy::print_stdout, reason = "seeds and figures of a run")]

mod node;
mod rng;
mod run;
mod server;
mod story;

use grants::{Policy, Rules};
use run::{POOLS, Run};
use story::{Faults, Story};

/// Through all that goes wrong, and then until everything is quiet.
fn through(story: Story) -> Run {
    let mut run = Run::new(story);
    while run.steps < story.steps {
        run.step();
    }
    run
}

#[track_caller]
fn no_duplicates(run: &Run) {
    assert_eq!(run.duplicates, 0, "seed {}: two living leases of one address", run.story.seed);
    assert_eq!(run.strayed(), 0, "seed {}: owners who did not get what nobody had had since", run.story.seed);
}

/// After all faults are over: no address is lost, and every wish is met that can be.
#[track_caller]
fn everything_comes_back(mut run: Run) {
    let seed = run.story.seed;
    run.calm();
    run.demand = 0;
    run.run_for(30_000);
    no_duplicates(&run);
    assert_eq!(run.holders.len() + run.pods.len(), 0, "seed {seed}: pods that do not end");
    run.stay = true;
    for pool in POOLS {
        let node = usize::try_from(seed % run.story.nodes).unwrap();
        run.only = Some((node, pool));
        let offered = offered(&run, pool);
        run.demand += offered;
        let given_up = run.given_up;
        run.run_for(30_000);
        no_duplicates(&run);
        let held = run.nodes[node].leases.len() as u64;
        assert_eq!(
            held,
            run.demand,
            "seed {seed}: of {offered} addresses of {pool} not all can be had; {}",
            state(&run)
        );
        assert_eq!(run.given_up, given_up, "seed {seed}: {} of {pool} at {}", run.now, state(&run));
    }
}

fn offered(run: &Run, pool: &str) -> u64 {
    let (offers, refused) = grants::offers(&run.pools, &[]);
    assert_eq!(refused, []);
    u64::try_from(offers[pool].offered.len()).unwrap()
}

fn state(run: &Run) -> String {
    let blocks = run.server.blocks.values().map(|block| format!("{:?}\n", block.spec));
    let nodes = run.server.nodes.values().map(|node| format!("{:?}\n{:?}\n", node.spec, node.status));
    let waits = run.clients.iter().map(|client| format!("{:?}\n", client.controller.waits_for()));
    blocks.chain(nodes).chain(waits).collect()
}

#[test]
fn nothing_goes_wrong() {
    for seed in 0..8 {
        let run = through(Story::new(seed, 20_000, Faults::NONE));
        no_duplicates(&run);
        assert!(run.met > 150, "seed {seed}: {} addresses were had", run.met);
        let followed = run.followed();
        assert_eq!(followed > 20, run.story.sticky, "seed {seed}: {followed} addresses followed their pods");
        everything_comes_back(run);
    }
}

#[test]
fn blocks_are_deleted_by_force() {
    for seed in 0..8 {
        let run = through(Story::new(seed, 20_000, Faults { deleted: 2_000, ..Faults::NONE }));
        no_duplicates(&run);
        everything_comes_back(run);
    }
}

#[test]
fn a_node_that_is_lost_before_it_answers_after_a_restore_holds_up_nobody_for_ever() {
    let mut dead = 0;
    for seed in 0..8 {
        let run = through(Story::new(seed, 20_000, Faults { restore: 1_000, dead: 20, ..Faults::NONE }));
        no_duplicates(&run);
        dead += run.dead;
        everything_comes_back(run);
    }
    assert!(dead > 8, "only {dead} nodes were lost while they were asked");
}

/// Restores that meet one another, and backups that were made while nodes were asked.
const RESTORED: Faults = Faults { restore: 1_500, dead: 40, ..Faults::MANY };

#[test]
fn restored_again_and_again() {
    for seed in 200..220 {
        let run = through(Story::new(seed, 20_000, RESTORED));
        no_duplicates(&run);
        // Two that ask at the same time come to an end, but not within the patience of a pod: one of them has the lease.
        everything_comes_back(through(Story { controllers: 1, ..run.story }));
    }
}

#[test]
fn a_million_steps_of_everything_going_wrong() {
    let (mut steps, mut met) = (0, 0);
    for seed in 100..125 {
        let run = through(Story::new(seed, 45_000, Faults::MANY));
        no_duplicates(&run);
        (steps, met) = (steps + run.steps, met + run.met);
        everything_comes_back(run);
    }
    println!("{steps} steps, {met} addresses had, seeds 100 to 124");
    assert!(steps >= 1_000_000);
}

/// Runs that a broken rule may take to show.
const SEEDS: u64 = 150;

/// Breaks a rule and runs until the auditor has found out.
#[track_caller]
fn the_auditor_notices(break_it: impl Fn(&mut Story)) {
    is_found(
        |run| run.duplicates,
        |story| {
            story.sticky = false;
            break_it(story);
        },
    );
}

/// The same for a rule without which owners do not get their addresses again.
#[track_caller]
fn owners_stray(break_it: impl Fn(&mut Story)) {
    is_found(Run::strayed, |story| {
        story.sticky = true;
        break_it(story);
    });
}

#[track_caller]
fn is_found(what: impl Fn(&Run) -> u64, break_it: impl Fn(&mut Story)) {
    for seed in 0..SEEDS {
        let mut story = Story::new(seed, 40_000, Faults::MANY);
        break_it(&mut story);
        let mut run = Run::new(story);
        while run.steps < story.steps && what(&run) == 0 {
            run.step();
        }
        if what(&run) > 0 {
            println!("found by seed {seed} after {} steps", run.steps);
            return;
        }
    }
    panic!("nothing in {SEEDS} runs: the rule is not needed, or the auditor is blind");
}

#[test]
fn broken_no_epoch_test_on_specs() {
    the_auditor_notices(|story| {
        story.tests.epoch = false;
        (story.faults.late, story.demand, story.policy.spare) = (1_500, 115, 0);
    });
}

#[test]
fn broken_blocks_written_without_comparing() {
    the_auditor_notices(|story| story.tests.version = false);
}

#[test]
fn broken_returns_believed_at_any_epoch() {
    the_auditor_notices(|story| story.rules.returns_since_grant = false);
}

#[test]
fn broken_specs_from_blocks_of_any_age() {
    the_auditor_notices(|story| {
        story.rules.additions_are_newer = false;
        (story.faults.stalled, story.faults.paused, story.demand) = (150, 0, 110);
    });
}

#[test]
fn broken_returned_addresses_used_again() {
    the_auditor_notices(|story| story.agent.returned_is_dead = false);
}

#[test]
fn broken_older_specs_obeyed() {
    the_auditor_notices(|story| story.agent.epochs_only_grow = false);
}

#[test]
fn broken_a_life_without_memory_begins_where_the_api_stands() {
    the_auditor_notices(|story| {
        story.agent.memory_is_asked_for = false;
        story.faults.agent = 200;
    });
}

#[test]
fn broken_nobody_asked_after_a_restore() {
    the_auditor_notices(|story| {
        story.rules.doubt_is_cleared = false;
        story.faults.restore = 500;
    });
}

#[test]
fn broken_answers_of_a_backup_count() {
    the_auditor_notices(|story| {
        story.rules.answers_are_new = false;
        story.faults = RESTORED;
    });
}

#[test]
fn broken_nobody_waits_for_a_deleted_node() {
    the_auditor_notices(|story| {
        story.rules.deleted_are_awaited = false;
        story.faults = Faults { unnamed: 500, ..RESTORED };
    });
}

#[test]
fn broken_questions_without_pools() {
    the_auditor_notices(|story| {
        story.rules.questions_name_pools = false;
        story.faults = RESTORED;
    });
}

#[test]
fn broken_blocks_of_before_a_restore_count() {
    the_auditor_notices(|story| {
        story.rules.blocks_are_read = false;
        story.faults = Faults { restore: 400, stalled: 300, ..RESTORED };
    });
}

#[test]
fn broken_older_objects_in_newer_lists() {
    the_auditor_notices(|story| {
        story.rules.older_objects_are_noticed = false;
        story.faults = RESTORED;
    });
}

#[test]
fn broken_plugin_does_not_look_again_under_the_lock() {
    the_auditor_notices(|story| story.plugin_looks_again = false);
}

#[test]
fn broken_a_pod_takes_another_address_without_asking_for_its_own() {
    owners_stray(|story| story.plugin_asks = false);
}

#[test]
fn broken_a_node_forgets_who_had_its_addresses_last() {
    owners_stray(|story| story.plugin_knows_its_own = false);
}

#[test]
fn broken_what_is_said_of_owners_counts_at_any_epoch() {
    owners_stray(|story| story.rules.owners_since_pinned = false);
}

#[test]
fn broken_an_answer_to_an_earlier_wish_counts() {
    owners_stray(|story| story.agent.answers_are_to_one_wish = false);
}

#[test]
fn one_controller_without_spares() {
    let mut story = Story::new(7, 40_000, Faults::MANY);
    (story.controllers, story.policy) = (1, Policy { spare: 0, part: u64::MAX, run: 1 });
    story.rules = Rules::default();
    everything_comes_back(through(story));
}
