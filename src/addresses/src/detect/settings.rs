//! The key `detection` of a network.

use std::time::Duration;

use cni::{Config, Error};
use serde::Deserialize;
use serde_json::Value;

const RETRIES: u32 = 3;
const INTERVAL: Duration = Duration::from_millis(100);
const TIMEOUT: Duration = Duration::from_millis(100);
const MOST_RETRIES: u32 = 10;
/// The kernel repeats a request after a hundredth of a second at the earliest (`neigh_timer_handler`).
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(10);

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Object {
    conflict: bool,
    gateway: bool,
    retries: Option<u32>,
    interval: Option<String>,
    timeout: Option<String>,
}

/// Spiderpool's names, as its coordinator had them.
const MEANT: &[(&str, &str)] =
    &[("detectIPConflict", "conflict"), ("ipConflict", "conflict"), ("detectGateway", "gateway")];

/// What to detect, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detection {
    /// Whether somebody else has an address.
    pub conflict: bool,
    /// Whether gateways answer.
    pub gateway: bool,
    /// How many requests are sent for each address.
    pub retries: u32,
    /// Between one request and the next.
    pub interval: Duration,
    /// How long an answer may take after the last request.
    pub timeout: Duration,
}

impl Detection {
    /// Reads the config; `None` is to detect nothing. An error names the key, the value and what is allowed.
    pub fn of(config: &Config) -> Result<Option<Self>, Error> {
        let Some(written) = config.at(&["detection"]) else { return Ok(None) };
        match written {
            Value::Bool(false) => Ok(None),
            Value::Bool(true) => Ok(Some(Self {
                conflict: true,
                gateway: true,
                retries: RETRIES,
                interval: INTERVAL,
                timeout: TIMEOUT,
            })),
            Value::Object(_) => Self::of_object(config),
            other => Err(Error::invalid_config(format!(
                "detection {other}: expected true, false, or an object with conflict, gateway, retries, interval and timeout"
            ))),
        }
    }

    fn of_object(config: &Config) -> Result<Option<Self>, Error> {
        for unknown in config.unknown_keys_at::<Object>(&["detection"], MEANT) {
            tracing::warn!("{unknown}");
        }
        let keys: Object = config.decode_at(&["detection"])?.unwrap_or_default();
        let retries = keys.retries.unwrap_or(RETRIES);
        if !(1..=MOST_RETRIES).contains(&retries) {
            return Err(Error::invalid_config(format!(
                "detection.retries {retries}: expected 1 to {MOST_RETRIES}"
            )));
        }
        let interval = time("interval", keys.interval.as_deref(), INTERVAL)?;
        let timeout = time("timeout", keys.timeout.as_deref(), TIMEOUT)?;
        let wanted = keys.conflict || keys.gateway;
        let Object { conflict, gateway, .. } = keys;
        Ok(wanted.then_some(Self { conflict, gateway, retries, interval, timeout }))
    }

    /// From the first request to the end of the last one's timeout.
    pub(crate) fn duration(&self) -> Duration {
        self.interval * (self.retries - 1) + self.timeout
    }
}

fn time(key: &str, text: Option<&str>, default: Duration) -> Result<Duration, Error> {
    let Some(text) = text else { return Ok(default) };
    parse(text).filter(|time| (SHORTEST..=LONGEST).contains(time)).ok_or_else(|| {
        Error::invalid_config(format!(
            "detection.{key} {text:?}: expected a time from 10ms to 10s, such as \"100ms\" or \"1s\""
        ))
    })
}

fn parse(text: &str) -> Option<Duration> {
    if let Some(number) = text.strip_suffix("ms") {
        return number.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')?.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
