use attach::Error as AttachError;
use attach::attachment::identity;
use cni::{CniResult, Error, Plugin, Request, ValidAttachments};
use links::master::{self, User};
use netns::NetNs;
use state::{AttachmentKey, Dirs};

use crate::conf::wanted;

/// The plugin.
pub(crate) struct Ifacer;

impl Plugin for Ifacer {
    fn about(&self) -> &'static str {
        "railcni ifacer: a VLAN or a bond on the host, shared by pods as the master of their links"
    }

    /// Passes on what the chain has so far.
    fn add(&self, request: &Request) -> Result<CniResult, Error> {
        let wanted = wanted(request)?;
        let result = request.config.prev_result.clone().unwrap_or_default();
        // A version that cannot tell an empty result fails before anything is made.
        result.to_value(request.config.cni_version).map_err(|error| {
            Error::invalid_config(format!(
                "{error}: use cniVersion 0.3.0 or later, the result of ifacer has no address"
            ))
        })?;
        if let Some(wanted) = wanted {
            master::provide(&dirs()?, &wanted, &user(request)?)?;
        }
        Ok(result)
    }

    fn del(&self, request: &Request) -> Result<(), Error> {
        all(master::release(&dirs()?, &key(request)?)?)
    }

    fn check(&self, request: &Request) -> Result<(), Error> {
        request.config.require_prev_result()?;
        let Some(wanted) = wanted(request)? else { return Ok(()) };
        let found = master::check(&dirs()?, &wanted, &key(request)?)?;
        if found.is_empty() { Ok(()) } else { Err(Error::internal(found.join("; "))) }
    }

    fn gc(&self, request: &Request, valid: &ValidAttachments) -> Result<(), Error> {
        let (released, errors) = master::collect(&dirs()?, &request.config.name, valid)?;
        for key in &released {
            tracing::info!(attachment = %key, "released: not among the valid attachments");
        }
        all(errors)
    }

    fn status(&self, request: &Request) -> Result<(), Error> {
        let Some(wanted) = wanted(request)? else { return Ok(()) };
        master::status(&wanted).map_err(|error| Error::not_available(error.to_string()))
    }
}

fn all(errors: Vec<AttachError>) -> Result<(), Error> {
    AttachError::join(errors).map_or(Ok(()), |error| Err(error.into()))
}

fn dirs() -> Result<Dirs, Error> {
    Ok(Dirs::from_env().map_err(AttachError::from)?)
}

/// The pod is only noted, for whoever looks for leftovers: ADD does not need it.
fn user(request: &Request) -> Result<User, Error> {
    let pod = request.env.netns.as_deref().and_then(|path| NetNs::open(path).ok());
    Ok(User::new(key(request)?, pod.as_ref().map(identity)))
}

fn key(request: &Request) -> Result<AttachmentKey, Error> {
    let env = &request.env;
    Ok(AttachmentKey::new(&request.config.name, &env.container_id, &env.ifname).map_err(AttachError::from)?)
}
