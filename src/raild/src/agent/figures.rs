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
use metrics::{Family, NodePool};
use state::Dirs;
use tokio::time::Instant;

use super::Shell;
use crate::exporter;

/// Where the host's /proc is, which shows the counters of pods; that of the own container shows no pod.
const PROC: &str = "RAILD_HOST_PROC";

/// Shared by the shell and the scrapes, in one thread.
#[derive(Clone)]
pub(super) struct Figures(Rc<RefCell<metrics::Agent>>);

impl Figures {
    pub(super) fn new() -> Self {
        Self(Rc::default())
    }

    /// Begins to serve, if the environment says where.
    pub(super) async fn serve(&self, dirs: &Dirs) -> Result<(), String> {
        let Some(listener) = exporter::bind().await? else { return Ok(()) };
        let proc = std::env::var_os(PROC).map_or_else(|| PathBuf::from("/proc"), PathBuf::from);
        let eyes = Arc::new(Mutex::new(Eyes::new(dirs.clone(), &proc, Path::new("/sys"))));
        let own = self.clone();
        tokio::task::spawn_local(exporter::serve(listener, move || own.clone().tell(eyes.clone())));
        Ok(())
    }

    async fn tell(self, eyes: Arc<Mutex<Eyes>>) -> Vec<Family> {
        // The plugins' requests are not to wait until hundreds of files are read.
        let look = move || eyes.lock().unwrap_or_else(PoisonError::into_inner).look();
        let sight = tokio::task::spawn_blocking(look).await.unwrap_or_default();
        for problem in &sight.problems {
            eprintln!("metrics: {problem}");
        }
        [metrics::node(&sight), metrics::agent(&self.0.borrow())].concat()
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

impl Shell {
    /// What pods wait for, by pool.
    pub(super) fn waiting(&self) -> BTreeMap<String, u64> {
        let mut waiting = BTreeMap::new();
        for (request, _) in &self.requests {
            *waiting.entry(request.pool.clone()).or_default() += request.count;
        }
        waiting
    }
}
