//! A plugin without a kernel, for the tests: its config says what it does.

use std::net::IpAddr;
use std::process::ExitCode;

use cni::{CniResult, Error, Interface, Plugin, Request, ValidAttachments, delegate};
use serde::Deserialize;

/// What happens in any handler.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Conf {
    panic: Option<String>,
    fail: Option<Error>,
    warn: Option<String>,
    padding: Option<String>,
}

struct Probe;

impl Probe {
    fn handle(request: &Request) -> Result<(), Error> {
        let conf: Conf = request.config.decode()?;
        request.config.warn_unknown_keys::<Conf>(&[("crash", "panic")]);
        if let Some(text) = conf.warn {
            tracing::warn!(mtu = 9000, gateway = %IpAddr::from([10, 0, 0, 1]), "{text}");
        }
        assert!(conf.panic.is_none(), "{}", conf.panic.unwrap_or_default());
        conf.fail.map_or(Ok(()), Err)
    }

    fn forward(request: &Request, call: fn(&Request, &str) -> Result<(), Error>) -> Result<(), Error> {
        Self::handle(request)?;
        request.config.ipam_type.as_deref().map_or(Ok(()), |ipam| call(request, ipam))
    }
}

impl Plugin for Probe {
    fn about(&self) -> &'static str {
        "probe: a plugin for tests"
    }

    fn add(&self, request: &Request) -> Result<CniResult, Error> {
        Self::handle(request)?;
        let ipam =
            request.config.ipam_type.as_deref().map(|ipam| delegate::add(request, ipam)).transpose()?;
        let netns = request.env.netns.as_ref().map(|path| path.display().to_string());
        let interface =
            Interface { name: request.env.ifname.clone(), sandbox: netns, ..Interface::default() };
        Ok(CniResult { interfaces: vec![interface], ..ipam.unwrap_or_default() })
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        Self::forward(request, delegate::del)
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        Self::forward(request, delegate::check)
    }

    fn gc(&self, request: &Request, _: &ValidAttachments) -> Result<(), Error> {
        Self::forward(request, delegate::gc)
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        Self::forward(request, delegate::status)
    }

    fn log_name(&self) -> &'static str {
        "probe-cni"
    }
}

fn main() -> ExitCode {
    cni::run(&Probe)
}
