//! The part of a runtime that drives a chain of plugins (CNI specification, section 4).

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::exec::{Bench, Call};
use crate::suite::Suite;

/// One rail in one pod.
pub(crate) struct Attachment<'a> {
    pub(crate) suite: &'a Suite,
    pub(crate) netns: &'a str,
    pub(crate) rail: u8,
}

impl Attachment<'_> {
    /// The time that the plugins took, and the result of the last.
    pub(crate) fn add(&self, bench: &Bench<'_>) -> Result<(Duration, Value)> {
        let mut result = Value::Null;
        let mut total = Duration::ZERO;
        for config in self.suite.chain(self.rail) {
            let (took, said) = self.call(bench, "ADD", config, &result)?;
            total += took;
            result = said;
        }
        Ok((total, result))
    }

    /// In the opposite order, each with the result of ADD.
    pub(crate) fn del(&self, bench: &Bench<'_>, result: &Value) -> Result<Duration> {
        let chain = self.suite.chain(self.rail).into_iter().rev();
        chain.map(|config| Ok(self.call(bench, "DEL", config, result)?.0)).sum()
    }

    fn call(
        &self,
        bench: &Bench<'_>,
        verb: &str,
        mut config: Value,
        previous: &Value,
    ) -> Result<(Duration, Value)> {
        if !previous.is_null() {
            config["prevResult"] = previous.clone();
        }
        let ifname = format!("net{}", self.rail);
        let call = Call { verb, container_id: "bench-pod", netns: self.netns, ifname: &ifname };
        let plugin = config["type"].as_str().context("a config without type")?;
        bench.run(self.suite, plugin, &call, &config)
    }
}
