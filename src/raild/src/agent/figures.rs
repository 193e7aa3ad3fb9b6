//! What the agent tells Prometheus: what its shell does is counted here, the rest is read when somebody scrapes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use api::Condition;
use grants::agent::Agent;
use host::doctor::Finding;
use ipam::RangeSet;
use metrics::look::Eyes;
use metrics::{Family, NodePool, Sight};
use state::Dirs;
use state::calls::{Calls, Found};
use tokio::time::Instant;

use super::Shell;
use crate::exporter;

/// Where the host's /proc is, which shows the counters of pods; that of the own container shows no pod.
const PROC: &str = "RAILD_HOST_PROC";
/// Whether rails are told by the names of Spiderpool's exporter, too.
const SPIDERPOOL: &str = "RAILD_METRICS_SPIDERPOOL";

/// Shared by the shell and the scrapes, in one thread.
#[derive(Clone)]
pub(super) struct Figures(Rc<RefCell<metrics::Agent>>);

/// What reads for a scrape.
struct Readers {
    eyes: Eyes,
    calls: Calls,
}

impl Figures {
    pub(super) fn new() -> Self {
        Self(Rc::default())
    }

    /// Begins to serve, if the environment says where.
    pub(super) async fn serve(&self, dirs: &Dirs, node: &str) -> Result<(), String> {
        let problem = |error: state::Error| error.to_string();
        let Some(listener) = exporter::bind().await? else { return Calls::end(dirs).map_err(problem) };
        let proc = std::env::var_os(PROC).map_or_else(|| PathBuf::from("/proc"), PathBuf::from);
        let spiderpool = is_on(SPIDERPOOL)?.then(|| node.to_owned());
        let eyes = Eyes::new(dirs.clone(), &proc, Path::new("/sys"));
        let eyes = if spiderpool.is_some() { eyes.for_spiderpool() } else { eyes };
        let readers = Readers { eyes, calls: Calls::begin(dirs).map_err(problem)? };
        let (own, readers) = (self.clone(), Arc::new(Mutex::new(readers)));
        let tell = move || own.clone().tell(readers.clone(), spiderpool.clone());
        tokio::task::spawn_local(exporter::serve(listener, tell));
        Ok(())
    }

    /// `spiderpool` is the node's name, where its names are wanted.
    async fn tell(self, readers: Arc<Mutex<Readers>>, spiderpool: Option<String>) -> Vec<Family> {
        // The plugins' requests are not to wait until hundreds of files are read.
        let look = move || {
            let mut readers = readers.lock().unwrap_or_else(PoisonError::into_inner);
            (readers.eyes.look(), readers.calls.take())
        };
        let seen = tokio::task::spawn_blocking(look).await;
        let (mut sight, found) = seen.unwrap_or_else(|_| (Sight::default(), Ok(Found::default())));
        sight.problems.extend(self.count(found));
        for problem in &sight.problems {
            eprintln!("metrics: {problem}");
        }
        let more = spiderpool.map(|node| metrics::spiderpool(&sight, &node)).unwrap_or_default();
        [metrics::node(&sight), metrics::agent(&self.0.borrow()), more].concat()
    }

    /// Calls of plugins that have ended; what is not to be counted is the answer.
    fn count(&self, found: Result<Found, state::Error>) -> Option<String> {
        let Found { calls, is_full } = match found {
            Ok(found) => found,
            Err(error) => return Some(error.to_string()),
        };
        let own = &mut self.0.borrow_mut().calls;
        for call in &calls {
            own.add(call);
        }
        let full = "calls of plugins are not counted: their file was full, as nobody has scraped for long";
        is_full.then(|| full.to_owned())
    }

    /// A pod's request has ended, `since` it came.
    pub(super) fn ended(&self, pool: &str, how: &'static str, since: Instant) {
        let agent = &mut *self.0.borrow_mut();
        agent.ended(pool, how);
        if how == "granted" {
            agent.waits.add(since.elapsed().as_secs_f64());
        }
    }

    pub(super) fn judged(&self, findings: Vec<Finding>) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        self.0.borrow_mut().findings = Some((findings, now.as_secs()));
    }

    pub(super) fn conditions(&self, conditions: Vec<Condition>) {
        self.0.borrow_mut().conditions = conditions;
    }

    pub(super) fn note(
        &self,
        trouble: bool,
        agent: &Agent,
        leased: &RangeSet,
        waiting: &BTreeMap<String, u64>,
    ) {
        let mut own = self.0.borrow_mut();
        own.trouble = trouble;
        own.epoch = agent.kept().epoch;
        let count = |set: &RangeSet| u64::try_from(set.len()).unwrap_or(u64::MAX);
        let pool = |(name, usable): (String, RangeSet)| {
            let waiting = waiting.get(&name).copied().unwrap_or(0);
            (name, NodePool { granted: count(&usable), used: count(&usable.common(leased)), waiting })
        };
        own.pools = agent.usable().into_iter().map(pool).collect();
    }
}

/// `true` or `false`.
fn is_on(variable: &str) -> Result<bool, String> {
    match std::env::var(variable).as_deref() {
        Ok("true") => Ok(true),
        Ok("false" | "") | Err(std::env::VarError::NotPresent) => Ok(false),
        _ => Err(format!("{variable} is neither true nor false")),
    }
}

impl Shell {
    /// What pods wait for, by pool.
    pub(super) fn waiting(&self) -> BTreeMap<String, u64> {
        let mut waiting = BTreeMap::new();
        for (request, _) in self.requests.iter().filter(|(request, _)| request.owner.is_none()) {
            *waiting.entry(request.pool.clone()).or_default() += request.count;
        }
        waiting
    }
}
