//! `cluster addresses`: the table of what addresses cost.

use std::io::{Write, stdout};

use anyhow::{Context, Result};
use cluster::addresses::{Figures, Manner, Side, measure};

const AT_ONCE: Manner = Manner { pods_at_once: true, rails_at_once: true };
const RAIL_BY_RAIL: Manner = Manner { pods_at_once: true, rails_at_once: false };
const POD_BY_POD: Manner = Manner { pods_at_once: false, rails_at_once: true };

/// Prints a row for each; every one has an API server of its own.
pub(crate) fn run(nodes: usize, pods: usize, peer_pods: usize) -> Result<()> {
    let rows = [
        ("railcni: all at once", Side::Railcni, pods, AT_ONCE),
        ("railcni: rail by rail", Side::Railcni, pods, RAIL_BY_RAIL),
        ("railcni: pod by pod on each node", Side::Railcni, pods, POD_BY_POD),
        ("whereabouts: rail by rail", Side::Whereabouts, peer_pods, RAIL_BY_RAIL),
    ];
    print(&format!(
        "{nodes} nodes; of a pod created and deleted: writes, kB to etcd, ms of the API server's CPU\n"
    ))?;
    print(
        "                                  pods  created deleted  moved  failed missing doubled  writes     kB  CPU ms  MB\n",
    )?;
    for (name, side, pods, manner) in rows {
        let figures = measure(side, nodes, pods, manner).context(name)?;
        print(&row(name, pods, &figures))?;
    }
    Ok(())
}

fn row(name: &str, pods: usize, figures: &Figures) -> String {
    let Figures { created, deleted, moved, failed, missing, doubled, cost, .. } = figures;
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    let (each, writes, bytes) = (figures.pods as f64, cost.writes as f64, cost.bytes as f64);
    let memory =
        figures.memory.map_or_else(String::new, |(controller, agent)| format!("{controller}, {agent}"));
    format!(
        "{name:<32} {pods:5} {:7.1}s {:6.1}s {:5.1}s {failed:7} {missing:7} {doubled:7} {:7.2} {:6.1} {:7.1}  {memory}\n",
        created.as_secs_f64(),
        deleted.as_secs_f64(),
        moved.as_secs_f64(),
        writes / each,
        bytes / each / 1000.0,
        cost.cpu * 1000.0 / each,
    )
}

fn print(text: &str) -> Result<()> {
    stdout().write_all(text.as_bytes()).context("print")
}
