//! What the servers count themselves: requests and processor time, which do not jitter as times do.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result};

use crate::api::Api;
use crate::kubectl::Kubectl;

/// The counters of an API server, or what lies between two readings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Meter {
    /// Requests that change something, of whomever.
    pub writes: u64,
    /// That etcd has put into its log.
    pub bytes: u64,
    /// Seconds of processor time of kube-apiserver.
    pub cpu: f64,
}

impl Meter {
    /// As they are now.
    pub fn read(api: &Api) -> Result<Self> {
        let metrics = api.kubectl().run(&["get", "--raw", "/metrics"])?;
        let etcd = get(&api.etcd_address(), "/metrics")?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a counter of bytes")]
        let bytes = value(&etcd, "etcd_disk_wal_write_bytes_total ")? as u64;
        Ok(Self { writes: sum(&metrics)?, bytes, cpu: value(&metrics, "process_cpu_seconds_total ")? })
    }

    /// What came since an earlier reading.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            writes: self.writes - before.writes,
            bytes: self.bytes - before.bytes,
            cpu: self.cpu - before.cpu,
        }
    }
}

/// How many writes an API server has served, of whomever.
pub fn writes(kubectl: &Kubectl) -> Result<u64> {
    sum(&kubectl.run(&["get", "--raw", "/metrics"])?)
}

fn sum(metrics: &str) -> Result<u64> {
    let is_write = |line: &&str| {
        let verbs = ["POST", "PUT", "PATCH", "APPLY", "DELETE"];
        line.starts_with("apiserver_request_total{")
            && verbs.iter().any(|verb| line.contains(&format!("verb=\"{verb}\"")))
    };
    let counts = metrics.lines().filter(is_write).filter_map(|line| line.rsplit(' ').next());
    counts.map(|count| count.parse::<u64>().with_context(|| format!("count {count}"))).sum()
}

fn value(metrics: &str, start: &str) -> Result<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(start));
    let line = line.with_context(|| format!("no {start}among the metrics"))?;
    line.trim().parse().with_context(|| format!("{start}{line}"))
}

/// Of etcd, which kubectl does not reach.
fn get(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_something_is_a_write() {
        let metrics = "apiserver_request_total{code=\"200\",resource=\"pods\",verb=\"PATCH\"} 3\n\
                       apiserver_request_total{code=\"200\",resource=\"pods\",verb=\"LIST\"} 5\n\
                       apiserver_request_total{code=\"201\",resource=\"leases\",verb=\"POST\"} 4\n\
                       process_cpu_seconds_total 1.5e+01\n";
        assert_eq!(sum(metrics).unwrap(), 7);
        assert!((value(metrics, "process_cpu_seconds_total ").unwrap() - 15.0).abs() < 0.001);
    }
}
