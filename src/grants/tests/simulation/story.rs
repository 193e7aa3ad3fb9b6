//! What may happen in a run.

use grants::agent::AgentRules;
use grants::{Policy, Rules};

use crate::server::Tests;

/// One in so many steps, 0 for never.
#[derive(Clone, Copy)]
pub(crate) struct Faults {
    /// An answer is lost.
    pub(crate) lost: u64,
    /// A request arrives a second time, much later.
    pub(crate) repeated: u64,
    /// An event is seen a second time, later.
    pub(crate) seen_twice: u64,
    /// A controller dies.
    pub(crate) controller: u64,
    /// A controller stands still for a while, and goes on.
    pub(crate) paused: u64,
    /// One of a controller's watches shows nothing for a while.
    pub(crate) stalled: u64,
    /// An agent dies; one in four of them loses its disk.
    pub(crate) agent: u64,
    /// A node goes down, and up again.
    pub(crate) reboot: u64,
    /// A node goes down, is taken out of the cluster, and comes back.
    pub(crate) gone: u64,
    /// While a restored API server asks the nodes what they hold, one is lost for ever.
    pub(crate) dead: u64,
    /// The API server is away for a while.
    pub(crate) away: u64,
    /// The API server is put back to its last backup.
    pub(crate) restore: u64,
    /// An admin changes a pool.
    pub(crate) edit: u64,
    /// An admin deletes a block.
    pub(crate) deleted: u64,
    /// An admin deletes the object of a node that goes on.
    pub(crate) unnamed: u64,
    /// An answer takes up to so many milliseconds.
    pub(crate) slow: u64,
    /// An event takes up to so many milliseconds.
    pub(crate) late: u64,
}

impl Faults {
    pub(crate) const NONE: Self = Self {
        lost: 0,
        repeated: 0,
        seen_twice: 0,
        controller: 0,
        paused: 0,
        stalled: 0,
        agent: 0,
        reboot: 0,
        gone: 0,
        dead: 0,
        away: 0,
        restore: 0,
        edit: 0,
        deleted: 0,
        unnamed: 0,
        slow: 10,
        late: 10,
    };
    pub(crate) const MANY: Self = Self {
        lost: 50,
        repeated: 30,
        seen_twice: 20,
        controller: 5_000,
        paused: 3_000,
        stalled: 2_000,
        agent: 3_000,
        reboot: 8_000,
        gone: 15_000,
        dead: 100,
        away: 15_000,
        restore: 25_000,
        edit: 10_000,
        deleted: 0,
        unnamed: 8_000,
        slow: 60,
        late: 400,
    };
}

/// A run.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a rule that a test breaks")]
pub(crate) struct Story {
    pub(crate) seed: u64,
    pub(crate) steps: u64,
    pub(crate) faults: Faults,
    pub(crate) nodes: u64,
    /// Controllers that decide at the same time.
    pub(crate) controllers: usize,
    /// Pods that want to run at the same time, in hundredths of the addresses.
    pub(crate) demand: u64,
    pub(crate) rules: Rules,
    pub(crate) agent: AgentRules,
    pub(crate) tests: Tests,
    /// A plugin looks at the grants again once it has the lock.
    pub(crate) plugin_looks_again: bool,
    /// A pod of a sticky pool asks where its address is before it takes another.
    pub(crate) plugin_asks: bool,
    /// It does not take one for its own that another pod of its node has had since.
    pub(crate) plugin_knows_its_own: bool,
    pub(crate) policy: Policy,
    /// The rails are sticky pools.
    pub(crate) sticky: bool,
    /// Nodes have VFs on the rails, and want as many addresses ahead.
    pub(crate) vfs: bool,
}

impl Story {
    pub(crate) fn new(seed: u64, steps: u64, faults: Faults) -> Self {
        Self {
            seed,
            steps,
            faults,
            nodes: 4 + seed % 4,
            controllers: 2,
            demand: 75 + seed % 40,
            rules: Rules::default(),
            agent: AgentRules::default(),
            tests: Tests { epoch: true, version: true, life: true, uid: true },
            plugin_looks_again: true,
            plugin_asks: true,
            plugin_knows_its_own: true,
            policy: Policy::default(),
            sticky: seed % 2 == 1,
            vfs: seed.is_multiple_of(3),
        }
    }
}
