use std::time::Duration;

use attach::Error;
use attach::wait::here as wait_here;
use cni::CniResult;
use netlink::{Link, Rtnetlink};

use super::push;

/// As long as for a VF's attributes.
const PATIENCE: Duration = Duration::from_secs(5);

type Outcomes = Vec<Result<(), netlink::Error>>;

/// Asks again while a driver is busy: i40e and iavf answer EBUSY or EAGAIN to a link that is to come up while they still
/// work on the VF's settings, and nothing tells when they have done. What has succeeded stays so.
pub(super) fn ask_again(
    route: &mut Rtnetlink,
    links: &[(&Link, &CniResult)],
    mut outcomes: Outcomes,
) -> Result<Outcomes, Error> {
    wait_here(PATIENCE, || {
        if !outcomes.iter().any(is_busy) {
            return Ok(Some(()));
        }
        let mut batch = route.batch();
        for (link, result) in links {
            push(&mut batch, link, result);
        }
        for (old, new) in outcomes.iter_mut().zip(batch.outcomes()?) {
            if old.is_err() {
                *old = new;
            }
        }
        Ok(None)
    })?;
    Ok(outcomes)
}

fn is_busy(outcome: &Result<(), netlink::Error>) -> bool {
    outcome.as_ref().is_err_and(netlink::Error::is_busy)
}
