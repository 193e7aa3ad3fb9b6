//! The pools of the cluster, by kubectl.

use anyhow::Result;
use api::SpiderIPPool;
use serde::Serialize;

use crate::cli::Format;
use crate::kubectl;
use crate::output::{self, FAINT, Table, styled};

/// A pool of the cluster in numbers of addresses, as its status has them.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Usage {
    pool: String,
    subnet: String,
    total: Option<i64>,
    /// That nodes may hand out.
    granted: Option<i64>,
    /// That pods have.
    used: Option<i64>,
    /// That no node has.
    free: Option<i64>,
    /// What is wrong with it, in the words of its conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

pub(super) fn look() -> Result<Vec<Usage>> {
    let pools = kubectl::list::<SpiderIPPool>(&["spiderippools.spiderpool.spidernet.io"])?;
    Ok(pools.into_iter().map(usage).collect())
}

pub(super) fn show(usage: &[Usage], format: Format) -> Result<()> {
    match format {
        Format::Table | Format::Wide => table(usage),
        format => output::print(&usage, format),
    }
}

fn usage(pool: SpiderIPPool) -> Usage {
    let status = pool.status.unwrap_or_default();
    let bad =
        status.conditions.into_iter().filter(|one| (one.r#type == "Granting") != (one.status == "True"));
    let problem = |one: api::Condition| match one.r#type.as_str() {
        "Granting" => format!("not granted: {}", one.message),
        kind => format!("{kind}: {}", one.message),
    };
    Usage {
        pool: pool.metadata.name,
        subnet: pool.spec.subnet,
        total: status.total_ip_count,
        granted: status.granted,
        used: status.allocated_ip_count,
        free: status.free,
        problems: bad.map(problem).collect(),
    }
}

fn table(usage: &[Usage]) -> Result<()> {
    if usage.is_empty() {
        return output::line(&styled(FAINT, "the cluster has no SpiderIPPool"));
    }
    let mut table = Table::new(&["POOL", "SUBNET", "TOTAL", "GRANTED", "USED", "FREE"]);
    for pool in usage {
        let numbers = [pool.total, pool.granted, pool.used, pool.free];
        let [total, granted, used, free] =
            numbers.map(|n| n.map_or_else(|| "-".to_owned(), |n| n.to_string()));
        table.row([pool.pool.clone(), pool.subnet.clone(), total, granted, used, free]);
    }
    output::text(&table.render())?;
    for pool in usage {
        pool.problems.iter().for_each(|problem| output::warn(&format!("{}: {problem}", pool.pool)));
    }
    Ok(())
}
