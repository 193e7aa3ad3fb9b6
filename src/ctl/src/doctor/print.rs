//! For people: one line for what is well, and all there is to say of what is not.

use anyhow::Result;
use host::doctor::{Finding, Level};

use super::Report;
use crate::output::{BAD, FAINT, GOOD, STRONG, Table, WARN, line, styled, text};

pub(super) fn report(report: &Report) -> Result<()> {
    report.findings.iter().try_for_each(finding)?;
    if !report.rails.is_empty() {
        rails(report)?;
    }
    if !report.nccl.is_empty() {
        line(&styled(STRONG, "nccl.conf"))?;
        report.nccl.iter().try_for_each(|setting| line(&format!("  {setting}")))?;
    }
    if !report.unseen.is_empty() {
        line(&styled(STRONG, "not seen"))?;
        report.unseen.iter().try_for_each(|what| line(&format!("  {what}")))?;
    }
    let count = |level| report.findings.iter().filter(|finding| finding.level == level).count();
    let (errors, warnings) =
        (counted(count(Level::Error), "error"), counted(count(Level::Warning), "warning"));
    line(&format!("{errors}, {warnings} in {}", counted(report.findings.len(), "answer")))
}

/// `1 error`, `2 errors`
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn finding(finding: &Finding) -> Result<()> {
    let Finding { check, level, subject, value, wanted, source, cure } = finding;
    let mark = match level {
        Level::Good => styled(GOOD, "✓"),
        Level::Info => styled(FAINT, "i"),
        Level::Warning => styled(WARN, "!"),
        Level::Error => styled(BAD, "✗"),
    };
    line(&format!("{mark} {:<11} {subject}: {value}", check.name()))?;
    if *level == Level::Good {
        return Ok(());
    }
    line(&format!("    wanted: {wanted}"))?;
    line(&format!("    read:   {source}"))?;
    line(&format!("    cure:   {cure}"))
}

fn rails(report: &Report) -> Result<()> {
    let mut table = Table::new(&["RAIL", "DEVICE", "ADDRESS", "GID INDEX"]);
    for rail in &report.rails {
        let device = format!("{}/{}", rail.device, rail.port);
        table.row([rail.ifname.clone(), device, rail.address.to_string(), rail.gid_index.to_string()]);
    }
    text(&table.render())
}
