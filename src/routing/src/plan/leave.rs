use crate::changes::{Change, Made, Place};
use crate::lost;
use crate::model::{Route, View};
use crate::shared::{Shared, Way};
use crate::undo::RoutingUndo;

/// Plans a DEL or a rollback: of what the records say, that which is there. `shared` is without the NICs afterwards.
pub(crate) fn leave(view: &View, shared: &mut Shared, undos: &[RoutingUndo]) -> Vec<Change> {
    let mut left: Vec<_> = undos.iter().map(|undo| (undo.made(view, shared), undo.spares(shared))).collect();
    for undo in undos {
        if shared.another(&undo.key).is_none() {
            shared.remove(&undo.key.network, &undo.key.ifname);
        }
    }
    let mut left_over: Vec<Route> = left.iter().flat_map(|(_, spares)| spares).cloned().collect();
    let first = undos.iter().zip(&left).find(|(undo, _)| undo.ifname() == shared.first_nic);
    if let Some((undo, (made, _))) = first.filter(|_| shared.has_lost_first() && !shared.members.is_empty()) {
        let way = Way { pair: undo.pair.clone(), returns: returns(made) };
        left_over.extend(shared.outlive_first(view, way));
    }
    let lost = take_lost_first(view, shared, undos, &mut left);
    let kept = shared.way.as_ref().map(|way| way.returns.clone()).filter(|_| !shared.members.is_empty());
    let kept = kept.unwrap_or_default();
    let mut changes = shared.reconcile(view, &left_over);
    changes.extend(lost);
    let outliving = shared.outliving(view).into_iter();
    changes.extend(outliving.map(|route| Change::AddRoute(route, Place::Instead)));
    let present = view.route_set();
    for (undo, (mut made, _)) in undos.iter().zip(left) {
        if shared.way.is_some() {
            made.routes = made.routes.iter().filter_map(|route| shared.present(view, route)).collect();
        }
        let made = made.retain(
            |route| present.contains(route) && !kept.routes.contains(route),
            |rule| view.rules.contains(rule) && !kept.rules.contains(rule),
        );
        changes.extend(made.deletions());
        changes.extend(undo.reset_link(view).filter(|_| shared.another(&undo.key).is_none()));
    }
    changes
}

/// Where the pod's record is lost, too, the last NIC takes along what the first one's table still shows. Returns what main gets
/// back.
fn take_lost_first(
    view: &View,
    shared: &Shared,
    undos: &[RoutingUndo],
    left: &mut [(Made, Vec<Route>)],
) -> Vec<Change> {
    if undos.iter().all(|undo| undo.own.is_some()) {
        return Vec::new();
    }
    let mut all = Made::default();
    for (made, _) in left.iter() {
        all.extend(made.clone());
    }
    let first = lost::first(view, shared, &all, |ifname| undos.iter().any(|undo| undo.ifname() == ifname));
    let moved = lost::moved_defaults(view, &first);
    let Some((made, _)) = left.last_mut() else { return Vec::new() };
    made.extend(first);
    moved
}

/// Of what a first NIC made: the rules by mark and their table.
fn returns(made: &Made) -> Made {
    let rules: Vec<_> = made.rules.iter().filter(|rule| rule.mark.is_some()).cloned().collect();
    let is_theirs = |route: &&Route| rules.iter().any(|rule| rule.table == route.table);
    Made { routes: made.routes.iter().filter(is_theirs).cloned().collect(), rules }
}
