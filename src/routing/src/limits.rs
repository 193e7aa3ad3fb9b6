//! How much of what is in a pod is copied. The pod may have any number of routes and addresses, and all copies are written down.

use super::model::{Link, MAIN, View};

/// More than a NIC has that is no router's.
pub(super) const MOST: usize = 1000;

/// What is copied of the NICs of these names, and of main's default routes, whosever they are; the error names the number.
pub(super) fn require_few(view: &View, names: &[&str], first_nic: &str) -> Result<(), String> {
    let is_copied = |link: &&Link| link.name == first_nic || names.contains(&link.name.as_str());
    for link in view.links.iter().filter(is_copied) {
        let of_link = view.routes.iter().filter(|route| route.dev == link.index && route.table == MAIN);
        within(&link.name, of_link.count(), "routes in main")?;
        within(&link.name, view.addresses_of(link.index).count(), "addresses")?;
    }
    within("the pod", view.main_defaults().count(), "default routes in main")
}

fn within(whose: &str, count: usize, what: &str) -> Result<(), String> {
    if count <= MOST {
        return Ok(());
    }
    Err(format!(
        "{whose} has {count} {what}, and no more than {MOST} can be coordinated: remove those that something in the pod has added, \
         or leave the pod's routing alone (mode \"disable\")"
    ))
}
