//! Plugins that wait for addresses: who has waited in vain, and who gets what is free.

use std::collections::BTreeMap;

use ipam::RangeSet;

use super::Shell;

impl Shell {
    /// Forgets who does not wait any more, and tells those who have waited long enough why there is nothing.
    pub(super) fn refuse_late(&mut self) {
        let (late, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.requests)
            .into_iter()
            .partition(|(request, since)| since.elapsed() >= request.patience);
        let why = self.why();
        for (request, since) in late {
            self.figures.ended(&request.pool, "refused", since);
            let _ = request.answer.send(why.clone());
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

    /// Tells those who wait that there is something for them.
    pub(super) fn answer(&mut self, leased: &RangeSet) {
        let mut free: BTreeMap<String, u128> = self
            .agent
            .usable()
            .into_iter()
            .map(|(pool, usable)| (pool, usable.without(leased).len()))
            .collect();
        let epoch = self.agent.kept().epoch;
        let mut still = Vec::new();
        for (request, since) in std::mem::take(&mut self.requests) {
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
