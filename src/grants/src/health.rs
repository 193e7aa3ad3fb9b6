//! What a person should know of a pool: whether anything is granted of it, whether it is used up, and who wants more.

use std::fmt::Write as _;

use api::Condition;

use crate::figures::Figures;
use crate::world::{Held, World};

/// A pool is nearly full when not more than one address in so many is unused.
const ONE_IN: i64 = 10;
/// As many nodes are named as fit on a line.
const NAMED: usize = 5;

/// Why nothing is granted of a pool.
#[derive(Clone, Copy, Debug)]
pub enum Hindrance<'a> {
    /// It is not valid, and this is why.
    Refused(&'a str),
    /// The nodes are asked what they hold, after a restore or a deleted block; these have not answered.
    Asking(&'a [&'a str]),
}

/// Conditions of a pool, without the time of their last change, in a fixed order. `unmet` is how many addresses are wanted that no
/// node can spare.
pub fn conditions(world: &World, pool: &str, hindrance: Option<Hindrance<'_>>, unmet: u64) -> Vec<Condition> {
    let figures = world.pools.get(pool).map(|offer| world.figures(pool, offer)).unwrap_or_default();
    let granting = match hindrance {
        None => condition("Granting", true, "Valid", String::new()),
        Some(Hindrance::Refused(why)) => condition("Granting", false, "Refused", why.to_owned()),
        Some(Hindrance::Asking(nodes)) => condition("Granting", false, "AskingNodes", asking(nodes)),
    };
    vec![granting, exhausted(world, pool, unmet), nearly_full(figures)]
}

fn asking(nodes: &[&str]) -> String {
    let begin = "the API server was put back to an older state, or a RailBlock was deleted: nothing is granted before all nodes have \
                 said what they hold";
    if nodes.is_empty() {
        return format!("{begin}; all have, and the blocks are being put right");
    }
    let named = nodes.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = match nodes.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} nodes more"),
    };
    format!(
        "{begin}; these have not: {named}{more}. See whether raild agent runs there; of a node that will never come back, \
         `railctl release node NAME` gives its addresses to others"
    )
}

fn exhausted(world: &World, pool: &str, unmet: u64) -> Condition {
    if unmet == 0 {
        return condition("Exhausted", false, "Enough", String::new());
    }
    let wanting = world.nodes.iter().filter_map(|(name, node)| Some((name, missing(node.pools.get(pool)?)?)));
    let wanting = wanting.collect::<Vec<_>>();
    let mut who = String::new();
    for (name, count) in wanting.iter().take(NAMED) {
        let _ = write!(who, "{}{name} wants {count}", if who.is_empty() { "" } else { ", " });
    }
    if wanting.len() > NAMED {
        let _ = write!(who, ", and {} nodes more", wanting.len() - NAMED);
    }
    let text = format!(
        "pods wait for addresses that no node can spare ({who}): add to spec.ips, or look for what pods that are gone still hold \
         (`railctl gc --dry-run` on the nodes)"
    );
    condition("Exhausted", true, "Wanted", text)
}

/// How many addresses a node lacks.
fn missing(held: &Held) -> Option<u64> {
    let usable = u64::try_from(held.ranges.without(&held.returned).len()).unwrap_or(u64::MAX);
    held.need.checked_sub(usable).filter(|missing| *missing > 0)
}

fn nearly_full(figures: Figures) -> Condition {
    let unused = figures.total.saturating_sub(figures.used);
    let is_so = figures.total > 0 && unused.saturating_mul(ONE_IN) <= figures.total;
    let text =
        if is_so { format!("not more than one in {ONE_IN} addresses is unused") } else { String::new() };
    condition("NearlyFull", is_so, if is_so { "FewUnused" } else { "Enough" }, text)
}

fn condition(kind: &str, is_so: bool, reason: &str, message: String) -> Condition {
    Condition {
        r#type: kind.to_owned(),
        status: if is_so { "True" } else { "False" }.to_owned(),
        reason: reason.to_owned(),
        message,
        ..Condition::default()
    }
}

/// With the time of each one's last change; and those that have just become what somebody should hear of.
pub fn changed(wanted: Vec<Condition>, known: &[Condition], now: &str) -> (Vec<Condition>, Vec<Condition>) {
    let is_bad = |condition: &Condition| (condition.r#type == "Granting") != (condition.status == "True");
    Condition::turned(wanted, known, now, |condition, _| is_bad(condition))
}
