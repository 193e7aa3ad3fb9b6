//! Plugins that wait for addresses: who has waited in vain, and who gets what is free.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use grants::agent::Pin;
use ipam::RangeSet;

use super::Shell;

impl Shell {
    /// Forgets who does not wait any more, and tells those who have waited long enough why there is nothing.
    pub(super) fn refuse_late(&mut self) {
        let (late, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.requests)
            .into_iter()
            .partition(|(request, since)| since.elapsed() >= request.patience);
        for (request, since) in late {
            self.figures.ended(&request.pool, "refused", since);
            let why = match &request.owner {
                Some(owner) => self.why_not_pinned(&request.pool, owner),
                None => self.why(),
            };
            let _ = request.answer.send(why);
        }
        let (gone, waiting): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(request, _)| request.answer.is_closed());
        for (request, since) in gone {
            self.figures.ended(&request.pool, "left", since);
        }
        self.requests = waiting;
    }

    /// What a plugin is told that gets nothing.
    fn why(&self) -> String {
        let heard = self.heard.elapsed().as_secs();
        let epoch = self.agent.kept().epoch;
        match &self.trouble {
            Some(trouble) => format!(
                "none raild agent last heard the API server {heard} s ago ({}); its grant is of epoch {epoch}",
                trouble.replace('\n', " ").chars().take(200).collect::<String>()
            ),
            None => format!(
                "none raild agent has told the controller, which has not granted more; it last heard the API server {heard} s \
                 ago, and its grant is of epoch {epoch}"
            ),
        }
    }

    /// What a plugin is told whose pod's address has not come.
    fn why_not_pinned(&self, pool: &str, owner: &str) -> String {
        match (self.agent.pin(pool, owner), &self.trouble) {
            (Pin::Elsewhere { ip, node }, None) if !node.is_empty() => format!(
                "none {ip} is still with node {node}: look whether the pod is gone there and raild agent runs; of a node that is \
                 lost, `railctl release node {node}` gives it back"
            ),
            (_, Some(_)) => self.why(),
            (Pin::Here(ip), None) => format!(
                "none another pod of this node has had {ip} since, and the controller has not said yet that any address will do: \
                 look whether raild controller runs"
            ),
            _ => format!(
                "none raild agent has asked the controller, which has not answered: look whether raild controller runs; the grant is \
                 of epoch {}",
                self.agent.kept().epoch
            ),
        }
    }

    /// Owners that wait for the address that they had.
    pub(super) fn wishes(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut wishes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (request, _) in &self.requests {
            wishes.entry(request.pool.clone()).or_default().extend(request.owner.clone());
        }
        wishes
    }

    /// What an owner is told who waits; nothing while the controller has not answered, and while somebody else has had the address
    /// since whom the controller does not know yet.
    fn pinned(&self, pool: &str, owner: &str, last: &BTreeMap<IpAddr, String>) -> Option<&'static str> {
        match self.agent.pin(pool, owner) {
            Pin::Here(ip) if last.get(&ip).is_none_or(|last| last == owner) => Some("pinned"),
            Pin::Nowhere => Some("unpinned"),
            Pin::Here(_) | Pin::Elsewhere { .. } | Pin::Unknown => None,
        }
    }

    /// Tells those who wait that there is something for them. `last` are those who last had an address here.
    pub(super) fn answer(&mut self, leased: &RangeSet, last: &BTreeMap<IpAddr, String>) {
        let mut free: BTreeMap<String, u128> = self
            .agent
            .usable()
            .into_iter()
            .map(|(pool, usable)| (pool, usable.without(leased).len()))
            .collect();
        let epoch = self.agent.kept().epoch;
        let mut still = Vec::new();
        for (request, since) in std::mem::take(&mut self.requests) {
            if let Some(owner) = &request.owner {
                match self.pinned(&request.pool, owner, last) {
                    Some(word) => {
                        self.figures.ended(&request.pool, word, since);
                        let _ = request.answer.send(format!("{word} {epoch}"));
                    }
                    None => still.push((request, since)),
                }
                continue;
            }
            match free.get_mut(&request.pool).filter(|free| **free >= u128::from(request.count)) {
                Some(free) => {
                    *free -= u128::from(request.count);
                    self.figures.ended(&request.pool, "granted", since);
                    let _ = request.answer.send(format!("granted {epoch}"));
                }
                None => still.push((request, since)),
            }
        }
        self.requests = still;
    }
}
