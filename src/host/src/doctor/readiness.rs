//! Whether a node is ready, as conditions of an object: what the doctor's answers come to, and what of that is news.

use api::Condition;

use super::{Finding, Level};

/// Answers that are named; there may be one for each of a hundred devices.
const NAMED: usize = 3;
/// The longest message: whoever wants to know all asks `railctl doctor`.
const LONGEST: usize = 900;

/// `Ready`, false with any error; `Warned`, true with any warning. A node without any RDMA device is neither ready nor not: nothing
/// could be judged. Without the time of their last change.
pub fn readiness(has_no_rdma: bool, findings: &[Finding]) -> Vec<Condition> {
    if has_no_rdma {
        let text = "the node has no RDMA device, so nothing can be judged: `modprobe` the driver of its NICs, or there is none";
        return vec![condition("Ready", "Unknown", "NoRdmaDevice", text.to_owned())];
    }
    let of = |level: Level| findings.iter().filter(|finding| finding.level == level).collect::<Vec<_>>();
    let (errors, warnings) = (of(Level::Error), of(Level::Warning));
    let ready = match errors.as_slice() {
        [] => condition("Ready", "True", "NoErrors", String::new()),
        some => condition("Ready", "False", "ErrorsFound", summary(some)),
    };
    let warned = match warnings.as_slice() {
        [] => condition("Warned", "False", "NoWarnings", String::new()),
        some => condition("Warned", "True", "WarningsFound", summary(some)),
    };
    vec![ready, warned]
}

fn condition(kind: &str, status: &str, reason: &str, message: String) -> Condition {
    let (r#type, status, reason) = (kind.to_owned(), status.to_owned(), reason.to_owned());
    Condition { r#type, status, reason, message, ..Condition::default() }
}

/// What is wrong, and the cure of it.
fn summary(findings: &[&Finding]) -> String {
    let one = |finding: &&Finding| {
        let Finding { check, subject, value, wanted, cure, .. } = finding;
        format!("{} {subject}: {value}, wanted {wanted} (cure: {cure})", check.name())
    };
    let named = findings.iter().take(NAMED).map(one).collect::<Vec<_>>().join("; ");
    let named: String = named.chars().take(LONGEST).collect();
    match findings.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and {more} more: `railctl doctor` on the node tells all"),
    }
}

/// With the time since which each has its status, and those that have just got another one. Of those that are new only what is bad
/// is news.
pub fn changed(wanted: Vec<Condition>, known: &[Condition], now: &str) -> (Vec<Condition>, Vec<Condition>) {
    Condition::turned(wanted, known, now, |condition, before| before.is_some() || is_bad(condition))
}

/// Whether it tells of something that somebody has to cure.
pub fn is_bad(condition: &Condition) -> bool {
    condition.status == if condition.r#type == "Ready" { "False" } else { "True" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Check;

    fn finding(level: Level, subject: &str) -> Finding {
        Finding::good(Check::Mtu, subject, "1500", "/sys").bad(
            level,
            "4200 or more",
            "ip link set ... mtu 4200",
        )
    }

    fn of(conditions: &[Condition]) -> Vec<(&str, &str, &str)> {
        conditions.iter().map(|one| (one.r#type.as_str(), one.status.as_str(), one.reason.as_str())).collect()
    }

    #[test]
    fn an_error_is_not_ready_and_a_warning_is() {
        let good = Finding::good(Check::Device, "mlx5_0/1", "4: ACTIVE", "/sys");
        let well = readiness(false, std::slice::from_ref(&good));
        assert_eq!(of(&well), [("Ready", "True", "NoErrors"), ("Warned", "False", "NoWarnings")]);
        let warned = readiness(false, &[good.clone(), finding(Level::Warning, "ens1")]);
        assert_eq!(of(&warned), [("Ready", "True", "NoErrors"), ("Warned", "True", "WarningsFound")]);
        let bad = readiness(false, &[good, finding(Level::Error, "ens1")]);
        assert_eq!(of(&bad), [("Ready", "False", "ErrorsFound"), ("Warned", "False", "NoWarnings")]);
        assert_eq!(bad[0].message, "mtu ens1: 1500, wanted 4200 or more (cure: ip link set ... mtu 4200)");
    }

    #[test]
    fn without_a_device_nothing_is_known() {
        assert_eq!(of(&readiness(true, &[])), [("Ready", "Unknown", "NoRdmaDevice")]);
    }

    #[test]
    fn a_hundred_errors_are_one_message() {
        let many: Vec<Finding> =
            (0..100).map(|number| finding(Level::Error, &format!("ens{number}"))).collect();
        let message = &readiness(false, &many)[0].message;
        assert!(message.ends_with("and 97 more: `railctl doctor` on the node tells all"), "{message}");
        assert!(message.len() < 1000);
    }

    #[test]
    fn the_time_is_that_of_the_status_and_not_of_the_message() {
        let first = readiness(false, &[finding(Level::Error, "ens1")]);
        let (first, news) = changed(first, &[], "t1");
        assert_eq!(of(&news), [("Ready", "False", "ErrorsFound")], "what is good from the start is no news");
        let (second, news) = changed(readiness(false, &[finding(Level::Error, "ens2")]), &first, "t2");
        assert_eq!((second[0].last_transition_time.as_str(), news.len()), ("t1", 0));
        let (third, news) = changed(readiness(false, &[]), &second, "t3");
        assert_eq!(
            (third[0].last_transition_time.as_str(), of(&news)),
            ("t3", vec![("Ready", "True", "NoErrors")])
        );
        assert!(!is_bad(&news[0]) && is_bad(&first[0]));
        let unknown = readiness(true, &[]);
        assert_eq!(changed(unknown.clone(), &[], "t4").1, [], "many clusters have nodes without RDMA");
        assert_eq!(of(&changed(unknown, &third, "t4").1), [("Ready", "Unknown", "NoRdmaDevice")]);
    }
}
