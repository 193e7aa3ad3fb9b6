//! Where an attachment has its addresses from.

use cni::{Attachment, CniResult, Config, Request, delegate};
use serde_json::{Value, json};

/// An IPAM plugin, as a process or as a library; `plugin` is its CNI type.
#[expect(missing_docs, reason = "each is the verb that it is named after")]
pub trait Ipam {
    /// Fails if it is not installed.
    fn require(&self, request: &Request, plugin: &str) -> Result<(), cni::Error>;
    /// Leaves nothing behind when it fails.
    fn add(&self, request: &Request, plugin: &str) -> Result<CniResult, cni::Error>;
    fn del(&self, request: &Request, plugin: &str) -> Result<(), cni::Error>;
    fn check(&self, request: &Request, plugin: &str) -> Result<(), cni::Error>;
    fn gc(&self, request: &Request, plugin: &str) -> Result<(), cni::Error>;
    fn status(&self, request: &Request, plugin: &str) -> Result<(), cni::Error>;
}

/// A plugin of `CNI_PATH`.
#[derive(Clone, Copy, Debug)]
pub struct Delegated;

impl Ipam for Delegated {
    fn require(&self, request: &Request, plugin: &str) -> Result<(), cni::Error> {
        delegate::require(request, plugin)
    }

    fn add(&self, request: &Request, plugin: &str) -> Result<CniResult, cni::Error> {
        delegate::add(request, plugin)
    }

    fn del(&self, request: &Request, plugin: &str) -> Result<(), cni::Error> {
        delegate::del(request, plugin)
    }

    fn check(&self, request: &Request, plugin: &str) -> Result<(), cni::Error> {
        delegate::check(request, plugin)
    }

    fn gc(&self, request: &Request, plugin: &str) -> Result<(), cni::Error> {
        delegate::gc(request, plugin)
    }

    fn status(&self, request: &Request, plugin: &str) -> Result<(), cni::Error> {
        delegate::status(request, plugin)
    }
}

/// Whether the plugin is ours, by either of the names that it is installed under; no other looks at [`cni::Env::declined`].
pub fn is_ours(plugin: &str) -> bool {
    ["rail-ipam", "spiderpool"].contains(&plugin)
}

/// The list of a GC.
pub const VALID: &str = "cni.dev/valid-attachments";

/// The list of a GC for the IPAM, to which what is on record is valid, too: an ADD that is under way no runtime knows of yet, and
/// what could not be undone may still answer for its addresses.
pub fn valid(request: &Request, recorded: impl Iterator<Item = Attachment>) -> Value {
    let keys = [VALID, "cni.dev/attachments"];
    let written = keys.iter().find_map(|key| request.config.raw().get(key)?.as_array().cloned());
    let mut list = written.unwrap_or_default();
    list.extend(recorded.map(|of| json!({ "containerID": of.container_id, "ifname": of.ifname })));
    Value::Array(list)
}

/// The request with one more key in its config, for a plugin that reads its standard input.
pub fn with_key(request: &Request, key: &str, value: Value) -> Result<Request, cni::Error> {
    let mut raw = request.config.raw().clone();
    raw[key] = value;
    let config = Config::from_value(raw, request.env.command)?;
    Ok(Request { env: request.env.clone(), config })
}
