use attach::lease::IpamHold;
use attach::{Error, Pod};
use cni::{CniResult, Config};
use netlink::Link;

use crate::{Detection, advertisements, configure_all, detect, has_ipv6};

/// What a network may ask for of its addresses: the keys of all links, `detection` and `acceptRA`.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// `None` is to detect nothing.
    pub detection: Option<Detection>,
    /// Whether the link hears router advertisements.
    pub accept_ra: bool,
}

impl Options {
    /// Reads the config. An error names the key, the value and what is allowed.
    pub fn of(config: &Config) -> Result<Self, cni::Error> {
        let detection = Detection::of(config)?;
        Ok(Self { detection, accept_ra: advertisements::asked_for(config)? })
    }
}

/// A link in the pod, and the addresses that it is to get.
pub struct Candidate<'c, 'l> {
    /// In the pod, and down.
    pub link: &'c Link,
    /// What its frames go through, if that is another link, on the host: an ipvlan hears no answer to a question that
    /// comes from no address.
    pub parent: Option<&'c Link>,
    /// What its network asks for.
    pub options: Options,
    /// Where other addresses come from.
    pub lease: &'c mut IpamHold<'l>,
    /// Its addresses, until others are taken instead.
    pub result: &'c mut CniResult,
}

/// Gives links of one pod their addresses, each step for all of them at once: nobody else has the addresses; then addresses, up,
/// routes, which announces them; then what routers advertise, and whether gateways answer. `wake_lo` writes down that the pod's lo
/// gets IPv6, before it does.
pub fn give(
    pod: &mut Pod,
    candidates: &mut [Candidate<'_, '_>],
    wake_lo: &mut dyn FnMut(&Pod) -> Result<(), Error>,
) -> Result<(), cni::Error> {
    let hearing: Vec<_> = candidates.iter().map(|one| (one.link, one.options.accept_ra)).collect();
    advertisements::set(pod, &hearing)?;
    if candidates.iter().any(|one| has_ipv6(one.result)) {
        wake_lo(pod)?;
    }
    detect::avoid_conflicts(pod, candidates)?;
    let links: Vec<_> = candidates.iter().map(|one| (one.link, &*one.result)).collect();
    configure_all(pod, &links)?;
    advertisements::wait(pod, &hearing)?;
    let asked: Vec<_> =
        candidates.iter().map(|one| (one.link, &*one.result, one.options.detection)).collect();
    Ok(detect::require_gateways(pod, &asked)?)
}
