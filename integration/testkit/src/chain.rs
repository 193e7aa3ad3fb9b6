//! What a runtime attaches: the plugins of one network, or of several, in the order of ADD.

use serde_json::{Value, json};

use crate::plugin::Plugin;

/// Networks of one or more plugins for one pod.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) plugin: Plugin,
    pub(crate) config: Value,
    /// It gets the result of the step before.
    chained: bool,
}

impl Chain {
    /// Begins another network.
    #[must_use]
    pub fn first(self, plugin: Plugin, config: Value) -> Self {
        self.with(Step { plugin, config, chained: false })
    }

    /// The next plugin of that network.
    #[must_use]
    pub fn then(self, plugin: Plugin, config: Value) -> Self {
        self.with(Step { plugin, config, chained: true })
    }

    fn with(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// ADD of everything.
    #[track_caller]
    pub fn add(&self) {
        self.add_first(self.steps.len());
    }

    /// ADD of the first `count` steps; the result of the last one.
    #[track_caller]
    pub(crate) fn add_first(&self, count: usize) -> Value {
        (0..count).fold(Value::Null, |previous, at| {
            let config = self.config(at, &previous);
            self.steps[at].plugin.add(&config).success()
        })
    }

    /// What step `at` gets for its ADD when the step before it answered `previous`.
    pub(crate) fn config(&self, at: usize, previous: &Value) -> Value {
        let step = &self.steps[at];
        let mut config = step.config.clone();
        if step.chained {
            config["prevResult"] = previous.clone();
        }
        config
    }

    /// DEL of everything, the last plugin first, as a runtime does after whatever became of ADD.
    #[track_caller]
    pub fn del(&self) {
        self.del_first(self.steps.len());
    }

    /// DEL of the first `count` steps, the last one first.
    #[track_caller]
    pub(crate) fn del_first(&self, count: usize) {
        del(&self.steps[..count]);
    }

    /// DEL of the steps after the first `count`, the last one first.
    #[track_caller]
    pub(crate) fn del_after(&self, count: usize) {
        del(&self.steps[count..]);
    }

    /// GC of every network, by a runtime that knows no attachment.
    #[track_caller]
    pub fn gc(&self) {
        for step in self.steps.iter().rev() {
            let mut config = step.config.clone();
            config["cni.dev/valid-attachments"] = json!([]);
            step.plugin.gc(&config).success();
        }
    }
}

/// DEL gets nothing of ADD: the record has to do.
#[track_caller]
fn del(steps: &[Step]) {
    for step in steps.iter().rev() {
        step.plugin.del(&step.config).success();
    }
}
