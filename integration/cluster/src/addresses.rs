//! What a cluster's IPAM costs the API server: a crowd of pods on nodes without kubelets, for each rail of each pod a real call of
//! the plugin, and exactly as many addresses as pods.

mod crowd;
mod meter;
mod sides;

use std::time::{Duration, Instant};

use anyhow::Result;
use testkit::pause;

use crate::world::World;
use crowd::{Crowd, Gate, Pod};
pub use meter::{Meter, writes};
pub use sides::Side;

/// What is told late, as that a node needs less, comes within this time.
const SETTLE: Duration = Duration::from_secs(3);

/// How the calls of a crowd come.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// The pods of a node at once, or one after the other. Nodes are always at once.
    pub pods_at_once: bool,
    /// The rails of a pod at once, as one network of `rail` has them, or one after the other, as eight networks.
    pub rails_at_once: bool,
}

/// What came of a crowd that was created, deleted, and created again elsewhere.
#[derive(Debug)]
pub struct Figures {
    /// How many pods were created, both times.
    pub pods: usize,
    /// Until all pods had all addresses.
    pub created: Duration,
    /// Until all were released.
    pub deleted: Duration,
    /// Until all pods had all addresses again, on other nodes.
    pub moved: Duration,
    /// Calls that failed; each is made again.
    pub failed: usize,
    /// Addresses that a pod never got.
    pub missing: usize,
    /// Addresses that two pods had.
    pub doubled: usize,
    /// What the API server did for it.
    pub cost: Meter,
    /// Resident memory of the controller and of the largest agent, in MB.
    pub memory: Option<(u64, u64)>,
}

/// Measures with a cluster of its own, so that nobody finds what another has left.
pub fn measure(side: Side, nodes: usize, pods: usize, manner: Manner) -> Result<Figures> {
    let world = World::start(nodes, &serde_json::json!({}))?;
    let side = side.start(&world, pods)?;
    let before = Meter::read(world.api())?;
    let crowd = Crowd { side: &side, places: world.places(), manner, gate: Gate::default() };

    let evenly = of_nodes("first", &placement(nodes, pods, false));
    let (first, created) = timed(|| crowd.add(&evenly));
    let (released, deleted) = timed(|| crowd.del(&evenly));
    let skewed = of_nodes("second", &placement(nodes, pods, true));
    let (second, moved) = timed(|| crowd.add(&skewed));
    pause(SETTLE);

    Ok(Figures {
        pods: 2 * pods,
        created,
        deleted,
        moved,
        failed: first.failed + released.failed + second.failed,
        missing: first.missing + second.missing,
        doubled: first.doubled + second.doubled,
        cost: Meter::read(world.api())?.since(&before),
        memory: side.memory(),
    })
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let done = work();
    (done, started.elapsed())
}

/// How many pods each node has. Skewed, every other node has half of its pods on its neighbour.
fn placement(nodes: usize, pods: usize, skewed: bool) -> Vec<usize> {
    let mut counts: Vec<_> = (0..nodes).map(|node| pods / nodes + usize::from(node < pods % nodes)).collect();
    if skewed {
        for pair in counts.chunks_exact_mut(2) {
            let half = pair[1] / 2;
            pair[0] += half;
            pair[1] -= half;
        }
    }
    counts
}

fn of_nodes(round: &str, counts: &[usize]) -> Vec<Vec<Pod>> {
    let pods = |(node, count): (usize, &usize)| {
        (0..*count).map(|number| Pod(format!("{round}-{node}-{number}"))).collect()
    };
    counts.iter().enumerate().map(pods).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pods_have_a_node_and_the_second_time_another_one() {
        assert_eq!(placement(4, 34, false), [9, 9, 8, 8]);
        assert_eq!(placement(4, 34, true), [13, 5, 12, 4]);
        assert_eq!(placement(3, 24, true), [12, 4, 8]);
    }
}
