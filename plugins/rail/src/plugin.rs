use std::mem::ManuallyDrop;

use cni::{CniResult, Error, Plugin, Request, ValidAttachments};

use crate::ipam::InProcessIpam;
use crate::{conf, pod};

/// The plugin.
#[derive(Debug)]
pub struct RailPlugin;

impl Plugin for RailPlugin {
    fn about(&self) -> &'static str {
        "railcni rail: links, addresses and policy routing of a pod's rails, in one process"
    }

    fn add(&self, request: &Request) -> Result<CniResult, Error> {
        let request = &*pod::resolved(request)?;
        // As with the request, nobody waits for their memory.
        let rails = ManuallyDrop::new(conf::rails(request)?);
        rails::add(request, &rails, &InProcessIpam::default())
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        rails::del(request, &conf::requests_if_readable(request), &InProcessIpam::default())
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        let request = &*pod::resolved(request)?;
        rails::check(request, &conf::rails(request)?, &InProcessIpam::default())
    }

    fn gc(&self, request: &Request, valid: &ValidAttachments) -> Result<(), Error> {
        rails::gc(request, &conf::requests_if_readable(request), valid, &InProcessIpam::default())
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        rails::status(&conf::rails(request)?, &InProcessIpam::default())
    }
}
