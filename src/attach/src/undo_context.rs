use std::path::Path;

use netlink::Rtnetlink;
use netns::NetNs;
use state::Netns;

use crate::attachment::{is, may_be};
use crate::{Error, Pod};

/// Where an undo happens: the host, and the pod's namespace if it is still the one that the record is about.
#[derive(Debug, Default)]
pub struct UndoContext {
    /// `None` when the namespace is gone, and with it all that was in it.
    pub pod: Option<Pod>,
    /// rtnetlink on the host, once it was needed.
    pub host: Option<Rtnetlink>,
}

impl UndoContext {
    /// Looks for the record's namespace at `CNI_NETNS` and at the path of ADD. Neither need exist; another namespace
    /// at the same path is a newer pod's and is left alone.
    pub fn of(recorded: Option<&Netns>, cni_netns: Option<&Path>) -> Result<Self, Error> {
        let Some(recorded) = recorded else { return Ok(Self::default()) };
        for path in cni_netns.into_iter().chain([recorded.path.as_path()]) {
            match NetNs::open(path) {
                Ok(netns) if may_be(&netns, recorded) => {
                    let context = Self::with(netns)?;
                    if context.is_of(recorded) {
                        return Ok(context);
                    }
                }
                Err(error) if !error.is_gone() => return Err(error.into()),
                _ => (),
            }
        }
        Ok(Self::default())
    }

    /// Whatever namespace is at `CNI_NETNS`, for what has to be undone without a record.
    pub fn at(cni_netns: Option<&Path>) -> Result<Self, Error> {
        match cni_netns.map(NetNs::open) {
            Some(Ok(netns)) => Self::with(netns),
            Some(Err(error)) if !error.is_gone() => Err(error.into()),
            _ => Ok(Self::default()),
        }
    }

    /// rtnetlink in the namespace that the plugin runs in.
    pub fn host(&mut self) -> Result<&mut Rtnetlink, Error> {
        match &mut self.host {
            Some(host) => Ok(host),
            empty => Ok(empty.insert(Rtnetlink::open()?)),
        }
    }

    fn is_of(&self, recorded: &Netns) -> bool {
        self.pod.as_ref().is_some_and(|pod| is(&pod.netns, recorded))
    }

    fn with(netns: NetNs) -> Result<Self, Error> {
        Ok(Self { pod: Some(Pod::of(netns)?), host: None })
    }
}
