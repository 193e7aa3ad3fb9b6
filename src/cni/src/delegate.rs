//! Calling another plugin with our own input, such as an IPAM.

use crate::{CniResult, Error, Request};

/// Runs the delegate's ADD. After a failure its DEL runs, too, before the failure is returned.
pub fn add(request: &Request, plugin_type: &str) -> Result<CniResult, Error> {
    let _ = (request, plugin_type);
    Err(Error::internal("not yet"))
}

/// Runs the delegate's DEL.
pub fn del(request: &Request, plugin_type: &str) -> Result<(), Error> {
    let _ = (request, plugin_type);
    Err(Error::internal("not yet"))
}

/// Runs the delegate's CHECK.
pub fn check(request: &Request, plugin_type: &str) -> Result<(), Error> {
    let _ = (request, plugin_type);
    Err(Error::internal("not yet"))
}

/// Runs the delegate's GC.
pub fn gc(request: &Request, plugin_type: &str) -> Result<(), Error> {
    let _ = (request, plugin_type);
    Err(Error::internal("not yet"))
}

/// Runs the delegate's STATUS; a delegate that is not installed is code 50.
pub fn status(request: &Request, plugin_type: &str) -> Result<(), Error> {
    let _ = (request, plugin_type);
    Err(Error::internal("not yet"))
}
