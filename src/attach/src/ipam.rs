//! Where an attachment has its addresses from.

use cni::{CniResult, Request, delegate};

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
